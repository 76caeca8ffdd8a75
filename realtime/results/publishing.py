"""Publishing of what configurations gave apart from the consumer's cycle: scheduled runs, and users' functions.

The consumer that owns an underlying is the only writer of its output stream, so results wait for it in the list
`computed_results:{underlying}`, which it empties in the transaction that publishes them. Without a consumer (no lease)
they are published here, in one transaction with a check that there is still none.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

import redis
from django.conf import settings

from realtime.core.entry_ids import format_id, parse_id
from realtime.core.names import Names
from realtime.core.result_outputs import ResultOutput, output_of
from realtime.core.result_states import UnwritableResult, decode_result, encode_result
from realtime.core.states import BadState
from realtime.results import metrics
from realtime.results.newest import newest_of
from signals.configs.core.results import ConfiguredResult
from signalsite.foundation.redis import client
from timeframes.core.keys import InvalidInstrumentKey, parse_key
from timeframes.core.tick_stream import tick_stream

logger = logging.getLogger(__name__)

MOST_WAITING = 10_000  # results of an underlying
MOST_WAITING_BYTES = 64 << 20  # of an underlying, as Redis counts its memory
TOGETHER = 200  # results of one command
TRIES = 20  # while other processes publish for the same underlying

# KEYS: the lease of a consumer, and the list. ARGV: the longest list, its most bytes, its lifetime in seconds, results.
# Returns how many joined the list, or -1 where there is no consumer.
_LEAVE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local room = math.min(tonumber(ARGV[1]) - redis.call('LLEN', KEYS[2]), #ARGV - 3)
if (redis.call('MEMORY', 'USAGE', KEYS[2]) or 0) >= tonumber(ARGV[2]) then room = 0 end
if room > 0 then
  redis.call('RPUSH', KEYS[2], unpack(ARGV, 4, room + 3))
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
return math.max(room, 0)
"""

Written = tuple[ConfiguredResult, bytes]


def publish_results(results: Sequence[ConfiguredResult], names: Names, *, public: int | None) -> list[ConfiguredResult]:
    """Publish each result: topic `results:{configuration}:{instrument_key}` of the output stream, and of the owner
    `public` the list `computed_data:{symbol}`, and its indicators as the string
    `ta_results:{instrument_key}:{interval}:{frequency}`.

    Returns those that found no place, since too many wait already: the caller may publish them later. A result that
    cannot be written is left out, alone. Both have a log line. Raises redis.RedisError. Doing it again is
    harmless.
    """
    left: list[ConfiguredResult] = []
    by_underlying: dict[str, list[Written]] = {}
    for result in results:
        try:
            underlying = parse_key(result.instrument_key).underlying
            by_underlying.setdefault(underlying, []).append((result, encode_result(result)))
        except (UnwritableResult, InvalidInstrumentKey) as error:
            logger.error("a result of configuration %s is not published: %s", result.configuration, error)
    for underlying, written in by_underlying.items():
        for begin in range(0, len(written), TOGETHER):
            some = written[begin : begin + TOGETHER]
            left += [result for result, _ in some[_publish(underlying, some, names, public) :]]
    return left


def _publish(underlying: str, written: Sequence[Written], names: Names, public: int | None) -> int:
    """Publish results, or leave them for the consumer. Return how many, from the first, found a place."""
    server: Any = client(settings.REDIS_URL)
    lease = names.owner(tick_stream(underlying))
    waiting = names.waiting_results(underlying)
    for _ in range(TRIES):
        states = [state for _, state in written]
        most = (MOST_WAITING, MOST_WAITING_BYTES, settings.REDIS_CACHE_EXPIRY)
        joined = server.eval(_LEAVE, 2, lease, waiting, *most, *states)
        if joined >= 0:
            if joined < len(written):
                logger.error("%d results of %s find no place: too many wait", len(written) - joined, underlying)
            return int(joined)
        try:
            _publish_here(server, underlying, lease, written, names, public)
            return len(written)
        except redis.WatchError as error:
            # The library raises this for a lost answer too.
            if isinstance(error.__context__, redis.ConnectionError | redis.TimeoutError):
                raise error.__context__ from None
    raise redis.WatchError(f"{names.output_stream(underlying)} is being written by others, {TRIES} times")


def _publish_here(
    server: Any, underlying: str, lease: str, written: Sequence[Written], names: Names, public: int | None
) -> None:
    """Publish what waits and these, while no consumer owns the underlying. Raises WatchError if that changes."""
    stream, latest, latest_seq = names.output(underlying)
    waiting = names.waiting_results(underlying)
    with server.pipeline(transaction=True) as pipeline:
        pipeline.watch(lease, waiting, stream)
        if pipeline.exists(lease):
            raise redis.WatchError(f"{lease} has been taken")
        known = [*readable(pipeline.lrange(waiting, 0, -1), underlying), *written]
        newest = pipeline.xrevrange(stream, count=1)
        published = newest_of(pipeline, [result for result, _ in known], underlying, names)
        output = output_of(known, names, public=public, newest=published)
        milliseconds, number = parse_id(newest[0][0].decode()) if newest else (0, 0)
        pipeline.multi()
        pipeline.delete(waiting)
        for topics in output.rounds:
            now = int(time.time() * 1000)
            milliseconds, number = (now, 0) if now > milliseconds else (milliseconds, number + 1)
            entry_id = format_id((milliseconds, number))
            pipeline.xadd(stream, topics, entry_id, maxlen=settings.OUTPUT_STREAM_LENGTH, approximate=True)
            pipeline.hset(latest, mapping=topics)
            pipeline.hset(latest_seq, mapping=dict.fromkeys(topics, entry_id))
        pipeline.expire(latest, settings.LATEST_EXPIRY)
        pipeline.expire(latest_seq, settings.LATEST_EXPIRY)
        _add_lists_and_texts(pipeline, output, names)
        pipeline.execute()


def _add_lists_and_texts(pipeline: Any, output: ResultOutput, names: Names) -> None:
    for symbol, states in output.computed.items():
        key = names.computed_data(symbol)
        pipeline.rpush(key, *states)
        pipeline.ltrim(key, -settings.COMPUTED_DATA_LENGTH, -1)
        pipeline.expire(key, settings.REDIS_CACHE_EXPIRY)
    for key, text in output.texts.items():
        pipeline.set(key, text, ex=settings.REDIS_CACHE_EXPIRY)


def readable(states: Iterable[bytes | str], underlying: str) -> list[Written]:
    """Read results that have waited. One that cannot be read is dropped, alone, with a log line and a metric."""
    found: list[Written] = []
    for state in states:
        try:
            result = decode_result(state, underlying)
            found.append((result, encode_result(result)))
        except (BadState, UnwritableResult, RecursionError) as error:
            metrics.refused.labels("unreadable").inc()
            logger.error("a result that waits for %s is dropped: %s", underlying, error)
    return found
