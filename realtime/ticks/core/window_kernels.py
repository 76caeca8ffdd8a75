# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
"""Loops over ticks, compiled: fold each into the forming bar of its lane, and copy windows of bars out."""

from typing import Any

import numpy as np
from numba import njit

OPEN, HIGH, LOW, CLOSE, VOLUME, TIME, SESSION = range(7)
COLUMNS = 7
FIRST, LAST, HIGHEST = range(3)
MARKED = 64
"""Bars from the newest on into which a late tick can be folded."""
IN_TIME, OUTSIDE, EARLY, LATE, MENDED, CHANGED = range(6)
"""How a tick came. EARLY: before all that were folded here. MENDED: late, and folded into its bar; CHANGED: into a
closed one."""
NOWHERE = -(2**62)
NEVER = 2**62
_BLOCK = 16


def _compiled(signature: str) -> Any:
    return njit(signature, cache=True, nogil=True, error_model="numpy")


@njit(cache=True, nogil=True, error_model="numpy")
def _mend(bar, marks, end, begin, session, time, price, volume):  # pragma: no cover - compiled
    """Fold a late tick into its bar, or a new bar for it. Return the depth of the bar, -1 where it is too deep, and
    whether the bar is new."""
    depth = 0
    while depth < MARKED - 1 and bar[TIME, end - depth] > begin:
        depth += 1
    place = end - depth
    if not bar[TIME, place] <= begin:
        return -1, False
    new = bar[TIME, place] < begin
    if new:
        before = marks[HIGHEST, depth] if bar[SESSION, place] == session else 0.0
        for each in range(end, place, -1):
            bar[:, each + 1] = bar[:, each]
        for each in range(MARKED - 1, depth, -1):
            marks[:, each] = marks[:, each - 1]
        end, place = end + 1, place + 1
        bar[OPEN, place] = bar[HIGH, place] = bar[LOW, place] = bar[CLOSE, place] = price
        bar[VOLUME, place], bar[TIME, place], bar[SESSION, place] = np.nan, begin, session
        marks[FIRST, depth], marks[LAST, depth], marks[HIGHEST, depth] = time, time, before
    else:
        bar[HIGH, place] = max(bar[HIGH, place], price)
        bar[LOW, place] = min(bar[LOW, place], price)
        if time < marks[FIRST, depth]:
            bar[OPEN, place], marks[FIRST, depth] = price, time
        if time >= marks[LAST, depth]:
            bar[CLOSE, place], marks[LAST, depth] = price, time
    if volume == volume:
        more = max(volume - marks[HIGHEST, depth], 0.0)
        bar[VOLUME, place] = more if bar[VOLUME, place] != bar[VOLUME, place] else bar[VOLUME, place] + more
        marks[HIGHEST, depth] += more
        for each in range(depth - 1, -1, -1):  # what was traded by then is no more of the bars after
            if more <= 0.0 or bar[SESSION, end - each] != session:
                break
            marks[HIGHEST, each] = max(marks[HIGHEST, each], volume)
            if bar[VOLUME, end - each] == bar[VOLUME, end - each]:
                taken = min(more, bar[VOLUME, end - each])
                bar[VOLUME, end - each] -= taken
                more -= taken
    return depth, new


@_compiled(
    "void(i8[::1], i8[::1], i8[::1], i8[::1], f8[::1], f8[::1], f8[:,:,::1], i8[::1], i8[::1], f8[::1], i8[::1],"
    " f8[:,::1], f8[:,:,::1], i8[::1], f8[:,::1], i1[::1])"
)
def fold(  # pragma: no cover - compiled
    lanes, times, begins, sessions, prices, volumes, data, end, newest, highest, since, own, marks, at, forming, words
):
    """Fold ticks, in their order. `data`: lanes x columns x bars; `end`: the place of each lane's newest bar.

    Of each lane, `newest` is the time of its newest tick; `highest` the session's highest volume so far; `since` the
    time of the first tick that was folded here; `own` the beginning of that tick's bar (seconds), and the session's
    highest volume before that bar; `marks` by depth (0 is the newest bar) the times of its first and last tick and the
    session's highest volume at its end. Of each tick, `at` is then the place of its bar, `forming` that bar as it
    stands with the tick, and `words` says how the tick came.
    """
    for i in range(lanes.shape[0]):
        lane = lanes[i]
        place = end[lane]
        bar = data[lane]
        begin, session, price, volume = begins[i] / 1e6, sessions[i] / 1e6, prices[i], volumes[i]
        if begins[i] == NOWHERE:
            words[i] = OUTSIDE
        elif times[i] < since[lane] and times[i] < newest[lane]:
            words[i] = EARLY
        elif times[i] < newest[lane]:
            depth, new = _mend(bar, marks[lane], place, begin, session, times[i], price, volume)
            words[i] = LATE if depth < 0 else (MENDED if depth == 0 else CHANGED)
            if depth >= 0:
                highest[lane] = marks[lane, HIGHEST, 0]
            if new:
                end[lane] = place + 1
                for j in range(i):
                    if lanes[j] == lane and at[j] > place - depth:
                        at[j] += 1
        else:
            words[i] = IN_TIME
            newest[lane] = times[i]
            if bar[SESSION, place] != session:
                highest[lane] = 0.0
            before = highest[lane]
            traded = max(volume - before, 0.0) if volume == volume else np.nan
            if traded > 0.0:
                highest[lane] = volume
            goes_on = bar[TIME, place] == begin
            if goes_on:
                bar[HIGH, place] = max(bar[HIGH, place], price)
                bar[LOW, place] = min(bar[LOW, place], price)
                had = bar[VOLUME, place]
                bar[VOLUME, place] = had if traded != traded else (traded if had != had else had + traded)
            else:
                if bar[TIME, place] == bar[TIME, place]:
                    place += 1
                    end[lane] = place
                bar[OPEN, place] = bar[HIGH, place] = bar[LOW, place] = price
                bar[VOLUME, place] = traded
                bar[TIME, place] = begin
                bar[SESSION, place] = session
                for each in range(MARKED - 1, 0, -1):
                    marks[lane, :, each] = marks[lane, :, each - 1]
                marks[lane, FIRST, 0] = times[i]
            if since[lane] == NEVER:
                since[lane], own[lane, 0] = times[i], begin
                if not goes_on:
                    own[lane, 1] = before
            bar[CLOSE, place] = price
            marks[lane, LAST, 0], marks[lane, HIGHEST, 0] = times[i], highest[lane]
        at[i] = place
        for column in range(COLUMNS):
            forming[i, column] = bar[column, place]


@_compiled("void(f8[:,:,::1], i8, i8[::1], i8[::1], f8[:,::1], f8[:,::1])")
def gather(data, column, lanes, at, forming, out):  # pragma: no cover - compiled
    """Copy a column of each tick's window: the bars up to `at`, of which the last is `forming`. `out`: bars x ticks."""
    rows = out.shape[0]
    for first in range(0, lanes.shape[0], _BLOCK):
        last = min(first + _BLOCK, lanes.shape[0])
        for row in range(rows - 1):
            for i in range(first, last):
                out[row, i] = data[lanes[i], column, at[i] - rows + 1 + row]
        for i in range(first, last):
            out[rows - 1, i] = forming[i, column]
