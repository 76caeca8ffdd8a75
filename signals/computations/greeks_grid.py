"""Prices and Greeks of options under shocks of spot, volatility and time: one row for each combination."""

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from signals.computations.greeks import (
    DAY_COUNT,
    DIVIDEND_YIELD,
    FALLBACK_VOLATILITY,
    FORWARD,
    IV_FROM,
    MAX_QUOTE_AGE,
    MODEL,
    PRICE,
    RATE,
    Greeks,
    GreeksInputs,
)
from signals.greeks.core.conventions import DAYS_PER_YEAR, DayCount, Model, expiry_years
from signals.greeks.core.reasons import STATUS_WORDS
from signals.greeks.core.status import Status
from signals.greeks.selectors import exchange_of
from signalsite.foundation.computations.contract import OK, Answers, Bounds, Column, Parameter, Params, StatusWord
from timeframes.core.sessions import local_date

MOST_CELLS = 1000
_AXES = ("spot_shocks", "volatility_shocks", "days_forward")
_GREEKS = ("delta", "gamma", "theta", "vega", "rho")
_NO_VOLATILITY = StatusWord("no_volatility", "the shocked volatility is zero or less, or beyond what the model prices")
_EXPIRED = "the contract has expired by then: its price is the intrinsic value, and it has no Greeks"


class GreeksGrid(Greeks):
    """Starts from what `greeks` finds: volatility, underlying and time to expiry.

    An option without these gets one row with the reason instead of a grid. As days pass, the spot (bsm) or the forward
    (black76) stays where it is, and the time left is what `day_count` gives at that later moment.
    """

    name = "greeks_grid"
    version = 3
    summary = "Prices and Greeks of options under shocks of spot, volatility and time"
    parameters = (
        Parameter(
            name="spot_shocks",
            type=float,
            default=(-0.1, -0.05, 0.0, 0.05, 0.1),
            bounds=Bounds(-0.99, 10.0),
            most=MOST_CELLS,
            help="Relative: -0.05 is 5 % down. Of the spot (bsm) or the forward (black76).",
        ),
        Parameter(
            name="volatility_shocks",
            type=float,
            default=(-0.05, 0.0, 0.05),
            bounds=Bounds(-5.0, 5.0),
            most=MOST_CELLS,
            help="Absolute, added to the volatility: 0.05 is five points up.",
        ),
        Parameter(
            name="days_forward",
            type=float,
            default=(0.0,),
            bounds=Bounds(0.0, 3650.0),
            most=MOST_CELLS,
            help="Calendar days that have passed; fractions too.",
        ),
        *(MODEL, FORWARD, RATE, DIVIDEND_YIELD, DAY_COUNT, PRICE, FALLBACK_VOLATILITY, IV_FROM, MAX_QUOTE_AGE),
    )
    columns = (
        Column("spot_shock", float, "The relative shock of this row."),
        Column("volatility_shock", float, "The absolute shock of this row."),
        Column("days_forward", float, "The calendar days passed in this row."),
        Column("underlying", float, "After the shock: spot for bsm, forward for black76."),
        Column("volatility", float, "After the shock, annual, as a decimal."),
        Column("expiry_years", float, "Time left then, in years of 365 days; 0 at or past expiry."),
        Column("price", float, "The model's price then; at or past expiry the intrinsic value."),
        Column("profit_and_loss", float, "That price less the base's, for one unit."),
        Column("delta", float, "Per 1 of the underlying."),
        Column("gamma", float, "Delta per 1 of the underlying."),
        Column("theta", float, "Per calendar day."),
        Column("vega", float, "Per 0.01 of volatility."),
        Column("rho", float, "Per 0.01 of rate."),
        Column("base_price", float, "The model's price without shocks."),
        Column("base_volatility", float, "Without shocks, annual, as a decimal."),
        Column("base_underlying", float, "Without shocks."),
        Column("rate", float, "Continuous, annual, as a decimal."),
        Column("dividend_yield", float, "Continuous, annual, as a decimal."),
        Column("model", str, "bsm or black76."),
        Column("iv_source", str, "Where the base's volatility came from: price, vix, override or otm_twin."),
    )
    most_rows = MOST_CELLS
    statuses = (*STATUS_WORDS, _NO_VOLATILITY)

    def rows_per_item(self, params: Params) -> int:
        return math.prod(len(params[axis]) for axis in _AXES)

    def evaluate(self, inputs: GreeksInputs) -> Answers:
        base = super().evaluate(inputs).columns
        good = np.array(base["status"]) == OK
        spots, volatilities, days = np.meshgrid(*(inputs.asked[axis] for axis in _AXES), indexing="ij")
        counts = np.where(good, spots.size, 1)
        item = np.repeat(np.arange(len(good)), counts)
        cells = np.repeat(good, counts)  # rows of grids, not of reasons
        of = item[cells]

        def shocks(values: np.ndarray) -> np.ndarray:
            return np.tile(values.ravel(), int(good.sum()))

        def known(name: str) -> np.ndarray:
            return np.array(base[name], np.float64)[of]

        forward, rows = shocks(days), inputs.rows
        grid = _shocked(
            underlying=known("underlying_used"),
            volatility=known("implied_volatility"),
            expiry_years=years_after(
                inputs.params.day_count,
                as_of=inputs.as_of,
                days_forward=forward,
                expires_at=rows.expires_at[of],
                expiry=[rows.expiry[place] for place in of.tolist()],
                exchange=[exchange_of(rows.underlying[place] or "") for place in of.tolist()],
                base_years=known("expiry_years"),
                given=np.isin(np.arange(len(good)), list(inputs.overrides.get("expiry_years", {})))[of],
            ),
            rate=known("rate"),
            dividend_yield=known("dividend_yield"),
            base_price=known("theoretical_price"),
            strike=rows.strike[of],
            sign=rows.sign[of],
            black76=(np.array(base["model"]) == Model.BLACK76.value)[of],
            spot_shock=shocks(spots),
            volatility_shock=shocks(volatilities),
            days_forward=forward,
        )
        answered = grid.pop("answered")
        columns: dict[str, Any] = {}
        for name, values in grid.items():
            columns[name] = np.full(len(item), np.nan)
            columns[name][cells] = values
        status, reason = np.array(base["status"], object)[item], np.array(base["reason"], object)[item]
        where = np.flatnonzero(cells)
        unpriced = where[answered == Status.BAD_INPUT]  # all but the volatility is as good as in the base
        status[unpriced], reason[unpriced] = _NO_VOLATILITY.word, _NO_VOLATILITY.help
        reason[where[answered == Status.EXPIRED]] = _EXPIRED
        words = {name: np.array(base[name], object)[item] for name in ("model", "iv_source")}
        return Answers({"status": status.tolist(), "reason": reason.tolist(), **columns, **words}, item)


