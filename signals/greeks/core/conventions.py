"""The conventions of a Greeks computation: every choice that changes a number, by name."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

DEFAULT_RATE = 0.065
"""Continuously compounded, annual: near the Indian three-month treasury bill. It counts where neither the caller nor a
stored curve gives a rate."""

SECONDS_PER_YEAR = 365 * 86400
DAYS_PER_YEAR = 365


class Model(StrEnum):
    UNDERLYING = "underlying"  # the underlying's own setting
    BSM = "bsm"
    BLACK76 = "black76"


class Exercise(StrEnum):
    UNDERLYING = "underlying"  # the underlying's own setting
    EUROPEAN = "european"
    AMERICAN = "american"


class ForwardSource(StrEnum):
    """Where a forward came from. Callers may choose the first four; the last two are only reported."""

    AUTO = "auto"
    PARITY = "parity"
    FUTURE = "future"
    SPOT = "spot"
    CARRIED_FUTURE = "carried_future"  # a future of another expiry, carried to this one
    OVERRIDE = "override"


class DayCount(StrEnum):
    EXACT = "exact"  # seconds to the exact moment of expiry / (365 x 86,400)
    CALENDAR_DAYS = "calendar_days"  # whole days between the exchange's dates / 365; exact on the last day


class PriceSource(StrEnum):
    AUTO = "auto"
    MID = "mid"
    LAST = "last"
    SETTLE = "settle"
    CLOSE = "close"
    OVERRIDE = "override"


class FallbackVolatility(StrEnum):
    NONE = "none"
    VIX = "vix"


class IvFrom(StrEnum):
    """Which option's price a volatility is implied from."""

    PRICE = "price"  # its own
    OTM_TWIN = "otm_twin"  # in the money: that of the other leg of its strike, where that has one; else its own


class QuoteIv(StrEnum):
    NONE = "none"
    BOTH_SIDES = "both_sides"


QUOTE_IVS = ("bid_iv", "mid_iv", "ask_iv")
"""The columns that `both_sides` fills. Live states do not have them."""


FIRST_ORDER = ("delta", "gamma", "theta", "vega", "rho")
HIGHER_ORDER = (
    "vanna", "volga", "charm", "speed", "zomma", "color", "veta", "ultima", "dividend_rho", "elasticity"
)  # fmt: skip
"""Of higher order, or of other inputs. `elasticity` is also called lambda, which no Python attribute can be."""


EARLY_EXERCISE = ("exercise", "early_exercise_premium")
"""What `greeks` names for American options: how each option was priced, and what the right is worth."""


class Theta(StrEnum):
    INSTANTANEOUS = "instantaneous"  # the derivative by time, / 365
    NEXT_DAY = "next_day"  # a revaluation one calendar day later


class VolatilitySource(StrEnum):
    PRICE = "price"  # implied from the price used
    VIX = "vix"  # the fallback: nothing could be implied
    OVERRIDE = "override"
    OTM_TWIN = "otm_twin"  # implied from the price of the out-of-the-money leg at the same strike


@dataclass(frozen=True, slots=True, kw_only=True)
class GreeksParams:
    """A caller's choices, with the documented defaults."""

    model: Model = Model.UNDERLYING
    exercise: Exercise = Exercise.UNDERLYING
    forward: ForwardSource = ForwardSource.AUTO
    rate: float | None = None  # None: the curve of the underlying's currency, else DEFAULT_RATE
    dividend_yield: float | None = None  # None: cash dividends, else the dated yield, else the underlying's own
    day_count: DayCount = DayCount.EXACT
    price: PriceSource = PriceSource.AUTO
    fallback_volatility: FallbackVolatility = FallbackVolatility.NONE
    iv_from: IvFrom = IvFrom.PRICE
    quote_iv: QuoteIv = QuoteIv.NONE
    greeks: tuple[str, ...] = FIRST_ORDER
    theta: Theta = Theta.INSTANTANEOUS
    max_quote_age_seconds: float = 86400.0  # older quotes do not count: yesterday's price beside today's spot misleads


PRICE_SOURCES: tuple[PriceSource, ...] = (
    PriceSource.MID,
    PriceSource.LAST,
    PriceSource.SETTLE,
    PriceSource.CLOSE,
)
"""The order in which `auto` looks. Columns of codes are indexes into these tuples, -1 for none."""

FORWARD_SOURCES: tuple[ForwardSource, ...] = (
    ForwardSource.PARITY,
    ForwardSource.FUTURE,
    ForwardSource.SPOT,
    ForwardSource.CARRIED_FUTURE,
    ForwardSource.OVERRIDE,
)
PRICE_WORDS: tuple[str | None, ...] = (*PRICE_SOURCES, PriceSource.OVERRIDE, None)  # -1 is none
OVERRIDE_PRICE, MIXED_PRICES = 4, 5  # places in FORWARD_PRICE_WORDS
FORWARD_PRICE_WORDS: tuple[str | None, ...] = (*PRICE_SOURCES, PriceSource.OVERRIDE, "mixed", None)
"""Which price a forward came from. `mixed`: trades of several sources, such as last and settle, by parity."""
FORWARD_WORDS: tuple[str | None, ...] = (*FORWARD_SOURCES, None)
VOLATILITY_SOURCES: tuple[VolatilitySource, ...] = tuple(VolatilitySource)
VOLATILITY_WORDS: tuple[str | None, ...] = (*VOLATILITY_SOURCES, None)


def expiry_years(day_count: DayCount, seconds_to_expiry: np.ndarray, days_to_expiry: np.ndarray) -> np.ndarray:
    """Return T in years: positive until the moment of expiry under every day count, 0 at it, negative after it.

    `calendar_days` counts whole days while the expiry lies on a later date. On the last day no whole day is left, but
    the option trades on, so T is then the exact time, as it always is under `exact`. T therefore never rises as time
    passes and reaches 0 at expiry together with the option's time value. A last day of one whole day would be simpler,
    but it would understate the volatility of an option with an hour to live about fivefold, and end in a jump.
    That rule is an assumption. NSE publishes volatilities at T = whole days / 365, but none of the chains that we
    checked is of an expiry day, so we do not know what NSE shows then.
    """
    exact: np.ndarray = seconds_to_expiry / SECONDS_PER_YEAR
    if day_count is DayCount.EXACT:
        return exact
    return np.where((seconds_to_expiry > 0) & (days_to_expiry >= 1), days_to_expiry / DAYS_PER_YEAR, exact)
