"""Live indicators for sockets: which there are, and the newest of a series that the stream has not shown yet."""

import logging
import time
from collections import OrderedDict
from datetime import UTC, datetime

import numpy as np
from asgiref.sync import sync_to_async

from realtime.core.indicator_states import IndicatorState, encode_state
from realtime.core.topic_grammar import IndicatorsTopic, UnknownTopic, read_indicators
from realtime.core.wanted_indicators import SeriesWanted, wanted_series
from signals.configs.selectors import active_on_ticks
from signals.indicators.core.spec import parse_spec
from signals.indicators.selectors import read_newest_of
from signalsite.foundation.deadlines import ReadTooSlow
from timeframes.bars.stored import Wanted, stored_of
from timeframes.core.grid import default_anchor, instant
from timeframes.core.keys import parse_key
from timeframes.core.timeframe import parse_timeframe

logger = logging.getLogger(__name__)

KEPT_SECONDS, KEPT = 2.0, 1000
_SHOWN = 10
Named = dict[tuple[str, str], SeriesWanted]
_kept: OrderedDict[str, tuple[float, Named]] = OrderedDict()  # by underlying: until when, and its series


async def check_indicators(topic: str) -> None:
    """Raise UnknownTopic for a series of which no active configuration names indicators."""
    asked = read_indicators(topic)
    named = await _named(asked.underlying)
    if (asked.instrument_key, asked.timeframe) not in named:
        raise UnknownTopic(
            f"no active configuration names indicators of {asked.instrument_key} on {asked.timeframe} bars"
            f"{_others(asked, named)}"
        )


async def newest_indicators(topic: str) -> bytes | None:
    """Return the newest state of a topic that `check_indicators` has accepted, from the tables; None without bars."""
    asked = read_indicators(topic)
    found = (await _named(asked.underlying)).get((asked.instrument_key, asked.timeframe))
    return None if found is None else await sync_to_async(_newest)(found, datetime.now(UTC))


async def _named(underlying: str) -> Named:
    until, named = _kept.get(underlying, (0.0, {}))
    if time.monotonic() >= until:
        named = await sync_to_async(_read)(underlying)
        _kept[underlying] = time.monotonic() + KEPT_SECONDS, named
        _kept.move_to_end(underlying)
        if len(_kept) > KEPT:
            _kept.popitem(last=False)
    return named


def _read(underlying: str) -> Named:
    series = wanted_series((each.document for each in active_on_ticks([underlying])), [underlying])
    return {(each.instrument_key, each.timeframe): each for each in series if each.specs}


def _others(asked: IndicatorsTopic, named: Named) -> str:
    known = sorted(timeframe for key, timeframe in named if key == asked.instrument_key)
    return f"; they do on {', '.join(known[:_SHOWN])}" if known else ""


def _newest(series: SeriesWanted, now: datetime) -> bytes | None:
    key = series.instrument_key
    exchange = parse_key(key).exchange
    wanted = Wanted(
        key=key,
        exchange=exchange,
        timeframe=parse_timeframe(series.timeframe),
        anchor=default_anchor(exchange),
        begin=instant(0),
        end=now,
        stored=stored_of(key),
    )
    try:
        found = read_newest_of(wanted, [parse_spec(text, "indicators") for text in series.specs], now=now)
    except ReadTooSlow as error:  # the subscriber waits for the next bar
        logger.warning("the newest indicators of %s cannot be shown: %s", key, error)
        return None
    if found is None:
        return None
    values = {
        text: {name: float(each[-1]) for name, each in outputs.items()}
        for text, outputs in zip(series.specs, found.outputs, strict=True)
    }
    return encode_state(
        IndicatorState(
            instrument_key=key,
            timeframe=series.timeframe,
            anchor=wanted.anchor.value,
            time=instant(int(found.time)).isoformat(),
            values=values,
            complete=bool(np.all(found.complete)),
        )
    )