def years_after(
    day_count: DayCount,
    *,
    as_of: datetime,
    days_forward: np.ndarray,
    expires_at: np.ndarray,
    expiry: Sequence[date | None],
    exchange: Sequence[str],
    base_years: np.ndarray,
    given: np.ndarray | bool = False,
) -> np.ndarray:
    """Return T of each row `days_forward` days after `as_of`, 0 at or past expiry. `base_years` is T at `as_of`.

    Exact time shortens evenly, and so does a caller's own (`given`), which no calendar knows. Calendar days change at
    the exchange's midnight.
    """
    evenly = np.maximum(base_years - days_forward / DAYS_PER_YEAR, 0.0)
    own = np.broadcast_to(given, evenly.shape)
    if day_count is DayCount.EXACT or own.all():
        return evenly
    rows = list(zip(exchange, days_forward.tolist(), strict=True))
    counted = {row for row, is_own in zip(rows, own.tolist(), strict=True) if not is_own}
    today = {row: local_date(row[0], as_of + timedelta(days=row[1])) for row in counted}
    days = np.array(
        [
            math.nan if end is None or row not in today else (end - today[row]).days
            for row, end in zip(rows, expiry, strict=True)
        ]
    )
    seconds = expires_at - as_of.timestamp() - days_forward * 86_400.0
    return np.where(own, evenly, np.maximum(expiry_years(day_count, seconds, days), 0.0))


def _shocked(
    *,
    underlying: np.ndarray,
    volatility: np.ndarray,
    expiry_years: np.ndarray,
    rate: np.ndarray,
    dividend_yield: np.ndarray,
    base_price: np.ndarray,
    strike: np.ndarray,
    sign: np.ndarray,
    black76: np.ndarray,
    spot_shock: np.ndarray,
    volatility_shock: np.ndarray,
    days_forward: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return columns of equal length, and `answered`, the engine's Status of each. `expiry_years`: the time left."""
    from signals.greeks.core.engine import model_greeks  # loads the kernels

    then = underlying * (1.0 + spot_shock)
    shocked = volatility + volatility_shock
    contract = {"strike": strike, "rate": rate, "dividend_yield": dividend_yield, "sign": sign, "black76": black76}
    found = model_greeks(volatility=shocked, underlying=then, expiry_years=expiry_years, **contract)
    over = expiry_years <= 0
    price = np.where(over, np.maximum(sign * (then - strike), 0.0), found.price)
    return {
        "answered": np.where(over, np.uint8(Status.EXPIRED), found.status),
        "spot_shock": spot_shock,
        "volatility_shock": volatility_shock,
        "days_forward": days_forward,
        "underlying": then,
        "volatility": shocked,
        "expiry_years": expiry_years,
        "price": price,
        "profit_and_loss": price - base_price,
        **{name: np.where(over, np.nan, getattr(found, name)) for name in _GREEKS},
        "base_price": base_price,
        "base_volatility": volatility,
        "base_underlying": underlying,
        "rate": rate,
        "dividend_yield": dividend_yield,
    }
