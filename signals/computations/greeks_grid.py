"""Prices and Greeks of options under shocks of spot, volatility and time: one row for each combination."""

import math
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
from signals.greeks.core.conventions import GreeksParams, Theta
from signals.greeks.core.reasons import STATUS_WORDS
from signals.greeks.core.status import Status
from signals.greeks.greek_columns import EARLY_EXERCISE_COLUMNS, GREEKS, HIGHER_ORDER_COLUMNS, THETA
from signals.greeks.market import market_of
from signals.greeks.shock_base import shock_base
from signalsite.foundation.computations.columns import OK, Column, StatusWord
from signalsite.foundation.computations.contract import Answers, Bounds, Parameter, Params

MOST_CELLS = 1000
_AXES = ("spot_shocks", "volatility_shocks", "days_forward")
SHOCKS = (
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
)
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
        *SHOCKS,
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

        rows = inputs.rows
        pairs = list(zip(rows.underlying, rows.expiry, strict=True))
        market = market_of(inputs.context, pairs) | inputs.unshared
        given = inputs.overrides.get("expiry_years", {})
        start = shock_base(base, rows, market, inputs.as_of, inputs.params, given)
        asked = {**self.defaults, **inputs.asked}  # jobs of earlier versions have neither greeks nor theta
        grid = start.shocked(
            of,
            spot_shock=shocks(spots),
            volatility_shock=shocks(volatilities),
            days_forward=shocks(days),
            theta=asked["theta"],
            greeks=asked["greeks"],
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
