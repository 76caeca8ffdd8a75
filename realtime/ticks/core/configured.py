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

from realtime.ticks.core.applied_ticks import AppliedTicks
from realtime.ticks.core.book import Book
from realtime.ticks.core.configured_due import DueConfigurations
from realtime.ticks.core.configured_greeks import GreeksOfTicks
from realtime.ticks.core.configured_records import ConfiguredRecords, records_of
from realtime.ticks.core.configured_rows import PlanRows, member_of
from realtime.ticks.core.configured_units import Units, Values, of_function, of_indicator
from realtime.ticks.core.forming_indicators import FormingIndicator
from realtime.ticks.core.plans import Plan
from realtime.ticks.core.pricing import PricedOptions, price_due
from realtime.ticks.core.tick import Contract, Tick
from realtime.ticks.core.window_bars import TOGETHER, FoldedTicks, SeriesKind, WindowBars
from signals.configs.core.results import ConfiguredResult, Source
from signals.greeks.core.conventions import GreeksParams
from timeframes.core.bars import NUMBERS, BarColumns
from timeframes.core.grid import SECOND

Unit = tuple[str, Callable[[], Values]]
WINDOWS = (64, 256, 512, 1024)  # bars in memory, so that another indicator seldom has everything loaded again


@dataclass(slots=True)
class ConfiguredTicks:
    """What configurations gave for ticks. `members`: to add to each tick's state, empty or beginning with a comma.

    `newest`: results of the newest tick of each instrument. `records`: those of which rows are kept. `heavy`: plans and
    ticks for workers.
    """

    members: list[bytes]
    newest: list[ConfiguredResult] = field(default_factory=list)
    records: ConfiguredRecords = field(default_factory=ConfiguredRecords)
    heavy: list[tuple[Plan, Tick]] = field(default_factory=list)
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
        self._recorded: dict[tuple[uuid.UUID, str], float] = {}
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
        self._set_series(needed)
        kept = {(plan.id, key) for key, some in self._by_key.items() for plan in some}
        self._recorded = {each: at for each, at in self._recorded.items() if each in kept}

    def _set_series(self, needed: Mapping[SeriesKind, Mapping[str, int]]) -> None:
        for kind in self.series.keys() - needed.keys():
            del self.series[kind]
        for kind, keys in needed.items():
            bars = next(each for each in (*WINDOWS, max(keys.values())) if each >= max(keys.values()))
            series = self.series.get(kind)
            if series is None or series.window < bars:
                series = self.series[kind] = WindowBars(kind, bars)
            for key in series.lanes.keys() - keys.keys():
                series.remove(key)
            for key in keys:
                series.add(key)
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
        folded = self._fold(applied)
        if places := self._places(applied):
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
        folded: dict[SeriesKind, list[FoldedTicks]] = {}
        for kind in self.kinds_of(plan):
            mine = [place for place, key in enumerate(keys) if plan.kind_of(key) == kind]
            folded[kind] = [self.series[kind].newest(np.array(mine, np.intp), [keys[place] for place in mine])]
        self._compute(found, {plan: list(range(len(keys)))}, folded, applied, priced, due.timestamp(), scheduled=True)
        return found

    def _compute(
        self,
        found: ConfiguredTicks,
        places: Mapping[Plan, list[int]],
        folded: Mapping[SeriesKind, Sequence[FoldedTicks]],
        applied: AppliedTicks,
        priced: PricedOptions,
        now: float,
        *,
        scheduled: bool = False,
    ) -> None:
        greeks = GreeksOfTicks(self.book, self.params, applied, priced, now)
        units = self._units(places, folded, len(applied.ticks)) + greeks.units(places)
        computed = self.units.run(units, len(applied.ticks))
        found.failures, self.units.failures = self.units.failures, []
        newest = applied.newest.tolist()
        for plan, mine in places.items():
            try:
                rows = PlanRows(plan, computed, greeks, applied.ticks, self.source)
                results = [(place, rows.result(place)) for place in mine]
                members = [member_of(each, found.members[place]) for place, each in results] if plan.public else []
                due = [
                    each for place, each in results if newest[place] and (scheduled or self._is_due(plan, each, now))
                ]
                records = records_of(plan, due, computed, self.versions) if due else None
            except Exception as error:  # noqa: BLE001 - of this configuration alone
                found.failures.append((f"configuration {plan.id}", error))
                continue
            for (place, _), member in zip(results, members, strict=False):
                found.members[place] = member
            found.newest += [each for place, each in results if newest[place]]
            if plan.heavy:
                found.heavy += [(plan, applied.ticks[place]) for place, _ in results if newest[place]]
            if records is not None:
                found.records.add(records)

    def _places(self, applied: AppliedTicks) -> dict[Plan, list[int]]:
        """Return the places of the ticks that each configuration is computed with.

        A private one shows only in its own topics, which hold the newest tick: the others would be seen by nobody.
        """
        found: defaultdict[Plan, list[int]] = defaultdict(list)
        by_key = self._by_key
        for place, (tick, newest) in enumerate(zip(applied.ticks, applied.newest.tolist(), strict=True)):
            for plan in by_key.get(tick.contract.text, ()):
                if (newest or plan.public) and plan.document.frequency is None:
                    found[plan].append(place)
        return found

    def _fold(self, applied: AppliedTicks) -> dict[SeriesKind, list[FoldedTicks]]:
        """Fold the ticks into the bars of every series that has their instrument."""
        time = np.rint(applied.quotes.time * SECOND).astype(np.int64)
        found: dict[SeriesKind, list[FoldedTicks]] = {}
        for kind, series in self.series.items():
            lanes = np.array([series.lanes.get(tick.contract.text, -1) for tick in applied.ticks], np.int64)
            mine = np.flatnonzero(lanes >= 0)
            found[kind] = []
            for begin in range(0, len(mine), TOGETHER):
                some = mine[begin : begin + TOGETHER]
                columns = (time[some], applied.quotes.last[some], applied.quotes.volume[some])
                found[kind].append(series.apply(some, lanes[some], *columns))
        return found

    def _units(
        self, places: Mapping[Plan, Sequence[int]], folded: Mapping[SeriesKind, Sequence[FoldedTicks]], count: int
    ) -> list[Unit]:
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

    def _is_due(self, plan: Plan, result: ConfiguredResult, now: float) -> bool:
        """Return whether a row of the result is kept, and if so start the next interval."""
        key = plan.id, result.instrument_key
        if 0 <= now - self._recorded.get(key, -np.inf) < self.record:
            return False
        self._recorded[key] = now
        return True
