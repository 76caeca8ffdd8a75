"""The bars that windows in memory begin with: what the tables have of instruments at a moment."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from realtime.ticks.core.window_bars import Ints, SeriesKind
from signals.computations.newest_frames import newest_frames
from timeframes.core.bars import FoldedBars
from timeframes.core.grid import bars_at_most
from timeframes.core.timeframe import format_timeframe

MOST = 2_000
"""Bars that are read, so that the volumes of a session add up to its highest volume so far."""


def load_windows(
    keys: Sequence[str], kind: SeriesKind, bars: int, as_of: datetime
) -> dict[str, tuple[FoldedBars, Ints]]:
    """Return the newest bars of instruments at `as_of` and the beginnings of their sessions: so many bars before the
    newest, or fewer. There are none of what cannot be made into bars."""
    of_session = bars_at_most(kind.exchange, kind.timeframe, kind.anchor, 1.0)
    frames = newest_frames(
        keys,
        (),
        timeframe=format_timeframe(kind.timeframe),
        as_of=as_of,
        bars=max(bars, min(of_session, MOST)),
        anchor=kind.anchor.value,
    )
    found = {}
    for key, frame in frames.items():
        begins = frame.part.grid.begins if frame.part.grid is not None else np.empty(0, np.int64)
        stretch = np.maximum(np.searchsorted(begins, frame.bars.time, side="right") - 1, 0)
        found[key] = frame.bars, begins[stretch]
    return found
