"""Portfolios: net Greeks and value, now and under shocks of spot, volatility and time; one row for each combination."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from signals.computations.greeks import Greeks
from signals.computations.greeks_grid import MOST_CELLS, SHOCKS
from signals.greeks.core.reasons import STATUS_WORDS
from signals.greeks.selection import OptionComputation
from signals.positions.core.cells import CELL_NAMES, Grid, gather
from signals.positions.core.grid import Shocks
from signals.positions.core.legs import Leg, legs_of
from signals.positions.core.portfolio_text import leg_keys, legs_of_text
from signals.positions.core.statement import (
    GREEK,
    PRICED,
    SINCE_PAID,
    VALUED,
    Statement,
    left_out,
    left_out_of_cell,
    several_currencies,
)
from signals.positions.core.totals import Totals
from signals.positions.core.values import TOTALS, LegValues
from signals.positions.selectors import PositionInputs, load_positions
from signals.positions.services import evaluate_cells, evaluate_legs, statement
from signalsite.foundation.computations.columns import BAD_INPUT, OK, PORTFOLIO, Column, StatusWord
from signalsite.foundation.computations.contract import Answers, Context, Overrides, Parameter, Params, Prepared, Runs
from signalsite.foundation.errors import InvalidInput

MOST_LEG_CELLS = 2_000_000
"""Legs x cells of one portfolio: a fifth of a second for European options, some seconds for American ones."""
AXES = ("spot_shocks", "volatility_shocks", "days_forward")
INCOMPLETE = StatusWord("incomplete", "a leg has no value, so the totals have none either; or see `partial`", True)
MIXED = StatusWord("mixed_currencies", "legs in several currencies, which do not add up")
TOO_LARGE = StatusWord("too_large", f"more than {MOST_LEG_CELLS} legs x cells")
NO_LOT_SIZE = StatusWord("no_lot_size", "quantities are in lots, and no lot size is known", True)
QUANTITY_IN = Parameter(
    name="quantity_in",
    type=str,
    default="units",
    choices=["units", "lots"],
    help="units: of the underlying; lots: of the leg's `lot_size`, else of the newest one stored.",
)
PARTIAL = Parameter(
    name="partial",
    type=bool,
    default=False,
    help="true: a total that lacks legs is that of the others; false: it is null.",
)


class Portfolios(OptionComputation):
    """An item is a portfolio: legs, each a contract with its quantity. Legs take the overrides of `greeks`.

    Greeks are those of `greeks`, weighted with the quantities and added. A spot or a future has a delta of 1 of its
    own price, and no other Greeks. A leg that has expired by the time of a cell is worth its intrinsic value, and has
    no Greeks.
    """

    name = "portfolios"
    item_kind = PORTFOLIO
    version = 1
    summary = "Net Greeks and value of portfolios, with shocks of spot, volatility and time"
    parameters = (
        *(replace(each, default=(0.0,)) for each in SHOCKS),
        QUANTITY_IN,
        PARTIAL,
        *(each for each in Greeks.parameters if each.name not in ("greeks", "quote_iv")),
    )
    overrides = Greeks.overrides
    columns = (
        Column("spot_shock", float, "The relative shock of this row."),
        Column("volatility_shock", float, "The absolute shock of this row."),
        Column("days_forward", float, "The calendar days passed in this row."),
        Column("value", float, "The model's value of all legs then. A future has none: it is settled every day."),
        Column("profit_and_loss", float, "The model's value then less that now; of a future the change of its price."),
        Column("delta", float, "Units of the underlying. Of several underlyings add up `delta_value` instead."),
        Column("gamma", float, "Delta per 1 of the underlying."),
        Column("theta", float, "Money per calendar day; `theta` says how."),
        Column("vega", float, "Money per 0.01 of volatility."),
        Column("rho", float, "Money per 0.01 of rate."),
        Column("delta_value", float, "Delta x price of the underlying: money, which adds up over underlyings."),
        Column("gamma_value", float, "The change of `delta_value` by gamma when each underlying moves 1 %."),
        Column("legs", int, "How many legs the portfolio has."),
        Column("legs_left_out", int, "How many have no value in this row."),
        Column("legs_expired", int, "How many have expired by then."),
        Column("currency", str, "Of all money here; null if the legs have several."),
        Column("market_value", float, "Now, at the market's prices, else the model's. A future has none."),
        Column("model_value", float, "Now, at the model's prices."),
        Column("profit_and_loss_since_paid", float, "Now, against the prices paid; null if a leg has none."),
        Column("legs_without_price_paid", int, "How many say no price paid."),
    )
    most_rows = MOST_CELLS
    statuses = (INCOMPLETE, MIXED, TOO_LARGE, NO_LOT_SIZE, *STATUS_WORDS)

    def conventions(self, params: Params) -> Any:
        return Greeks().conventions({**params, "quote_iv": "none"})

    def rows_per_item(self, params: Params) -> int:
        return math.prod(len(params[axis]) for axis in AXES)

    def chunk_rows_of(self, params: Params, keys: Iterable[str]) -> int:
        cells, most = self.rows_per_item(params), max((text.count('{"') for text in keys), default=1)
        return max(cells, most * cells // 100, most // 4)

    def exchange(self, keys: Iterable[str], selector: Mapping[str, Any] | None) -> str:
        return self.exchange_of(key for text in keys for key in leg_keys(text)[:1])

    def exchange_of(self, keys: Iterable[str]) -> str:
        """Return the exchange whose time zone applies to instants without one, by the keys of legs."""
        return super().exchange(keys, None)

    def check_selector(self, selector: Mapping[str, Any]) -> None:
        raise InvalidInput("selector", "portfolios are listed in items: a selector selects options")

    def prepare_selector(self, selector: Mapping[str, Any], as_of: datetime | None, params: Params) -> Prepared:
        raise InvalidInput("selector", "portfolios are listed in items: a selector selects options")

    def prepare(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        return self.prepare_keys(_Keys(runs), as_of, params)

    def prepare_keys(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        """Do the same for the keys of legs."""
        return super().prepare(runs, as_of, params)

    def load(
        self, keys: Sequence[str], overrides: Overrides, as_of: datetime, params: Params, context: Context
    ) -> PositionInputs:
        return self.load_legs([legs_of_text(text) for text in keys], as_of, params, context)

    def load_legs(
        self, portfolios: Sequence[Sequence[Leg]], as_of: datetime, params: Params, context: Context
    ) -> PositionInputs:
        cells = self.rows_per_item(params)
        refused = {
            place: f"{len(legs)} legs x {cells} cells are more than {MOST_LEG_CELLS}"
            for place, legs in enumerate(portfolios)
            if len(legs) * cells > MOST_LEG_CELLS
        }
        kept = [[] if place in refused else legs for place, legs in enumerate(portfolios)]
        return load_positions(legs_of(kept), as_of, params, self.conventions(params), context, refused)

    def evaluate(self, inputs: PositionInputs) -> Answers:
        shocks = Shocks.of(*(inputs.asked[axis] for axis in AXES))
        legs, found = evaluate_legs(inputs)
        portfolios = inputs.legs.portfolios
        cells = gather(evaluate_cells(inputs, legs, found, shocks), len(shocks), portfolios)
        return _answers(inputs, legs, statement(inputs, legs), shocks, cells)


def _answers(inputs: PositionInputs, legs: LegValues, now: Statement, shocks: Shocks, grid: Grid) -> Answers:
    portfolios, net = inputs.legs.portfolios, now.net
    rows_of = np.split(np.arange(len(inputs.legs)), np.cumsum(net.legs)[:-1])
    verdicts = [_verdict(inputs, legs, now, place, rows_of[place]) for place in range(portfolios)]
    counts = np.array([len(shocks) if status == OK else 1 for status, _ in verdicts])
    item = np.repeat(np.arange(portfolios), counts)
    full = np.repeat(counts, counts) == len(shocks)
    full &= np.array([verdicts[place][0] == OK for place in item.tolist()], bool)
    cell = np.concatenate([np.arange(count) for count in counts.tolist()] or [np.empty(0, np.intp)])
    status = np.array([verdicts[place][0] for place in item.tolist()], object)
    reason = np.array([verdicts[place][1] for place in item.tolist()], object)
    missing = np.where(full, grid.missing[cell, item], _missing_now(net)[item])
    for row in np.flatnonzero(full & (missing > _missing_now(net)[item])).tolist():
        reason[row] = left_out_of_cell(int(missing[row]), int(net.legs[item[row]]))
        if not inputs.asked["partial"] or missing[row] == net.legs[item[row]]:
            status[row] = INCOMPLETE.word
    columns: dict[str, Any] = {
        name: np.where(full, getattr(shocks, axis)[cell], np.nan)
        for name, axis in (("spot_shock", "spot"), ("volatility_shock", "volatility"), ("days_forward", "days"))
    }
    for place, name in enumerate(CELL_NAMES):
        columns[name] = np.where(full, grid.values[place, cell, item], np.nan)
    unpaid = np.bincount(
        inputs.legs.portfolio, np.isnan(legs.price_paid) & (legs.units != 0.0), minlength=portfolios
    ).astype(np.int64)
    columns |= {
        "legs": net.legs[item],
        "legs_left_out": missing,
        "legs_expired": grid.expired[cell, item],
        "currency": [each[0] if len(each) == 1 else None for each in (now.currencies[place] for place in item)],
        **{name: net.values[TOTALS.index(name), item] for name in ("market_value", "model_value")},
        "profit_and_loss_since_paid": net.values[SINCE_PAID, item],
        "legs_without_price_paid": unpaid[item],
    }
    return Answers({"status": status.tolist(), "reason": reason.tolist(), **columns}, item)


def _missing_now(net: Totals) -> np.ndarray:
    found: np.ndarray = net.missing[[PRICED, VALUED, GREEK]].max(axis=0)
    return found


def _verdict(
    inputs: PositionInputs, legs: LegValues, now: Statement, place: int, rows: np.ndarray
) -> tuple[str, str | None]:
    if place in inputs.refused:
        return TOO_LARGE.word, inputs.refused[place]
    if not len(rows):
        return BAD_INPUT.word, "the portfolio has no legs"
    if len(now.currencies[place]) > 1:
        return MIXED.word, several_currencies(now.currencies[place])
    reason = left_out(legs, rows, now.net, place)
    none_left = _missing_now(now.net)[place] == len(rows)
    return (INCOMPLETE.word if reason and (none_left or not inputs.asked["partial"]) else OK), reason


class _Keys:
    """The keys of the legs of a job's portfolios, run by run."""

    def __init__(self, runs: Runs):
        self._runs = runs

    def __iter__(self) -> Any:
        return ([key for text in run for key in leg_keys(text)] for run in self._runs)


STATUSES = [OK, *(each.word for each in Portfolios().words)]
"""Legs have them too, so the schema needs a name for them (settings/web.py)."""
