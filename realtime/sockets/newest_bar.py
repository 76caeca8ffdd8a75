"""The newest bar of an instrument, from the tables: for a subscriber to whom the stream has nothing to show."""

import logging
from datetime import UTC, datetime, timedelta

from asgiref.sync import sync_to_async

from realtime.core.bar_states import bar_states
from signalsite.foundation.deadlines import ReadTooSlow
from timeframes.bars.selectors import read_page
from timeframes.bars.stored import Wanted, stored_of
from timeframes.core.grid import default_anchor
from timeframes.core.keys import parse_key
from timeframes.core.minutes import MINUTE

logger = logging.getLogger(__name__)

_MINUTE = timedelta(seconds=MINUTE)


async def newest_bar(topic: str) -> bytes | None:
    """Return the state of a bars topic that `read_bars` has accepted, None if nothing is stored of its instrument."""
    _, key, timeframe = topic.split(":")
    return await sync_to_async(_newest_bar)(key, timeframe, datetime.now(UTC))


def _newest_bar(key: str, timeframe: str, now: datetime) -> bytes | None:
    stored = stored_of(key)
    extents = [each for each in (stored.bars.get(MINUTE), stored.ticks) if each]
    if not extents:
        return None
    exchange = parse_key(key).exchange
    newest = max(last for _, last in extents)
    wanted = Wanted(
        key=key,
        exchange=exchange,
        timeframe=MINUTE,
        anchor=default_anchor(exchange),
        begin=newest - 2 * _MINUTE,
        end=newest + _MINUTE,
        stored=stored,
    )
    try:
        page = read_page(wanted, limit=10, now=now)
    except ReadTooSlow as error:  # the subscriber waits for the next tick
        logger.warning("the newest bar of %s cannot be shown: %s", key, error)
        return None
    if not len(page.bars):  # the newest ticks are outside the sessions
        return None
    last = page.bars.take(slice(-1, None))
    return next(bar_states([key], timeframe, last, complete=bool(page.complete[-1])))
