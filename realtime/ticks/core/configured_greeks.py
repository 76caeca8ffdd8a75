"""Greeks of configurations: of the ticks' own pricing, or priced once more with other parameters."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from realtime.ticks.core.applied_ticks import AppliedTicks, join_quotes
from realtime.ticks.core.book import Book, Rows
from realtime.ticks.core.configured_units import Values
from realtime.ticks.core.plans import GREEKS, Plan
from realtime.ticks.core.pricing import PricedOptions, price_options
from signals.greeks.core.conventions import GreeksParams

NO_OPTION = "it is no option"
Columns = Mapping[str, Sequence[Any]]


class GreeksOfTicks:
    """The answers to the options among the ticks of a cycle."""

    def __init__(
        self, book: Book, params: GreeksParams, applied: AppliedTicks, priced: PricedOptions, now: float
    ) -> None:
        self.book = book
        self.params = params
        self.applied = applied
        self.now = now
        self.places = priced.options
        self._row_of = {place: row for row, place in enumerate(priced.options.tolist())}
        self._answers: dict[GreeksParams, Columns] = {params: priced.columns}

    def units(self, plans: Mapping[Plan, Rows]) -> list[tuple[str, Callable[[], Values]]]:
        """Return the pricings with other parameters than the ticks' own that these plans need."""
        wanted: dict[GreeksParams, set[int]] = {}
        for plan, mine in plans.items():
            if plan.greeks_params is not None and plan.greeks_params != self.params:
                wanted.setdefault(plan.greeks_params, set()).update(
                    place for place in mine.tolist() if place in self._row_of
                )
        return [(unit_name(params), partial(self._price, params, some)) for params, some in wanted.items() if some]

    def _price(self, params: GreeksParams, places: set[int]) -> Values:
        rows = np.array(sorted(self._row_of[place] for place in places), np.intp)
        options = self.places[rows]
        none = np.empty(0, np.intp)
        quotes = join_quotes(self.applied.quotes, options, self.book.quotes(none))
        columns, _ = price_options(self.book, self.applied.rows[options], quotes, self.now, params)
        spread: dict[str, list[Any]] = {}
        for name, column in columns.items():
            spread[name] = [None] * len(self.places)
            for row, value in zip(rows.tolist(), column, strict=True):
                spread[name][row] = value
        self._answers[params] = spread
        return {}

    def of(self, plan: Plan, place: int, reason: str | None) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the columns that a plan asks for and why some are missing. `reason`: why none was computed."""
        assert plan.greeks is not None
        row, answers = self._row_of.get(place), self._answers.get(plan.greeks_params or self.params)
        if row is None or answers is None:
            why = NO_OPTION if row is None else reason or "it was not computed"
            return dict.fromkeys(plan.greeks.columns), {f"{GREEKS}.{name}": why for name in plan.greeks.columns}
        values = {name: answers[name][row] if name in answers else None for name in plan.greeks.columns}
        missing = [name for name, value in values.items() if value is None or value != value]
        if not missing:
            return values, {}
        why = str(answers["reason"][row] or answers["status"][row])
        return values, {f"{GREEKS}.{name}": why if name in answers else "it is not computed live" for name in missing}


def unit_name(params: GreeksParams) -> str:
    return f"greeks with {params}"
