"""Loads what live indicators need from the tables: on a thread of its own, so that no tick waits for it."""

import logging
from dataclasses import replace
from datetime import datetime
from typing import cast

import numpy as np
import redis
from django.db import connection

from realtime.consumer_groups import Redis
from realtime.core.bar_places import grid_until, place_bar
from realtime.core.indicator_states import decode_state
from realtime.ticks.core.loaded_series import Asked, Loaded
from realtime.ticks.core.series_book import PRICES
from signals.indicators.core.sessions import date_begin
from signals.indicators.selectors import bars_before, history_before
from signalsite.foundation.deadlines import within_time
from timeframes.bars.changes import Basis, Moment, current_moment
from timeframes.bars.folding import fold_stored
from timeframes.bars.selectors import TOO_MUCH, read_all
from timeframes.bars.stored import Wanted, stored_of
from timeframes.core.bars import FoldedBars, join_folded
from timeframes.core.grid import default_anchor, instant, microseconds

logger = logging.getLogger(__name__)
_ROWS = 1_000


def load(asked: Asked, client: Redis) -> tuple[Loaded, Basis | None]:
    """Return a series, and of what it is made: None where that is not known.

    Raises ReadTooSlow, and errors of PostgreSQL and Redis."""
    moment = current_moment()
    stored = stored_of(asked.key)
    wanted = Wanted(
        key=asked.key,
        exchange=asked.exchange,
        timeframe=asked.timeframe,
        anchor=default_anchor(asked.exchange),
        begin=instant(0),
        end=instant(asked.upto),
        stored=stored,
    )
    published = _published(client, asked)
    place = place_bar(asked.exchange, asked.timeframe, asked.upto)
    begin = asked.upto if place is None else place.begin
    forming = _forming(wanted, begin, asked.upto) if place is not None and begin < asked.upto else None
    newest: int | None = begin
    if forming is None and not (asked.opened and place is not None):
        before, _ = bars_before(wanted, instant(begin), 1)
        newest = int(before.time[-1]) if len(before) else None
    if newest is None:
        return Loaded(asked, join_folded([]), None, None, None, published), _basis(asked, 0, asked.upto, moment)
    day = date_begin(newest, asked.exchange, asked.timeframe, wanted.anchor)
    history = history_before(wanted, instant(day), asked.specs)
    with within_time(TOO_MUCH):
        today = list(read_all(replace(wanted, begin=instant(day), end=instant(begin)), _ROWS)) if day < begin else []
    bars = join_folded([history.bars, *today])
    first = int(bars.time[0]) if len(bars) else day
    enough = history.needed is not None and len(history.bars) >= history.needed
    basis = _basis(asked, first if enough else 0, day - 1, moment)  # else older bars would count too
    if forming is None:
        return Loaded(asked, bars, None, None, day, published), basis
    prices = np.array([getattr(forming, name)[-1] for name in PRICES])
    return Loaded(asked, bars, begin, prices, day, published), basis


def close_connection() -> None:
    connection.close()


def _forming(wanted: Wanted, begin: int, until: int) -> FoldedBars | None:
    """Return the bar that begins at `begin` as its minutes before `until` make it, None without any."""
    stored = wanted.stored
    grid = grid_until(wanted.exchange, wanted.timeframe, begin, until)
    lengths = stored.fitting(wanted.timeframe, wanted.anchor)
    with within_time(TOO_MUCH):
        found = fold_stored(wanted.key, grid, lengths, ticks=stored.ticks is not None)
    found = found.take(found.time == begin)
    return found if len(found) else None


def _basis(asked: Asked, first: int, last: int, moment: Moment | None) -> Basis | None:
    return None if moment is None else Basis(asked.key, first, max(last, first), moment)


def _published(client: Redis, asked: Asked) -> int | None:
    """Return the beginning of the newest bar whose complete state is published, None if it is not known."""
    try:
        found = cast(str | None, client.hget(asked.latest, asked.topic))
    except redis.ResponseError:  # a key of another type: publishing fails too, and says so
        return None
    if found is None:
        return None
    try:
        state = decode_state(found)
        time = microseconds(datetime.fromisoformat(state.time))
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        logger.error("the newest state of %s cannot be read: %s", asked.topic, error)
        return None
    return time if state.complete else time - 1
