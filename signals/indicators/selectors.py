"""Reads the bars of indicators, with the history before them that their values need, and computes on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from signals.indicators.core.catalogue import indicators
from signals.indicators.core.sessions import date_begin, session_days
from signals.indicators.core.spec import Spec
from signals.indicators.core.warm_up import MOST_WARM_UP, period_days, warm_up
from signalsite.foundation.deadlines import within_time
from timeframes.bars.selectors import TOO_MUCH, Page, complete, read_all, read_page
from timeframes.bars.stored import Wanted
from timeframes.core.bars import FoldedBars, join_folded
from timeframes.core.grid import instant, usual_length

Outputs = dict[str, np.ndarray]
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Bars before a range. `needed`: how many the indicator asks for, None for all. `whole`: there are so many, or no
    more are stored, so that values equal those of a series with all that is stored."""

    bars: FoldedBars
    needed: int | None
    whole: bool


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """Bars, whether each has ended, and an indicator's outputs on them. `page`: the page of bars that they are."""

    bars: FoldedBars
    complete: np.ndarray
    outputs: Outputs
    history: History
    following: datetime | None = None
    page: Page | None = None


def read_indicator(wanted: Wanted, spec: Spec, *, limit: int, now: datetime) -> Computed:
    """Return the first bars that begin in the range, with the indicator. Raises ReadTooSlow."""
    found = read_page(wanted, limit=limit, now=now)
    first = instant(int(found.bars.time[0])) if len(found.bars) else wanted.begin
    history = history_before(wanted, first, [spec])
    outputs = compute_after(history.bars, found.bars, [spec], wanted)[0]
    return Computed(found.bars, found.complete, outputs, history, found.following, found)


def read_newest(wanted: Wanted, spec: Spec, *, bars: int, now: datetime) -> Computed:
    """Return the newest bars that have begun, of which the last may be forming, with the indicator."""
    newest, _ = bars_before(wanted, now + _MOMENT, bars)
    if not len(newest):
        return Computed(newest, np.empty(0, bool), _none_of(spec), History(newest, 0, whole=True))
    over, first, last = complete(wanted, newest.time, now), int(newest.time[0]), int(newest.time[-1])
    # Live states of the newest bar come of the same run (`realtime.ticks.live_indicators`).
    history = history_of_date(wanted, instant(last), [spec])
    if first >= date_begin(last, wanted.exchange, wanted.timeframe, wanted.anchor):
        history = replace(history, bars=history.bars.take(history.bars.time < first))
        return Computed(newest, over, compute_after(history.bars, newest, [spec], wanted)[0], history)
    outputs = compute_after(history.bars, newest.take(slice(-1, None)), [spec], wanted)[0]
    history = history_before(wanted, instant(first), [spec])
    earlier = compute_after(history.bars, newest.take(slice(-1)), [spec], wanted)[0]
    return Computed(newest, over, {name: np.append(earlier[name], each) for name, each in outputs.items()}, history)


@dataclass(frozen=True, slots=True, eq=False)
class NewestBar:
    """The newest bar, and each indicator's outputs on it (the last element)."""

    time: int
    complete: bool
    outputs: list[Outputs]


def read_newest_of(wanted: Wanted, specs: Sequence[Spec], *, now: datetime) -> NewestBar | None:
    """Return the newest bar that has begun with several indicators, None if nothing is stored. Raises ReadTooSlow."""
    newest, _ = bars_before(wanted, now + _MOMENT, 1)
    if not len(newest):
        return None
    last = newest.take(slice(-1, None))
    history = history_of_date(wanted, instant(int(last.time[0])), specs)
    outputs = compute_after(history.bars, last, specs, wanted)
    return NewestBar(int(last.time[0]), bool(complete(wanted, last.time, now)[0]), outputs)


def _none_of(spec: Spec) -> Outputs:
    from signals.indicators.core.compute import names_of  # which loads the formulas

    return {name: np.empty(0) for name in names_of(spec)}


