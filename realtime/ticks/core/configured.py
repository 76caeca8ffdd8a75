"""Configurations that run with ticks: computed in the cycle, for all ticks at once, from bars that have each tick.

Pure: no I/O. The caller loads bars (`unloaded`, `WindowBars.load`), stores rows and has heavy work done.
"""

import itertools
import math
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import numpy as np

from realtime.core.result_states import UnwritableResult
from realtime.core.topic_grammar import results_topic
from realtime.ticks.core.applied_ticks import AppliedTicks
from realtime.ticks.core.book import Book, Rows
from realtime.ticks.core.configured_due import DueConfigurations
from realtime.ticks.core.configured_greeks import GreeksOfTicks
from realtime.ticks.core.configured_records import ConfiguredRecords, records_of, seconds_taken
from realtime.ticks.core.configured_rows import PlanRows
from realtime.ticks.core.configured_units import Units
from realtime.ticks.core.plans import Plan
from realtime.ticks.core.pricing import PricedOptions, price_due
from realtime.ticks.core.running_plans import RunningPlans
from realtime.ticks.core.tick import Contract, Tick
from realtime.ticks.core.unfinished import Unfinished, unfinished
from realtime.ticks.core.window_bars import FoldedTicks, SeriesKind, parts_of
from signals.configs.core.results import Source
from signals.greeks.core.conventions import GreeksParams
from timeframes.core.grid import SECOND
from timeframes.core.keys import parse_key

WRITING = 5.0
"""How much more time results have to be written in than their computations have. What is left over then comes first in
the next cycle, so that no number of configurations holds up the ticks."""


@dataclass(slots=True)
class ConfiguredTicks:
    """What configurations gave for ticks. `members`: to add to each tick's state, empty or beginning with a comma.

    `topics`: states of the results with each instrument's newest tick, by underlying and topic. `records`: those of
    which rows are kept. `heavy`: plans and ticks for workers. `unfinished`: results of a back-test that lack it.
    `left_out`: how many configurations had no turn.
    """

    members: list[bytes]
    topics: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    records: ConfiguredRecords = field(default_factory=ConfiguredRecords)
    heavy: list[tuple[Plan, Tick]] = field(default_factory=list)
    unfinished: list[Unfinished] = field(default_factory=list)
    failures: list[tuple[str, Exception]] = field(default_factory=list)
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """Stands in the place of a tick where there is none."""

    contract: Contract
    time: datetime
    entry_id: str = ""


