"""The configurations that run with ticks: by instrument, with the bars and the indicators that they need."""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from realtime.ticks.core.applied_ticks import AppliedTicks
from realtime.ticks.core.book import Book, Rows
from realtime.ticks.core.configured_units import Values, of_function, of_indicator
from realtime.ticks.core.forming_indicators import FormingIndicator
from realtime.ticks.core.plans import Plan
from realtime.ticks.core.window_bars import FoldedTicks, Ints, SeriesKind, WindowBars
from realtime.ticks.core.window_kernels import NOWHERE
from signals.configs.core.results import Source
from timeframes.core.bars import NUMBERS, BarColumns
from timeframes.core.grid import SECOND

Unit = tuple[str, Callable[[], Values]]
WINDOWS = (64, 256, 512, 1024)  # bars in memory, so that another indicator seldom has everything loaded again


class RunningPlans:
    """`by_key`: the plans of an instrument. `series`: the bars of all instruments that need bars of a kind."""

    def __init__(self, book: Book, source: Source) -> None:
        self.book = book
        self.source = source
        self.plans: dict[uuid.UUID, Plan] = {}
        self.by_key: dict[str, tuple[Plan, ...]] = {}
        self.series: dict[SeriesKind, WindowBars] = {}
        self._kinds: dict[uuid.UUID, set[SeriesKind]] = {}  # by plan
        self._indicators: dict[tuple[SeriesKind, str], FormingIndicator] = {}
        self._warmed: set[tuple[SeriesKind, str]] = set()

    def set_plans(self, plans: Iterable[Plan], wanted: Callable[[str], bool]) -> None:
        """Run these from now on. `wanted`: whether an instrument's ticks come to this consumer."""
        self.plans = {plan.id: plan for plan in plans}
        by_key: defaultdict[str, list[Plan]] = defaultdict(list)
        for plan in self.plans.values():
            for key in filter(wanted, plan.document.instruments):
                by_key[key].append(plan)
        same: dict[tuple[Plan, ...], tuple[Plan, ...]] = {}
        self.by_key = {key: same.setdefault(tuple(each), tuple(each)) for key, each in by_key.items()}
        self._kinds = {}
        needed: defaultdict[SeriesKind, dict[str, int]] = defaultdict(dict)
        for key, some in self.by_key.items():
            for plan in some:
                if (kind := plan.kind_of(key)) is not None:
                    self._kinds.setdefault(plan.id, set()).add(kind)
                    needed[kind][key] = max(needed[kind].get(key, 0), plan.bars)
        for plan in self.plans.values():
            for key, kind in plan.others.items():
                if wanted(key):
                    needed[kind][key] = max(needed[kind].get(key, 0), plan.heavy_bars)
        self._set_series(needed)

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
            for key, plans in self.by_key.items()
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
        for key in [key for key in self.by_key if key == underlying or key.startswith(f"{underlying}@")]:
            del self.by_key[key]

    def kinds_of(self, plan: Plan) -> set[SeriesKind]:
        """Return the series of a plan's instruments that are here."""
        return self._kinds.get(plan.id, set()) & self.series.keys()

    def places(self, applied: AppliedTicks, part: slice) -> dict[Plan, Rows]:
        """Return the places of the ticks that each configuration is computed with.

        A private one shows only in its own topics, which hold the newest tick: the others would be seen by nobody.
        """
        found: defaultdict[Plan, list[int]] = defaultdict(list)
        by_key, newest = self.by_key, applied.newest[part].tolist()
        for place, (tick, is_newest) in enumerate(zip(applied.ticks[part], newest, strict=True), part.start):
            for plan in by_key.get(tick.contract.text, ()):
                if (is_newest or plan.public) and plan.document.frequency is None:
                    found[plan].append(place)
        return {plan: np.array(mine, np.intp) for plan, mine in found.items()}

    def fold(self, applied: AppliedTicks, time: Ints, part: slice) -> dict[SeriesKind, FoldedTicks]:
        """Fold a part of the ticks into the bars of every series that has their instrument."""
        found: dict[SeriesKind, FoldedTicks] = {}
        for kind, series in self.series.items():
            lanes = np.array([series.lanes.get(tick.contract.text, -1) for tick in applied.ticks[part]], np.int64)
            some = np.flatnonzero(lanes >= 0)
            lanes, some = lanes[some], some + part.start
            found[kind] = series.apply(some, lanes, time[some], applied.quotes.last[some], applied.quotes.volume[some])
        return found

    def units(self, places: Mapping[Plan, Rows], folded: Mapping[SeriesKind, FoldedTicks], count: int) -> list[Unit]:
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
