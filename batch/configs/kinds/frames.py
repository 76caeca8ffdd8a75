"""The newest bars of scheduled runs, with what joins: read once for all runs that need the same."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from signals.computations.bars import DEFAULT_ANCHOR
from signals.computations.joined import Frame
from signals.computations.newest_frames import newest_frames
from signals.configs.core.document import Document
from signals.functions.core.joins import Joins
from signalsite.foundation.errors import InvalidInput


def frames_of(
    document: Document,
    due: datetime,
    keys: Sequence[str],
    joins: Joins,
    *,
    bars: int,
    greeks: Mapping[str, Any] | None = None,
) -> dict[str, Frame]:
    """Return each instrument's newest bar at `due` and the `bars` before it. Raises InvalidInput."""
    if document.interval is None:
        raise InvalidInput("interval", "the configuration has no interval, so there are no bars")
    return newest_frames(
        keys,
        joins,
        timeframe=document.interval,
        as_of=due,
        bars=bars,
        anchor=document.anchor or DEFAULT_ANCHOR,
        greeks=greeks,
    )