class ConfiguredCycle:
    """`timer`: seconds of processor time; `clock`: monotonic seconds. `allowed`: seconds for the computations of a
    cycle. `record`: seconds between kept rows of a configuration and instrument. `versions`: of what computes each
    kind."""

    def __init__(
        self,
        book: Book,
        params: GreeksParams,
        *,
        timer: Callable[[], float],
        clock: Callable[[], float],
        allowed: float,
        record: float,
        source: Source,
        versions: Mapping[str, str],
    ) -> None:
        self.versions = versions
        self.book = book
        self.params = params
        self.record = record
        self.source = source
        self.running = RunningPlans(book, source)
        self.units = Units(timer, clock, allowed)
        self.due = DueConfigurations()  # those with a frequency, in a back-test
        self._recorded: dict[uuid.UUID, dict[str, float]] = {}  # by plan and instrument: when
        self._writing = math.inf  # seconds that are left for results
        self._left_out: dict[uuid.UUID, int] = {}  # plans that come first, the one that waits longest before all
        self._turns = itertools.count()

    def set_plans(self, plans: Iterable[Plan], wanted: Callable[[str], bool]) -> None:
        """Run these from now on. `wanted`: whether an instrument's ticks come to this consumer."""
        self.running.set_plans(plans, wanted)
        self.due.set_plans(self.running.plans)
        self._left_out = {each: turn for each, turn in self._left_out.items() if each in self.running.plans}
        self._recorded = {
            plan.id: {
                key: at
                for key, at in self._recorded.get(plan.id, {}).items()
                if plan in self.running.by_key.get(key, ())
            }
            for plan in self.running.plans.values()
        }

    def run(self, applied: AppliedTicks, priced: PricedOptions, now: float) -> ConfiguredTicks:
        """Compute what is asked for with these ticks. The book has applied them."""
        found = ConfiguredTicks([b""] * len(applied.ticks))
        if not self.running.by_key or not applied.ticks:
            return found
        self._writing = WRITING * self.units.time_of(len(applied.ticks))
        time = np.rint(applied.quotes.time * SECOND).astype(np.int64)
        for part in parts_of(time):
            folded = self.running.fold(applied, time, part)
            if places := self.running.places(applied, part):
                self._compute(found, places, folded, applied, priced, now)
        return found

    def run_due(self, now: float, underlyings: Iterable[str], *, inclusive: bool) -> Iterator[ConfiguredTicks]:
        """Run what is due by a back-test's time, before `now` or also at it, with what is known of the instruments.

        `underlyings`: whose time it is.
        """
        for plan, underlying, due in self.due.take(now, underlyings, inclusive=inclusive):
            yield self._run_one(plan, underlying, due)

    def _run_one(self, plan: Plan, underlying: str, due: datetime) -> ConfiguredTicks:
        known = (key for key in plan.document.instruments if key in self.running.by_key and key in self.book.rows)
        keys = [key for key in known if parse_key(key).underlying == underlying]
        rows = np.array([self.book.rows[key] for key in keys], np.intp)
        moments = [Moment(self.book.contracts[row], due) for row in rows.tolist()]
        quotes = self.book.quotes(rows)
        applied = AppliedTicks(cast(Sequence[Tick], moments), quotes, rows, np.ones(len(rows), np.bool_))
        found = ConfiguredTicks([b""] * len(keys))
        if not keys:
            return found
        priced = price_due(self.book, applied, (), due.timestamp(), self.params)
        folded: dict[SeriesKind, FoldedTicks] = {}
        for kind in self.running.kinds_of(plan):
            mine = [place for place, key in enumerate(keys) if plan.kind_of(key) == kind]
            folded[kind] = self.running.series[kind].newest(np.array(mine, np.intp), [keys[place] for place in mine])
        self._compute(found, {plan: np.arange(len(keys))}, folded, applied, priced, due.timestamp(), scheduled=True)
        return found

    def _compute(
        self,
        found: ConfiguredTicks,
        places: Mapping[Plan, Rows],
        folded: Mapping[SeriesKind, FoldedTicks],
        applied: AppliedTicks,
        priced: PricedOptions,
        now: float,
        *,
        scheduled: bool = False,
    ) -> None:
        greeks = GreeksOfTicks(self.book, self.params, applied, priced, now)
        units = self.running.units(places, folded, len(applied.ticks)) + greeks.units(places)
        computed = self.units.run(units, len(applied.ticks))
        taken = seconds_taken(computed)
        found.failures += self.units.failures
        self.units.failures = []
        in_bars = {kind: np.isin(np.arange(len(applied.ticks)), ticks.places) for kind, ticks in folded.items()}
        for plan, mine in sorted(places.items(), key=lambda each: self._left_out.get(each[0].id, math.inf)):
            if self._writing <= 0.0:
                self._left_out.setdefault(plan.id, next(self._turns))
                found.left_out += 1
                continue
            begun = self.units.timer()
            self._left_out.pop(plan.id, None)
            try:
                rows = PlanRows(plan, mine, computed, greeks, in_bars, applied.ticks, self.source)
                self._add(found, rows, mine, applied, folded, taken, None if scheduled else now)
            except Exception as error:  # noqa: BLE001 - of this configuration alone
                found.failures.append((f"configuration {plan.id}", error))
            self._writing -= self.units.timer() - begun

    def _add(
        self,
        found: ConfiguredTicks,
        rows: PlanRows,
        mine: Rows,
        applied: AppliedTicks,
        folded: Mapping[SeriesKind, FoldedTicks],
        taken: Mapping[str, float],
        now: float | None,
    ) -> None:
        """Add what one configuration gives. What raises comes first, so that it adds all or nothing.

        `now`: None where all its rows are kept.
        """
        plan, newest = rows.plan, np.flatnonzero(applied.newest[mine]).tolist()
        members = rows.members([found.members[place] for place in mine.tolist()]) if plan.public else []
        due = [row for row in newest if now is None or self._is_due(plan, rows.ticks[row].contract.text, now)]
        records, waiting = None, []
        if plan.heavy_bars:  # its rows follow when they are finished
            results = {int(mine[row]): rows.result(row) for row in newest}
            bars = [(self.running.series[kind], folded[kind]) for kind in self.running.kinds_of(plan)]
            waiting = unfinished(plan, results, mine[due].tolist(), bars, self.running.series, taken)
        elif due:
            records = records_of(plan, [*map(rows.result, due)], taken, self.versions)
        for place, member in zip(mine.tolist(), members, strict=False):
            found.members[place] = member
        self._publish(found, rows, newest)
        found.unfinished += waiting
        if plan.heavy and self.source is Source.TICK:
            found.heavy += [(plan, rows.ticks[row]) for row in newest]
        if records is not None:
            found.records.add(records)

    def _publish(self, found: ConfiguredTicks, rows: PlanRows, newest: Sequence[int]) -> None:
        configuration = str(rows.plan.id)
        for row in newest:
            contract = rows.ticks[row].contract
            try:
                found.topics[contract.underlying][results_topic(configuration, contract.text)] = rows.state(row)
            except UnwritableResult as error:
                found.failures.append((f"configuration {configuration}", error))

    def _is_due(self, plan: Plan, key: str, now: float) -> bool:
        """Return whether a row of an instrument's result is kept, and if so start the next interval."""
        recorded = self._recorded[plan.id]
        if 0 <= now - recorded.get(key, -np.inf) < self.record:
            return False
        recorded[key] = now
        return True
