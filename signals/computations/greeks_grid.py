"""Prices and Greeks of options under shocks of spot, volatility and time: one row for each combination."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from signals.computations.greeks import (
    DAY_COUNT,
    DIVIDEND_VALUE,
    DIVIDEND_YIELD,
    EXERCISE,
    FALLBACK_VOLATILITY,
    FORWARD,
    IV_FROM,
    MAX_QUOTE_AGE,
    MODEL,
    PRICE,
    RATE,
    RATE_SOURCE,
    Greeks,
    GreeksInputs,
)
from signals.greeks.core.carry import DividendSource
from signals.greeks.core.conventions import EARLY_EXERCISE, FIRST_ORDER, HIGHER_ORDER, GreeksParams, Model, Theta
from signals.greeks.core.dividends import DividendColumns
from signals.greeks.core.exercise_rows import american_rows
from signals.greeks.core.reasons import STATUS_WORDS
from signals.greeks.core.status import Status
from signals.greeks.core.years_after import years_after
from signals.greeks.greek_columns import EARLY_EXERCISE_COLUMNS, GREEKS, HIGHER_ORDER_COLUMNS, THETA
from signals.greeks.market import cash_dividends, market_of
from signals.greeks.selectors import exchange_of
from signalsite.foundation.computations.contract import OK, Answers, Bounds, Column, Parameter, Params, StatusWord

MOST_CELLS = 1000
_AXES = ("spot_shocks", "volatility_shocks", "days_forward")
_WORDS = ("rate_source", "dividend_source", "model", "iv_source")
_NO_VOLATILITY = StatusWord("no_volatility", "the shocked volatility is zero or less, or beyond what the model prices")
_EXPIRED = "the contract has expired by then: its price is the intrinsic value, and it has no Greeks"

_UNPAID = "the shocked spot is no more than its cash dividends are worth"


class GreeksGrid(Greeks):
    """Starts from what `greeks` finds: volatility, underlying and time to expiry.

    An option without these gets one row with the reason instead of a grid. As days pass, the spot (bsm) or the forward
    (black76) stays where it is, and the time left is what `day_count` gives at that later moment. The spot is the whole
    one: the model gets it less the present value of the cash dividends that are still to come then.
    """

    name = "greeks_grid"
    version = 6
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
        *(MODEL, EXERCISE, FORWARD, RATE, DIVIDEND_YIELD, DAY_COUNT, PRICE, FALLBACK_VOLATILITY, IV_FROM, GREEKS),
        *(THETA, MAX_QUOTE_AGE),
    )
    columns = (
        Column("spot_shock", float, "The relative shock of this row."),
        Column("volatility_shock", float, "The absolute shock of this row."),
        Column("days_forward", float, "The calendar days passed in this row."),
        Column("underlying", float, "After the shock: the spot, with its cash dividends, or the forward for black76."),
        Column("volatility", float, "After the shock, annual, as a decimal."),
        Column("expiry_years", float, "Time left then, in years of 365 days; 0 at or past expiry."),
        Column("price", float, "The model's price then; at or past expiry the intrinsic value."),
        Column("profit_and_loss", float, "That price less the base's, for one unit."),
        Column("delta", float, "Per 1 of the underlying."),
        Column("gamma", float, "Delta per 1 of the underlying."),
        Column("theta", float, "Per calendar day; `theta` says how."),
        Column("vega", float, "Per 0.01 of volatility."),
        Column("rho", float, "Per 0.01 of rate."),
        *HIGHER_ORDER_COLUMNS,
        *EARLY_EXERCISE_COLUMNS,
        Column("base_price", float, "The model's price without shocks."),
        Column("base_volatility", float, "Without shocks, annual, as a decimal."),
        Column(
            "base_underlying", float, "Without shocks: the spot, with its cash dividends, or the forward for black76."
        ),
        Column("rate", float, "Continuous, annual, as a decimal."),
        RATE_SOURCE,
        Column("dividend_yield", float, "Continuous, annual, as a decimal; 0 for discrete."),
        Column("dividend_source", str, "override, parameter, discrete, dated, underlying or none."),
        DIVIDEND_VALUE,
        Column("model", str, "bsm or black76."),
        Column("iv_source", str, "Where the base's volatility came from: price, vix, override or otm_twin."),
    )
    most_rows = MOST_CELLS
    statuses = (*STATUS_WORDS, _NO_VOLATILITY)

    def rows_per_item(self, params: Params) -> int:
        return math.prod(len(params[axis]) for axis in _AXES)

    def conventions(self, params: Params) -> GreeksParams:
        """Those of the base, which needs no Greeks: the cells have them."""
        return replace(super().conventions(params), greeks=(), theta=Theta.INSTANTANEOUS)

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
        given = np.isin(np.arange(len(good)), list(inputs.overrides.get("expiry_years", {})))

        def years_left(days_forward: np.ndarray) -> np.ndarray:
            return years_after(
                inputs.params.day_count,
                as_of=inputs.as_of,
                days_forward=days_forward,
                expires_at=rows.expires_at[of],
                expiry=[rows.expiry[place] for place in of.tolist()],
                exchange=[exchange_of(rows.underlying[place] or "") for place in of.tolist()],
                base_years=known("expiry_years"),
                given=given[of],
            )

        pairs = list(zip(rows.underlying, rows.expiry, strict=True))
        discrete = np.array(base["dividend_source"]) == DividendSource.DISCRETE.value
        dividends = cash_dividends(rows, market_of(inputs.context, pairs) | inputs.unshared).where(discrete)
        if given.any():  # the base's T ends before the calendar's
            dividends = dividends.until(np.where(given, np.array(base["expiry_years"], np.float64), np.inf))
        asked = {**self.defaults, **inputs.asked}  # jobs of earlier versions have neither greeks nor theta
        grid = _shocked(
            underlying=known("underlying_used"),
            volatility=known("implied_volatility"),
            expiry_years=years_left(forward),
            years_next_day=years_left(forward + 1.0) if asked["theta"] == Theta.NEXT_DAY else None,
            greeks=asked["greeks"],
            rate=known("rate"),
            dividend_yield=known("dividend_yield"),
            base_price=known("theoretical_price"),
            strike=rows.strike[of],
            sign=rows.sign[of],
            black76=(np.array(base["model"]) == Model.BLACK76.value)[of],
            american=american_rows(rows.american, inputs.params, len(good))[of],
            dividends=dividends.take(of),
            base_years=known("expiry_years"),
            spot_shock=shocks(spots),
            volatility_shock=shocks(volatilities),
            days_forward=forward,
        )
        answered = grid.pop("answered")
        columns: dict[str, Any] = {}
        for name, values in grid.items():
            columns[name] = np.full(len(item), None if values.dtype == object else np.nan, values.dtype)
            columns[name][cells] = values
        status, reason = np.array(base["status"], object)[item], np.array(base["reason"], object)[item]
        where = np.flatnonzero(cells)
        unpaid = where[answered == Status.NO_UNDERLYING]
        status[unpaid], reason[unpaid] = Status.NO_UNDERLYING.word, _UNPAID
        unpriced = where[answered == Status.BAD_INPUT]  # all but the volatility is as good as in the base
        status[unpriced], reason[unpriced] = _NO_VOLATILITY.word, _NO_VOLATILITY.help
        reason[where[answered == Status.EXPIRED]] = _EXPIRED
        words = {name: np.array(base[name], object)[item] for name in _WORDS}
        columns["dividend_value"] = np.array(base["dividend_value"], np.float64)[item]
        return Answers({"status": status.tolist(), "reason": reason.tolist(), **columns, **words}, item)


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
    american: np.ndarray,
    dividends: DividendColumns,
    base_years: np.ndarray,
    spot_shock: np.ndarray,
    volatility_shock: np.ndarray,
    days_forward: np.ndarray,
    years_next_day: np.ndarray | None = None,
    greeks: Sequence[str] = FIRST_ORDER,
) -> dict[str, np.ndarray]:
    """Return columns of equal length, and `answered`, the engine's Status of each.

    `underlying` is what the model had in the base: the forward for black76, else the spot less the present value of
    `dividends`, which are those of now, at T = `base_years`. `expiry_years` is the time left, `years_next_day` that of
    a day later if theta is to be a revaluation.
    """
    from signals.greeks.core.exercise import (  # loads the kernels
        early_exercise_premium,
        higher_order_greeks,
        model_greeks,
    )
    from signals.greeks.core.higher import EXERCISES
    from signals.greeks.core.next_day import next_day_theta

    owed = dividends.after(base_years - expiry_years)
    base_underlying = underlying + np.where(black76, 0.0, dividends.present_values(rate))
    then = base_underlying * (1.0 + spot_shock)
    net = then - np.where(black76, 0.0, owed.present_values(rate))
    shocked = volatility + volatility_shock
    contract = {
        "underlying": net,
        "strike": strike,
        "expiry_years": expiry_years,
        "rate": rate,
        "dividend_yield": dividend_yield,
        "sign": sign,
        "black76": black76,
    }
    found = model_greeks(shocked, contract, american, owed)
    values: Mapping[str, np.ndarray] = found._asdict()
    named = [name for name in (*FIRST_ORDER, *HIGHER_ORDER, *EARLY_EXERCISE) if name in greeks]
    if years_next_day is not None:
        values = {**values, "theta": next_day_theta(contract, shocked, found.price, years_next_day, american, owed)}
    if set(greeks) & set(HIGHER_ORDER):
        values = {**values, **higher_order_greeks(shocked, contract, american, owed)._asdict()}
    if set(greeks) & set(EARLY_EXERCISE):
        premium = early_exercise_premium(shocked, found.price, contract, american)
        values = {**values, "early_exercise_premium": premium, "exercise": EXERCISES[american.astype(np.intp)]}
    over = expiry_years <= 0
    price = np.where(over, np.maximum(sign * (then - strike), 0.0), found.price)
    return {
        "answered": np.select([over, net <= 0], [Status.EXPIRED, Status.NO_UNDERLYING], found.status).astype(np.uint8),
        "spot_shock": spot_shock,
        "volatility_shock": volatility_shock,
        "days_forward": days_forward,
        "underlying": then,
        "volatility": shocked,
        "expiry_years": expiry_years,
        "price": price,
        "profit_and_loss": price - base_price,
        **{name: np.where(over & (name != "exercise"), np.nan, values[name]) for name in named},
        "base_price": base_price,
        "base_volatility": volatility,
        "base_underlying": base_underlying,
        "rate": rate,
        "dividend_yield": dividend_yield,
    }