def read_all_with(wanted: Wanted, spec: Spec, rows: int, now: datetime) -> Iterator[Computed]:
    """Yield all bars that begin in the range, about so many at a time, with the indicator."""
    before: FoldedBars | None = None
    history: History | None = None
    keep = 0
    for part in read_all(wanted, rows):
        if not len(part):
            continue
        if before is None or history is None:
            history = history_before(wanted, instant(int(part.time[0])), [spec])
            before, keep = history.bars, max(len(history.bars), min(history.needed or MOST_WARM_UP, MOST_WARM_UP))
        outputs = compute_after(before, part, [spec], wanted)[0]
        yield Computed(part, complete(wanted, part.time, now), outputs, history)
        before = join_folded([before, part])
        before = before.take(slice(max(len(before) - keep, 0), None))


def history_before(wanted: Wanted, moment: datetime, specs: Sequence[Spec]) -> History:
    """Return the bars before a moment that the values from it on need."""
    lengths = [warm_up(spec) for spec in specs]
    needed = None if None in lengths else max((each for each in lengths if each is not None), default=0)
    begin = moment - timedelta(days=max(map(period_days, specs), default=0))
    bars, all_there = bars_before(wanted, moment, MOST_WARM_UP if needed is None else min(needed, MOST_WARM_UP), begin)
    return History(bars, needed, all_there or (needed is not None and len(bars) >= needed))


def history_of_date(wanted: Wanted, moment: datetime, specs: Sequence[Spec]) -> History:
    """Return the bars before a moment, which is the beginning of a bar: from as many before its date on as are needed.

    So the values of all bars of a date come of one run, to the last digit (`core.sessions.date_begin`).
    """
    begin = instant(date_begin(_microseconds(moment), wanted.exchange, wanted.timeframe, wanted.anchor))
    history = history_before(wanted, begin, specs)
    if begin >= moment:
        return history
    with within_time(TOO_MUCH):
        today = list(read_all(replace(wanted, begin=begin, end=moment), 1_000))
    return replace(history, bars=join_folded([history.bars, *today]))


def bars_before(wanted: Wanted, moment: datetime, count: int, begin: datetime | None = None) -> tuple[FoldedBars, bool]:
    """Return the last bars that begin before a moment: so many, and those from `begin` on; and whether no earlier ones
    are stored."""
    exchange, timeframe, anchor, stored = wanted.exchange, wanted.timeframe, wanted.anchor, wanted.stored
    lengths = stored.fitting(timeframe, anchor)
    one = usual_length(exchange, timeframe, anchor, 1)
    least, end = stored.clipped(instant(0), moment, lengths, one)
    parts: list[FoldedBars] = []
    span = usual_length(exchange, timeframe, anchor, max(count, 1)) + timedelta(days=4)  # a weekend and a holiday
    with within_time(TOO_MUCH):
        while end > least and (sum(map(len, parts)) < count or (begin is not None and end > begin)):
            start = max(end - min(span, end - least), least)
            parts.insert(0, join_folded(list(read_all(replace(wanted, begin=start, end=end), max(count, 100)))))
            end, span = start, span * 2
    found = join_folded(parts)
    keep = max(count, 0 if begin is None else int((found.time >= _microseconds(begin)).sum()))
    return found.take(slice(max(len(found) - keep, 0), None)), end <= least and len(found) <= keep


def compute_after(before: FoldedBars, bars: FoldedBars, specs: Sequence[Spec], wanted: Wanted) -> list[Outputs]:
    """Return the indicators on the bars, with the bars before them as their history."""
    from signals.indicators.core.compute import compute_indicators  # which loads the kernels

    whole = join_folded([before, bars])
    made = compute_indicators(columns_of(whole, wanted), specs)
    return [{name: values[len(before) :] for name, values in each.items()} for each in made]


def columns_of(bars: FoldedBars, wanted: Wanted) -> dict[str, Any]:
    columns: dict[str, Any] = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    return {**columns, "time": bars.time, "session": session_days(bars.time, wanted.exchange, wanted.anchor)}


def inputs_of(spec: Spec) -> tuple[str, ...]:
    return indicators()[spec.name].inputs


def _microseconds(moment: datetime) -> int:
    return (moment - instant(0)) // _MOMENT
