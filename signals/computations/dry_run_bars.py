"""What a dry run sees of a stored instrument: the bars of a run, read within a request."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from signals.computations.bars import DEFAULT_ANCHOR
from signals.computations.functions import MOST_GREEKS_AT_ONCE
from signals.computations.newest_frames import newest_frames
from signals.functions.core.joined import warm_up_of
from signals.functions.core.joins import needs_greeks, other_keys
from signals.functions.dry_runs import StoredBars
from signalsite.foundation.computations.columns import OK
from signalsite.foundation.deadlines import within_time
from signalsite.foundation.errors import InvalidInput
from timeframes.core.grid import instant
from timeframes.core.sessions import BEFORE_YEAR
from timeframes.core.timeframe import format_timeframe

MOST_BARS = 50_000
"""Of the instrument and those that join, with what warms indicators up."""
TOO_MUCH = "the bars are made of too much data: ask for fewer"


def stored_bars(asked: Mapping[str, Any], *, now: datetime) -> StoredBars:
    """Return the newest bar at `as_of`, by default now, and the `bars` before it, with what joins.

    Raises InvalidInput for an instrument without bars and for more than a request may read, and ReadTooSlow.
    """
    joins, bars = asked.get("join") or (), asked["bars"]
    total = (bars + 1 + warm_up_of(joins)) * (1 + len(other_keys(joins)))
    if total > MOST_BARS:
        raise InvalidInput("bars", f"{total} bars would be read, those that warm up included; {MOST_BARS} are allowed")
    if needs_greeks(joins) and bars > MOST_GREEKS_AT_ONCE:
        raise InvalidInput("bars", f"Greeks join to at most {MOST_GREEKS_AT_ONCE} bars of a dry run; a job takes more")
    key, as_of = asked["instrument_key"], asked.get("as_of", now)
    if not instant(0) <= as_of or as_of.year >= BEFORE_YEAR:
        raise InvalidInput("as_of", f"must be from 1970 on and before {BEFORE_YEAR}")
    with within_time(TOO_MUCH):
        frame = newest_frames(
            [key],
            joins,
            timeframe=format_timeframe(asked["timeframe"]),
            as_of=as_of,
            bars=bars,
            anchor=asked.get("anchor", DEFAULT_ANCHOR),
        )[key]
    if frame.word != OK:
        raise InvalidInput("instrument_key", frame.reason or frame.word)
    return StoredBars(frame.data(session=False), frame.data(session=True), frame.missing, frame.bars.time)
