"""Configurations that run with ticks: computed in the cycle, for all ticks at once, from bars that have each tick.

Pure: no I/O. The caller loads bars (`unloaded`, `WindowBars.load`), stores rows and has heavy work done.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray

from realtime.core.result_states import UnwritableResult
from realtime.core.topic_grammar import results_topic
from realtime.ticks.core.applied_ticks import AppliedTicks
from realtime.ticks.core.book import Book, Rows
from realtime.ticks.core.configured_due import DueConfigurations
from realtime.ticks.core.configured_greeks import GreeksOfTicks
from realtime.ticks.core.configured_records import ConfiguredRecords, records_of
from realtime.ticks.core.configured_rows import PlanRows
from realtime.ticks.core.configured_units import Computed, Units, Values, of_function, of_indicator
from realtime.ticks.core.forming_indicators import FormingIndicator
from realtime.ticks.core.plans import Plan
from realtime.ticks.core.pricing import PricedOptions, price_due
from realtime.ticks.core.tick import Contract, Tick
from realtime.ticks.core.unfinished import Unfinished, unfinished
from realtime.ticks.core.window_bars import FoldedTicks, Ints, SeriesKind, WindowBars, parts_of
from realtime.ticks.core.window_kernels import NOWHERE
from signals.configs.core.results import Source
from signals.greeks.core.conventions import GreeksParams
from timeframes.core.bars import NUMBERS, BarColumns
from timeframes.core.grid import SECOND

Unit = tuple[str, Callable[[], Values]]
WINDOWS = (64, 256, 512, 1024)  # bars in memory, so that another indicator seldom has everything loaded again


@dataclass(slots=True)
class ConfiguredTicks:
    """What configurations gave for ticks. `members`: to add to each tick's state, empty or beginning with a comma.

    `topics`: states of the results with each instrument's newest tick, by underlying and topic. `records`: those of
    which rows are kept. `heavy`: plans and ticks for workers. `unfinished`: results of a back-test that lack it.
    """

    members: list[bytes]
    topics: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    records: ConfiguredRecords = field(default_factory=ConfiguredRecords)
    heavy: list[tuple[Plan, Tick]] = field(default_factory=list)
    unfinished: list[Unfinished] = field(default_factory=list)
    failures: list[tuple[str, Exception]] = field(default_factory=list)


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
        self.plans: dict[uuid.UUID, Plan] = {}
        self.series: dict[SeriesKind, WindowBars] = {}
        self.units = Units(timer, clock, allowed)
        self.due = DueConfigurations()  # those with a frequency, in a back-test
        self._by_key: dict[str, tuple[Plan, ...]] = {}
        self._kinds: dict[uuid.UUID, set[SeriesKind]] = {}  # by plan
        self._indicators: dict[tuple[SeriesKind, str], FormingIndicator] = {}
        self._recorded: dict[uuid.UUID, dict[str, float]] = {}  # by plan and instrument: when
        self._warmed: set[tuple[SeriesKind, str]] = set()

    def set_plans(self, plans: Iterable[Plan], wanted: Callable[[str], bool]) -> None:
        """Run these from now on. `wanted`: whether an instrument's ticks come to this consumer."""
        self.plans = {plan.id: plan for plan in plans}
        self.due.set_plans(self.plans)
        by_key: defaultdict[str, list[Plan]] = defaultdict(list)
        for plan in self.plans.values():
            for key in filter(wanted, plan.document.instruments):
                by_key[key].append(plan)
        same: dict[tuple[Plan, ...], tuple[Plan, ...]] = {}
        self._by_key = {key: same.setdefault(tuple(each), tuple(each)) for key, each in by_key.items()}
        self._kinds = {}
        needed: defaultdict[SeriesKind, dict[str, int]] = defaultdict(dict)
        for key, some in self._by_key.items():
            for plan in some:
                if (kind := plan.kind_of(key)) is not None:
                    self._kinds.setdefault(plan.id, set()).add(kind)
                    needed[kind][key] = max(needed[kind].get(key, 0), plan.bars)
        for plan in self.plans.values():
            for key, kind in plan.others.items():
                if wanted(key):
                    needed[kind][key] = max(needed[kind].get(key, 0), plan.heavy_bars)
        self._set_series(needed)
        self._recorded = {
            plan.id: {
                key: at for key, at in self._recorded.get(plan.id, {}).items() if plan in self._by_key.get(key, ())
            }
            for plan in self.plans.values()
        }

    def _set_series(self, needed: Mapping[SeriesKind, Mapping[str, int]]) -> None:
        for kind in self.series.keys() - needed.keys():
            del self.series[kind]
        for kind, keys in needed.items():
            bars = next(each for each in (*WINDOWS, max(keys.values())) if each >= max(keys.values()))
            series = self.series.get(kind)
            if series is None or series.window < bars:
                series = self.series[kind] = WindowBars(kind, bars, again=self.source is Source.TICK)
            for key in series.lanes.keys() - keys.keys():
                series.remove(key)
            for key in keys:
                series.add(key, self._newest_time(key))
        wanted = {
            (own, str(spec)): (spec, bars)
            for key, plans in self._by_key.items()
            for plan in plans
            if (own := plan.kind_of(key)) is not None
            for spec, bars in plan.indicators.values()
        }
        self._indicators = {
            name: known
            if (known := self._indicators.get(name)) and known.bars == bars
            else FormingIndicator(spec, bars)
            for name, (spec, bars) in wanted.items()
        }

    def _newest_time(self, key: str) -> int:
        """Return when the newest tick of an instrument came. A back-test begins with its own."""
        row = self.book.rows.get(key)
        known = row is not None and self.source is Source.TICK and np.isfinite(self.book.time[row])
        return round(float(self.book.time[row]) * SECOND) if known else NOWHERE

    def warm(self) -> list[tuple[str, Exception]]:
        """Run every new indicator once: what is compiled or loaded at the first use must not count as slow.

        Returns what failed, by name. With ticks such an indicator has a reason in the place of its values.
        """
        failures: list[tuple[str, Exception]] = []
        for name in self._indicators.keys() - self._warmed:
            (kind, text), known = name, self._indicators[name]
            indicator = FormingIndicator(known.spec, known.bars)  # another one: states that are in use stay
            series = WindowBars(kind, indicator.bars)
            series.add("")
            one = np.ones(indicator.bars + 1)
            time = np.arange(len(one)) * SECOND
            self._warmed.add(name)
            try:
                series.load("", BarColumns(time=time, **dict.fromkeys(NUMBERS, one)), np.zeros(len(one), np.int64))
                indicator.values(series, series.newest(np.zeros(1, np.intp), [""]))
            except Exception as error:  # noqa: BLE001 - of this indicator alone
                failures.append((f"configured {text} on {kind.text}", error))
        return failures

    def doubt(self) -> None:
        """Have all bars loaded again: some ticks that are folded here may not be stored."""
        for series in self.series.values():
            series.doubt()

    def forget(self, underlying: str) -> None:
        """Another consumer has the ticks of this underlying."""
        for series in self.series.values():
            for key in [key for key in series.lanes if key == underlying or key.startswith(f"{underlying}@")]:
                series.remove(key)
        for key in [key for key in self._by_key if key == underlying or key.startswith(f"{underlying}@")]:
            del self._by_key[key]

    def run(self, applied: AppliedTicks, priced: PricedOptions, now: float) -> ConfiguredTicks:
        """Compute what is asked for with these ticks. The book has applied them."""
        found = ConfiguredTicks([b""] * len(applied.ticks))
        if not self._by_key or not applied.ticks:
            return found
        time = np.rint(applied.quotes.time * SECOND).astype(np.int64)
        for part in parts_of(time):
            folded = self._fold(applied, time, part)
            if places := self._places(applied, part):
                self._compute(found, places, folded, applied, priced, now)
        return found

    def run_due(self, now: float, *, inclusive: bool) -> list[ConfiguredTicks]:
        """Run what is due by a back-test's time, before `now` or also at it, with what is known of the instruments."""
        return [self._run_one(plan, due) for plan, due in self.due.take(now, inclusive=inclusive)]

    def _run_one(self, plan: Plan, due: datetime) -> ConfiguredTicks:
        keys = [key for key in plan.document.instruments if key in self._by_key and key in self.book.rows]
        rows = np.array([self.book.rows[key] for key in keys], np.intp)
        moments = [Moment(self.book.contracts[row], due) for row in rows.tolist()]
        quotes = self.book.quotes(rows)
        applied = AppliedTicks(cast(Sequence[Tick], moments), quotes, rows, np.ones(len(rows), np.bool_))
        found = ConfiguredTicks([b""] * len(keys))
        if not keys:
            return found
        priced = price_due(self.book, applied, (), due.timestamp(), self.params)
        folded: dict[SeriesKind, FoldedTicks] = {}
        for kind in self.kinds_of(plan):
            mine = [place for place, key in enumerate(keys) if plan.kind_of(key) == kind]
            folded[kind] = self.series[kind].newest(np.array(mine, np.intp), [keys[place] for place in mine])
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
        units = self._units(places, folded, len(applied.ticks)) + greeks.units(places)
        computed = self.units.run(units, len(applied.ticks))
        found.failures += self.units.failures
        self.units.failures = []
        in_bars = {kind: np.isin(np.arange(len(applied.ticks)), ticks.places) for kind, ticks in folded.items()}
        for plan, mine in places.items():
            newest = np.flatnonzero(applied.newest[mine]).tolist()
            try:
                rows = PlanRows(plan, mine, computed, greeks, in_bars, applied.ticks, self.source)
                members = rows.members([found.members[place] for place in mine.tolist()]) if plan.public else []
                due = [row for row in newest if scheduled or self._is_due(plan, rows.ticks[row].contract.text, now)]
                if plan.heavy_bars:
                    found.unfinished += self._unfinished(rows, mine, newest, due, folded, computed)
                    due = []  # their rows follow when they are finished
                records = records_of(plan, [*map(rows.result, due)], computed, self.versions) if due else None
            except Exception as error:  # noqa: BLE001 - of this configuration alone
                found.failures.append((f"configuration {plan.id}", error))
                continue
            for place, member in zip(mine.tolist(), members, strict=False):
                found.members[place] = member
            self._publish(found, rows, newest)
            if plan.heavy and self.source is Source.TICK:
                found.heavy += [(plan, rows.ticks[row]) for row in newest]
            if records is not None:
                found.records.add(records)

    def _unfinished(
        self,
        rows: PlanRows,
        mine: Rows,
        newest: Sequence[int],
        due: Sequence[int],
        folded: Mapping[SeriesKind, FoldedTicks],
        computed: Mapping[str, Computed],
    ) -> list[Unfinished]:
        results = {int(mine[row]): rows.result(row) for row in newest}
        kept = [int(mine[row]) for row in due]
        bars = [(self.series[kind], folded[kind]) for kind in self.kinds_of(rows.plan)]
        return unfinished(rows.plan, results, kept, bars, self.series, computed)

    def _publish(self, found: ConfiguredTicks, rows: PlanRows, newest: Sequence[int]) -> None:
        configuration = str(rows.plan.id)
        for row in newest:
            contract = rows.ticks[row].contract
            try:
                found.topics[contract.underlying][results_topic(configuration, contract.text)] = rows.state(row)
            except UnwritableResult as error:
                found.failures.append((f"configuration {configuration}", error))

    def _places(self, applied: AppliedTicks, part: slice) -> dict[Plan, Rows]:
        """Return the places of the ticks that each configuration is computed with.

        A private one shows only in its own topics, which hold the newest tick: the others would be seen by nobody.
        """
        found: defaultdict[Plan, list[int]] = defaultdict(list)
        by_key, newest = self._by_key, applied.newest[part].tolist()
        for place, (tick, is_newest) in enumerate(zip(applied.ticks[part], newest, strict=True), part.start):
            for plan in by_key.get(tick.contract.text, ()):
                if (is_newest or plan.public) and plan.document.frequency is None:
                    found[plan].append(place)
        return {plan: np.array(mine, np.intp) for plan, mine in found.items()}

    def _fold(self, applied: AppliedTicks, time: Ints, part: slice) -> dict[SeriesKind, FoldedTicks]:
        """Fold a part of the ticks into the bars of every series that has their instrument."""
        found: dict[SeriesKind, FoldedTicks] = {}
        for kind, series in self.series.items():
            lanes = np.array([series.lanes.get(tick.contract.text, -1) for tick in applied.ticks[part]], np.int64)
            some = np.flatnonzero(lanes >= 0)
            lanes, some = lanes[some], some + part.start
            found[kind] = series.apply(some, lanes, time[some], applied.quotes.last[some], applied.quotes.volume[some])
        return found

    def _units(self, places: Mapping[Plan, Rows], folded: Mapping[SeriesKind, FoldedTicks], count: int) -> list[Unit]:
        """Return the computations on bars that these plans need, each for all of its ticks."""
        wanted: defaultdict[tuple[SeriesKind, str], NDArray[np.bool_]] = defaultdict(lambda: np.zeros(count, bool))
        units: dict[tuple[SeriesKind, str], Callable[..., Values]] = {}
        for plan, mine in places.items():
            for kind in self.kinds_of(plan):
                ticks, series = folded[kind], self.series[kind]
                for spec, _ in plan.indicators.values():
                    name = kind, str(spec)
                    units[name] = partial(of_indicator, self._indicators[name], series, ticks)
                    wanted[name][mine] = True
                for asked in plan.functions:
                    name = kind, asked.key
                    units[name] = partial(of_function, asked, series, ticks)
                    wanted[name][mine] = True
        return [(f"{text} on {kind.text}", partial(unit, wanted[kind, text])) for (kind, text), unit in units.items()]

    def kinds_of(self, plan: Plan) -> set[SeriesKind]:
        """Return the series of a plan's instruments that are here."""
        return self._kinds.get(plan.id, set()) & self.series.keys()

    def _is_due(self, plan: Plan, key: str, now: float) -> bool:
        """Return whether a row of an instrument's result is kept, and if so start the next interval."""
        recorded = self._recorded[plan.id]
        if 0 <= now - recorded.get(key, -np.inf) < self.record:
            return False
        recorded[key] = now
        return True
