"""Tick streams in Redis: which there are."""

import logging
from functools import lru_cache

from realtime.consumer_groups import Redis
from timeframes.core.keys import InvalidInstrumentKey, Product, parse_key
from timeframes.core.tick_stream import underlying_of

logger = logging.getLogger(__name__)


def find_streams(client: Redis, pattern: str) -> set[str]:
    """Find tick streams by pattern, except those not named after an underlying: all their ticks would be rejected."""
    found = set(client.scan_iter(pattern, count=1000, _type="stream"))
    return {stream for stream in found if _is_tick_stream(stream)}


@lru_cache(4096)
def _is_tick_stream(stream: str) -> bool:
    try:
        key = parse_key(underlying_of(stream))
        named = key.product is Product.UNDERLYING or not key.exchange
    except InvalidInstrumentKey:
        named = False
    if not named:
        logger.warning("stream %r is not read: its name is no tick_stream:EXCHANGE@SYMBOL", stream)
    return named
