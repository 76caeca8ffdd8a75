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

PAUSE_SECONDS = 0.05  # between publications
STEPS_SHARE = 0.75  # of the ticks: 400 contracts at 200 ticks a second are requoted every three seconds
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
    until: datetime | None = None,
    report: Callable[..., None],  # takes a message and its arguments, as a logger does
) -> int:
    """Publish `rate` ticks a second until `stop` is set, `seconds` have passed or it is `until`. Return how many.

    The market moves in steps. Each step requotes every contract at once, so that quotes of different ages agree and a
    job may read them side by side. The first step is immediate. Between steps come trades at unchanged prices.
    Goes on when Redis is lost and comes back.
    """
    begun = reported = time.monotonic()
    owed, saved, sent = 0.0, float(source.size), 0  # ticks owed as trades, and saved for the next step
    last = begun
    while not stop.is_set():
        now = time.monotonic()
        if (seconds is not None and now - begun >= seconds) or (until is not None and datetime.now(UTC) >= until):
            break
        earned, last = (now - last) * rate, now
        saved += earned * STEPS_SHARE
        owed = min(owed + earned * (1 - STEPS_SHARE), rate)  # ticks owed for more than a second are dropped
        made: list[tuple[str, Fields]] = []
        if saved >= source.size:
            made += source.chain(datetime.now(UTC))
            owed, saved = min(owed + saved - source.size, rate), 0.0
        if count := int(owed):
            made += source.trades(count, datetime.now(UTC))
            owed -= count
        try:
            sent += _send(client, made, one_field)
        except redis.RedisError as error:
            report("Redis: %s", error)
            saved = float(source.size)  # some contracts may have missed the step
            stop.wait(1.0)
        if now - reported >= 60:
            reported = now
            report("%d ticks so far", sent)
        stop.wait(PAUSE_SECONDS)
    return sent


def _send(client: "redis.Redis", made: list[tuple[str, Fields]], one_field: bool) -> int:
    with client.pipeline(transaction=False) as pipeline:
        for underlying, fields in made:
            # No running consumer falls this far behind.
            pipeline.xadd(tick_stream(underlying), _entry(fields, one_field), maxlen=LONGEST_STREAM, approximate=True)
        pipeline.execute()
    return len(made)


def _entry(fields: Fields, one_field: bool) -> Any:
    return {"data": orjson.dumps(fields)} if one_field else fields
