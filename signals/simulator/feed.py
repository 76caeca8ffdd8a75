"""A simulated feed: publishes ticks to the streams at a chosen rate, as the Ticker Service does."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from typing import Any

import orjson
import redis

from signals.simulator.core.simulated_ticks import Fields, TickSource
from timeframes.core.tick_stream import tick_stream

STEP = 0.05  # seconds between publications
LONGEST_STREAM = 1_000_000
"""Bounds each stream, so that ticks that nobody reads do not fill the memory."""


def publish(
    client: "redis.Redis",
    source: TickSource,
    *,
    rate: float,
    one_field: bool,
    stop: Event,
    seconds: float | None = None,
    report: Callable[..., None],  # takes a message and its arguments, as a logger does
) -> int:
    """Publish `rate` ticks a second until `stop` is set or `seconds` have passed, and return how many.

    Goes on when Redis is lost and comes back.
    """
    begun = reported = time.monotonic()
    owed, sent = 0.0, 0
    last = begun
    while not stop.is_set():
        now = time.monotonic()
        if seconds is not None and now - begun >= seconds:
            break
        owed = min(owed + (now - last) * rate, rate)  # ticks owed for more than a second are dropped
        last = now
        if count := int(owed):
            owed -= count
            try:
                sent += _send(client, source, count, one_field)
            except redis.RedisError as error:
                report("Redis: %s", error)
                stop.wait(1.0)
        if now - reported >= 60:
            reported = now
            report("%d ticks so far", sent)
        stop.wait(STEP)
    return sent


def _send(client: "redis.Redis", source: TickSource, count: int, one_field: bool) -> int:
    made = list(source.ticks(count, datetime.now(UTC)))
    with client.pipeline(transaction=False) as pipeline:
        for underlying, fields in made:
            # No running consumer falls this far behind.
            pipeline.xadd(tick_stream(underlying), _entry(fields, one_field), maxlen=LONGEST_STREAM, approximate=True)
        pipeline.execute()
    return len(made)


def _entry(fields: Fields, one_field: bool) -> Any:
    return {"data": orjson.dumps(fields)} if one_field else fields
