# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
"""Loops over ticks, compiled: fold each into the forming bar of its lane, and copy windows of bars out."""

from typing import Any

import numpy as np
from numba import njit

OPEN, HIGH, LOW, CLOSE, VOLUME, TIME, SESSION = range(7)
COLUMNS = 7
IN_TIME, LATE, OUTSIDE = range(3)
NOWHERE = -(2**62)
_BLOCK = 16


def _compiled(signature: str) -> Any:
    return njit(signature, cache=True, nogil=True, error_model="numpy")


@_compiled(
    "void(i8[::1], i8[::1], i8[::1], i8[::1], f8[::1], f8[::1], f8[:,:,::1], i8[::1], i8[::1], f8[::1], i8[::1],"
    " f8[:,::1], i1[::1])"
)
def fold(  # pragma: no cover - compiled
    lanes, times, begins, sessions, prices, volumes, data, end, newest, highest, at, forming, words
):
    """Fold ticks, in their order. `data`: lanes x columns x bars; `end`: the place of each lane's newest bar.

    `newest`: the time of each lane's newest tick; `highest`: the session's highest volume so far. Of each tick, `at` is
    then the place of its bar, `forming` that bar as it stands with the tick, and `words` says how the tick came.
    """
    for i in range(lanes.shape[0]):
        lane = lanes[i]
        place = end[lane]
        bar = data[lane]
        if begins[i] == NOWHERE:
            words[i] = OUTSIDE
        elif times[i] < newest[lane]:
            words[i] = LATE
        else:
            words[i] = IN_TIME
            newest[lane] = times[i]
            begin, session, price, volume = begins[i] / 1e6, sessions[i] / 1e6, prices[i], volumes[i]
            if bar[SESSION, place] != session:
                highest[lane] = 0.0
            traded = max(volume - highest[lane], 0.0) if volume == volume else np.nan
            if traded > 0.0:
                highest[lane] = volume
            if bar[TIME, place] == begin:
                bar[HIGH, place] = max(bar[HIGH, place], price)
                bar[LOW, place] = min(bar[LOW, place], price)
                before = bar[VOLUME, place]
                bar[VOLUME, place] = before if traded != traded else (traded if before != before else before + traded)
            else:
                if bar[TIME, place] == bar[TIME, place]:
                    place += 1
                    end[lane] = place
                bar[OPEN, place] = bar[HIGH, place] = bar[LOW, place] = price
                bar[VOLUME, place] = traded
                bar[TIME, place] = begin
                bar[SESSION, place] = session
            bar[CLOSE, place] = price
        at[i] = place
        for column in range(COLUMNS):
            forming[i, column] = bar[column, place]


@_compiled("void(f8[:,:,::1], i8[::1], i8[::1], f8[:,::1], f8[:,:,::1])")
def gather(data, lanes, at, forming, out):  # pragma: no cover - compiled
    """Copy each tick's window: the bars up to `at`, of which the last is `forming`. `out`: columns x bars x ticks."""
    rows = out.shape[1]
    for first in range(0, lanes.shape[0], _BLOCK):
        last = min(first + _BLOCK, lanes.shape[0])
        for column in range(COLUMNS):
            for row in range(rows - 1):
                for i in range(first, last):
                    out[column, row, i] = data[lanes[i], column, at[i] - rows + 1 + row]
            for i in range(first, last):
                out[column, rows - 1, i] = forming[i, column]
