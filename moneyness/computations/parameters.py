"""The parameters and status words of the computation `moneyness`."""

import re
from datetime import date
from typing import Any

from moneyness.core.chain_params import AtmVolatility, ChainParams, DealerSign, GammaFormula
from moneyness.core.chain_rows import What
from signals.computations.greeks import (
    DAY_COUNT,
    DIVIDEND_YIELD,
    EXERCISE,
    FORWARD,
    IV_FROM,
    MAX_QUOTE_AGE,
    MODEL,
    PRICE,
    RATE,
)
from signalsite.foundation.computations.columns import StatusWord
from signalsite.foundation.computations.contract import Bounds, Parameter, TextForm
from signalsite.foundation.errors import InvalidInput

_DEFAULT = ChainParams()
CLOSE = "close"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
MOST_EXPIRIES, MOST_STRIKES, MOST_AROUND = 40, 100, 500
MOST_LISTED = 20  # deltas, tenors, and bands of an underlying's settings
MOST_DATES = 92
"""Of one item. Each date of a large index takes a third of a second to read, and a chunk must end in time."""


def parse_day(text: str) -> date:
    """Parse YYYY-MM-DD, from 1970 to 2199. Raises InvalidInput."""
    try:
        found = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or not 1970 <= found.year < 2200:
        raise InvalidInput("date", f"{text[:20]!r} is no date from 1970 to 2199 as YYYY-MM-DD")
    return found


def check_clock(text: str) -> None:
    if text != CLOSE and not _CLOCK.fullmatch(text):
        raise InvalidInput("at_time", f"{text[:20]!r} is neither {CLOSE} nor a time such as 15:20")


_DAY_FORM = TextForm(f"^{_DATE.pattern}$", 10, parse_day, "a date as YYYY-MM-DD, from 1970 to 2199")
_EXPIRIES_HELP = "Of each underlying and instant, the nearest so many expiries that have a price."

PARAMETERS = (
    Parameter(
        name="what",
        type=str,
        default=What.SUMMARY.value,
        choices=[each.value for each in What],
        help="One row for each expiry (summary), level and side (levels), delta and side (deltas), strike (strikes), "
        "or constant maturity (term).",
    ),
    Parameter(
        name="start_date",
        type=str,
        default=None,
        nullable=True,
        form=_DAY_FORM,
        help="The first of several sessions: each is evaluated at at_time. as_of does not count then.",
    ),
    Parameter(
        name="end_date",
        type=str,
        default=None,
        nullable=True,
        form=_DAY_FORM,
        help=f"The last one; null: start_date. At most {MOST_DATES} days are from one to the other.",
    ),
    Parameter(
        name="at_time",
        type=str,
        default=CLOSE,
        form=TextForm(f"^({CLOSE}|{_CLOCK.pattern})$", 5, check_clock, f"{CLOSE}, or a time such as 15:20"),
        help="The moment of each session, in the exchange's zone.",
    ),
    Parameter(name="expiries", type=int, default=4, bounds=Bounds(1, MOST_EXPIRIES), help=_EXPIRIES_HELP),
    Parameter(
        name="strikes",
        type=int,
        default=_DEFAULT.strikes,
        bounds=Bounds(1, MOST_STRIKES),
        help="Levels: from ITM so many to OTM so many.",
    ),
    Parameter(
        name="deltas",
        type=float,
        default=_DEFAULT.deltas,
        bounds=Bounds(0.001, 0.999),
        most=MOST_LISTED,
        help="Absolute deltas: of levels by delta, and of deltas.",
    ),
    Parameter(
        name="around",
        type=int,
        default=20,
        bounds=Bounds(1, MOST_AROUND),
        help="Strikes: so many on each side of the money.",
    ),
    Parameter(
        name="tenors",
        type=float,
        default=_DEFAULT.tenors,
        bounds=Bounds(1.0, 3650.0),
        most=MOST_LISTED,
        help="Term: days of the constant maturities.",
    ),
    Parameter(
        name="atm_volatility",
        type=str,
        default=None,
        nullable=True,
        choices=[each.value for each in AtmVolatility],
        help="interpolated: at the forward, in total variance; nearest: mean of call and put at the nearest strike; "
        "straddle: implied by the straddle there; null: the underlying's own setting.",
    ),
    Parameter(
        name="gamma_formula",
        type=str,
        default=None,
        nullable=True,
        choices=[each.value for each in GammaFormula],
        help="per_point: gamma x open interest; per_percent: that x U² x 0.01; notional: that x U², U what gamma is "
        "per 1 of; null: the underlying's own setting.",
    ),
    Parameter(
        name="dealer_sign",
        type=str,
        default=None,
        nullable=True,
        choices=[each.value for each in DealerSign],
        help="Which options dealers are taken to be long of; an assumption; null: the underlying's own setting.",
    ),
    Parameter(
        name="fit",
        type=bool,
        default=True,
        help="Fit a smile (SVI) to each expiry: most of the time of an evaluation. Without it, skew is read from the "
        "chain.",
    ),
    *(MODEL, EXERCISE, FORWARD, RATE, DIVIDEND_YIELD, DAY_COUNT, PRICE, IV_FROM, MAX_QUOTE_AGE),
)

STATUSES = (
    StatusWord("no_chain", "no option of it has a price that is young enough at that instant", retryable=True),
    StatusWord("no_session", "the exchange has no session in the range of dates"),
)


def check_dates(params: Any) -> tuple[date, date] | None:
    """Return the range of dates, None without one. Raises InvalidInput."""
    first, last = params["start_date"], params["end_date"]
    if first is None:
        if last is not None:
            raise InvalidInput("params.end_date", "it needs a start_date")
        return None
    begin = parse_day(first)
    end = parse_day(last) if last is not None else begin
    if end < begin:
        raise InvalidInput("params.end_date", "must not be before start_date")
    if (end - begin).days >= MOST_DATES:
        raise InvalidInput("params.end_date", f"at most {MOST_DATES} days from start_date on, both included")
    return begin, end
