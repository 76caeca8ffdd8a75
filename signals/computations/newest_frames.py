"""The newest bars of many instruments, with what joins: a statement or two for all of them, not a few for each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from signals.computations.bars import DEFAULT_ANCHOR, Part, load_part, unknown
from signals.computations.indicators import ItemBars
from signals.computations.joined import Frame, join_frames
from signals.functions.core.joined import specs_of, warm_up_of
from signals.functions.core.joins import Joins, other_keys
from signals.indicators.core.warm_up import period_days
from signalsite.foundation.errors import InvalidInput
from timeframes.bars.many import load_prices
from timeframes.core.bars import FoldedBars, join_folded
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import (
    Anchor,
    check_anchor,
    dates_of,
    default_anchor,
    instant,
    make_grid,
    microseconds,
    usual_length,
)
from timeframes.core.keys import parse_key
from timeframes.core.timeframe import Timeframe, parse_timeframe

_SPARE = timedelta(days=4)  # a weekend with a holiday
_FURTHER = (1, 4, 16)
"""How many times the usual length of the bars is read, for what trades seldom. Then there are fewer bars."""
_MOST_BARS = 2_000_000  # at a time, of all instruments


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """`bars`: before the newest. `warm_up`: before those, for indicators that join. `back`: so much time at least."""

    timeframe: str
    anchor: str
    as_of: datetime
    bars: int
    warm_up: int
    back: timedelta


def newest_frames(
    keys: Sequence[str],
    joins: Joins,
    *,
    timeframe: str,
    as_of: datetime,
    bars: int,
    anchor: str = DEFAULT_ANCHOR,
    greeks: Mapping[str, Any] | None = None,
) -> dict[str, Frame]:
    """Return each instrument's newest bar at `as_of` and the `bars` before it, or fewer, with what joins.

    The newest bar may be forming. `anchor`, `timeframe`: as parameters of jobs. `greeks`: parameters of
    `historical_greeks` besides, such as rate. A key that is wrong or has no bars has a frame with the reason.
    """
    wanted = _Wanted(
        timeframe=timeframe,
        anchor=anchor,
        as_of=as_of,
        bars=bars,
        warm_up=warm_up_of(joins),
        back=timedelta(days=max(map(period_days, specs_of(joins)), default=0)),
    )
    others = {key: own for key, (_, own) in _newest(other_keys(joins), wanted).items()}
    others = {key: others.get(key, join_folded([])) for key in other_keys(joins)}
    distinct = list(dict.fromkeys(keys))
    size = max(_MOST_BARS // (wanted.bars + wanted.warm_up + 1), 1)
    frames: dict[str, Frame] = {}
    for first in range(0, len(distinct), size):
        frames |= _frames(distinct[first : first + size], joins, others, wanted, greeks or {})
    return frames


def _frames(
    keys: Sequence[str],
    joins: Joins,
    others: Mapping[str, FoldedBars],
    wanted: _Wanted,
    greeks: Mapping[str, Any],
) -> dict[str, Frame]:
    found = {key: each for key, each in _newest(keys, wanted).items() if len(each[1])}
    items = {
        key: ItemBars(part, own, max(len(own) - wanted.bars - 1, 0), np.empty(0, bool))
        for key, (part, own) in found.items()
    }
    earliest = min((int(each.bars.time[each.first]) for each in items.values()), default=microseconds(wanted.as_of))
    days = max((wanted.as_of - instant(earliest)) / timedelta(days=1), 1e-6)
    params = {**greeks, "timeframe": wanted.timeframe, "anchor": wanted.anchor, "days": days}
    joined = dict(zip(items, join_frames(items, joins, others, as_of=wanted.as_of, params=params), strict=True))
    nothing = join_folded([])
    return {key: joined[key] if key in joined else Frame(_reason_for(key, wanted), nothing, {}, {}) for key in keys}


def _newest(keys: Sequence[str], wanted: _Wanted) -> dict[str, tuple[Part, FoldedBars]]:
    """Read the bars of each key, or what there is within _FURTHER times their usual length. A wrong key has none."""
    found: dict[str, tuple[Part, FoldedBars]] = {}
    timeframe = parse_timeframe(wanted.timeframe)
    high, needed = microseconds(wanted.as_of), wanted.bars + wanted.warm_up + 1
    for (exchange, anchor), group in _by_exchange(keys, timeframe, wanted.anchor).items():
        short = group
        for times in _FURTHER:
            span = usual_length(exchange, timeframe, anchor, needed) * times + _SPARE + wanted.back
            begin = instant(0) if span > wanted.as_of - instant(0) else wanted.as_of - span
            grid = make_grid(exchange, timeframe, anchor, *dates_of(exchange, anchor, begin, wanted.as_of))
            for key, made in zip(short, load_prices(short, grid, wanted.as_of), strict=True):
                own = made.take((made.time >= microseconds(begin)) & (made.time < high))
                found[key] = Part(exchange, anchor, grid), own
            # What has its bars and lacks some that warm up is read further once only.
            least = needed if times == _FURTHER[0] else wanted.bars + 1
            short = [key for key in short if len(found[key][1]) < least]
            if not short or begin <= instant(0):
                break
    return found


def _by_exchange(keys: Iterable[str], timeframe: Timeframe, anchor: str) -> dict[tuple[str, Anchor], list[str]]:
    """Group the keys that bars of this timeframe can be made of."""
    groups: dict[tuple[str, Anchor], list[str]] = {}
    for key in dict.fromkeys(keys):
        try:
            exchange = exchange_named(parse_key(key).exchange).name
            chosen = default_anchor(exchange) if anchor == DEFAULT_ANCHOR else Anchor(anchor)
            check_anchor(timeframe, chosen)
        except InvalidInput:
            continue  # `_reason_for` says why
        groups.setdefault((exchange, chosen), []).append(key)
    return groups


def _reason_for(key: str, wanted: _Wanted) -> Part:
    """Return the answer for a key of which no bar is near."""
    params = {"timeframe": wanted.timeframe, "anchor": wanted.anchor}
    part = load_part(key, wanted.as_of - timedelta(days=1), wanted.as_of, params)
    if part.word == "no_bars":
        part = unknown([key]).get(key, part)
    return part
