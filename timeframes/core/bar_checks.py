"""Finds what is wrong with bars, and mends nothing.

| kind      | what is found                                                                                     |
|-----------|---------------------------------------------------------------------------------------------------|
| gap       | bars that are missing between the first and the last, on dates on which the exchange trades       |
| double    | more than one bar of one time                                                                     |
| off_grid  | a time at which no bar of this length begins                                                      |
| outside   | bars outside the hours of their session                                                           |
| closed    | bars on dates on which the exchange does not trade                                                |
| clock     | times that are in another zone, or are the ends of the bars                                       |
| flat_tail | FLAT_RUN bars and more at the end of a date that repeat one price                                 |
| fill      | bars without volume that repeat the price before them                                             |
| split     | a price that jumps by a simple ratio, as at a split, from one date to the next                    |
| jump      | one that jumps by 30 % and more, and no simple ratio                                              |
| shape     | prices of 0 or less, or outside low and high                                                      |
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timeframes.core.bar_dates import FLAT_RUN, date_of, flat_ends, grid_of
from timeframes.core.bars import BarColumns
from timeframes.core.grid import SECOND, Anchor, Grid, default_anchor, instant
from timeframes.core.keys import InstrumentKey
from timeframes.core.sessions import is_session, local_date
from timeframes.core.timeframe import DAY

MOST_EXAMPLES = 20
JUMP = 0.3  # a move between two bars that is no ordinary one
_RATIOS = (2.0, 3.0, 4.0, 5.0, 10.0, 20.0, 1.5, 100.0)
_NEAR = 0.05  # of a ratio: the price moves as well
_INSIDE, _SHIFTED = 0.9, 0.97  # shares of bars in their sessions: less than the first is strange, the second is right


@dataclass(frozen=True, slots=True)
class Finding:
    """`count`: bars. `first`, `last`: microseconds of the first and last of them. `examples`: text, the worst first."""

    kind: str
    count: int
    detail: str
    first: int | None = None
    last: int | None = None
    examples: tuple[str, ...] = ()


def check_bars(bars: BarColumns, key: InstrumentKey, seconds: int) -> list[Finding]:
    """Return what is found in bars of one instrument, in any order."""
    if not len(bars):
        return []
    bars = bars.take(np.argsort(bars.time, kind="stable"))
    found = [*_doubles(bars), *_shapes(bars)]
    bars = bars.take(np.append(np.diff(bars.time) != 0, [True]))
    grid = grid_of(key.exchange, seconds, bars.time)
    dates = date_of(grid, bars.time)
    found += _off_grid(bars, grid, dates, seconds)
    if default_anchor(key.exchange) is Anchor.SESSION:
        found += _hours(bars, key.exchange, grid, dates, seconds)
        found += _session_gaps(bars, key.exchange, grid, seconds)
    else:
        found += _gaps(bars.time, bars.time[1:][np.diff(bars.time) > seconds * SECOND], seconds)
    if seconds < DAY:
        found += _flat(bars, dates)
    if not key.right:  # the price of an option moves by any ratio
        found += _jumps(bars, dates)
    return found


def iso(time: int) -> str:
    return instant(int(time)).isoformat()


def _finding(kind: str, bars: BarColumns, bad: NDArray[np.bool_], detail: str) -> Iterator[Finding]:
    if not bad.any():
        return
    times = bars.time[bad]
    examples = tuple(iso(time) for time in times[:MOST_EXAMPLES].tolist())
    yield Finding(kind, len(times), detail, int(times[0]), int(times[-1]), examples)


def _doubles(bars: BarColumns) -> Iterator[Finding]:
    repeated = np.append([False], np.diff(bars.time) == 0)
    equal = np.ones(len(bars), dtype=bool)
    for name in ("open", "high", "low", "close"):
        column = getattr(bars, name)
        equal[1:] &= column[1:] == column[:-1]
    yield from _finding(
        "double", bars, repeated, f"bars of a time that has one already; {int((repeated & ~equal).sum()):,} differ"
    )


def _shapes(bars: BarColumns) -> Iterator[Finding]:
    prices = np.stack([bars.open, bars.high, bars.low, bars.close])
    good = (prices > 0).all(axis=0) & (bars.high == prices.max(axis=0)) & (bars.low == prices.min(axis=0))
    yield from _finding("shape", bars, ~good, "prices of 0 or less, or high and low that do not contain the others")


def _off_grid(bars: BarColumns, grid: Grid, dates: NDArray[np.intp], seconds: int) -> Iterator[Finding]:
    off = (bars.time - grid.origin[dates]) % (seconds * SECOND) != 0
    yield from _finding("off_grid", bars, off, "times at which no bar of this length begins")


def _hours(bars: BarColumns, exchange: str, grid: Grid, dates: NDArray[np.intp], seconds: int) -> Iterator[Finding]:
    days = [local_date(exchange, instant(each)) for each in grid.begins.tolist()]
    trades = np.array([is_session(exchange, day) for day in days])[dates]
    yield from _finding("closed", bars, ~trades, "bars on dates on which the exchange does not trade")
    inside = grid.place(bars.time) >= 0
    yield from _finding("outside", bars, trades & ~inside, "bars outside the hours of their session")
    if seconds >= DAY:
        return
    if inside.mean() < _INSIDE:
        yield from _shifted_clock(bars, exchange, seconds, float(inside.mean()))
        return
    used = np.unique(dates[trades])
    openings = np.isin(grid.begins[used], bars.time).mean() if len(used) else 1.0
    closes = np.isin(grid.ends[used], bars.time).mean() if len(used) else 0.0
    if openings < 0.1 and closes > 0.5:
        yield Finding("clock", len(bars), "bars are named by their ends, and not by their beginnings")


def _shifted_clock(bars: BarColumns, exchange: str, seconds: int, now: float) -> Iterator[Finding]:
    """Look for a shift by whole quarters of an hour with which nearly all bars lie in their sessions."""
    best, shift = 0.0, 0
    for quarters in sorted(range(-14 * 4, 14 * 4 + 1), key=abs):
        moved = bars.time + quarters * 900 * SECOND
        share = float((grid_of(exchange, seconds, moved).place(moved) >= 0).mean())
        if share > best + 1e-9:
            best, shift = share, quarters
    if shift and best >= _SHIFTED and best > now + 0.1:
        yield Finding(
            "clock",
            len(bars),
            f"{now:.0%} of the bars are in their sessions; with times {_signed(shift * 900)} it would be {best:.0%}: "
            "the file may be in another time zone",
        )


def _signed(seconds: int) -> str:
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{hours}:{minutes:02d} h {'later' if seconds > 0 else 'earlier'}"


def _session_gaps(bars: BarColumns, exchange: str, grid: Grid, seconds: int) -> Iterator[Finding]:
    step = seconds * SECOND
    days = [local_date(exchange, instant(each)) for each in grid.begins.tolist()]
    trades = np.array([is_session(exchange, day) for day in days])
    begins, ends = grid.begins[trades], grid.ends[trades]
    counts = np.ones(len(begins), np.int64) if seconds >= DAY else -(-(ends - begins) // step)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    expected = np.repeat(begins, counts) + within * step
    expected = expected[(expected >= bars.time[0]) & (expected <= bars.time[-1])]
    missing = ~np.isin(expected, bars.time)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    yield from _runs(expected[edges[::2]], expected[edges[1::2] - 1], edges[1::2] - edges[::2])


def _gaps(time: NDArray[np.int64], after: NDArray[np.int64], seconds: int) -> Iterator[Finding]:
    """Gaps where trading never stops. `after`: the bars that follow them."""
    step = seconds * SECOND
    before = time[np.searchsorted(time, after) - 1]
    yield from _runs(before + step, after - step, (after - before) // step - 1)


def _runs(first: NDArray[np.int64], last: NDArray[np.int64], counts: NDArray[np.int64]) -> Iterator[Finding]:
    real = counts > 0
    first, last, counts = first[real], last[real], counts[real]
    if not len(counts):
        return
    longest = np.argsort(-counts, kind="stable")[:MOST_EXAMPLES]
    examples = tuple(
        f"{iso(first[at])} to {iso(last[at])} ({counts[at]:,})" if counts[at] > 1 else iso(first[at])
        for at in longest.tolist()
    )
    detail = f"missing bars in {len(counts):,} gaps, of which the longest has {int(counts.max()):,}"
    yield Finding("gap", int(counts.sum()), detail, int(first[0]), int(last[-1]), examples)


def _flat(bars: BarColumns, dates: NDArray[np.intp]) -> Iterator[Finding]:
    before = np.append([np.nan], bars.close[:-1])
    unmoved = (bars.high == bars.low) & (bars.open == bars.close) & (bars.close == before)
    starts = np.flatnonzero(np.diff(dates, prepend=-1))
    runs = flat_ends(unmoved, starts)
    ends = np.append(starts[1:], len(bars))
    tail = np.zeros(len(bars), dtype=bool)
    for end, run in zip(ends.tolist(), runs.tolist(), strict=True):
        if run >= FLAT_RUN:
            tail[end - run : end] = True
    count = int((runs >= FLAT_RUN).sum())
    detail = f"bars at the end of {count:,} dates that repeat one price, {FLAT_RUN} and more in a row"
    yield from _finding("flat_tail", bars, tail, detail)
    if (bars.volume > 0).any():  # an index has no volume
        fills = unmoved & (bars.volume == 0)
        detail = f"bars without volume that repeat the price before them: {fills.mean():.0%} of all"
        yield from _finding("fill", bars, fills, detail)


def _jumps(bars: BarColumns, dates: NDArray[np.intp]) -> Iterator[Finding]:
    with np.errstate(invalid="ignore", divide="ignore"):
        move = bars.open[1:] / bars.close[:-1]
        ratio = np.where(move < 1, 1 / move, move)
    large = np.isfinite(ratio) & (ratio >= 1 + JUMP)
    near = np.zeros(len(ratio), dtype=bool)
    for each in _RATIOS:
        near |= np.abs(ratio / each - 1) < _NEAR
    near &= np.diff(dates) != 0
    for kind, chosen in (("split", large & near), ("jump", large & ~near)):
        at = np.flatnonzero(chosen)
        if len(at):
            examples = tuple(
                f"{iso(bars.time[place + 1])} x {move[place]:.4g}" for place in at[:MOST_EXAMPLES].tolist()
            )
            what = "a simple ratio, as at a split" if kind == "split" else f"{JUMP:.0%} and more"
            times = bars.time[at + 1]
            yield Finding(kind, len(at), f"prices that jump by {what}", int(times[0]), int(times[-1]), examples)
