"""Read the live values that the tick consumer publishes to Redis.

Each read is a generator without I/O: it yields what it wants from Redis and is sent the replies. `run` drives one on a
thread, `realtime.snapshot.newest` drives many at once on the event loop.
"""

import logging
import time
from collections.abc import Generator, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import orjson
import redis
from django.conf import settings

from moneyness.core.levels import at_the_money
from realtime.core.names import Names
from realtime.core.states import FORWARD, BadState, decode_forward, decode_instrument, with_members
from realtime.core.topic_grammar import chain_topic
from realtime.snapshot.core.chain_request import StrikeWindow, choose_expiry
from realtime.snapshot.listed_options import ListedOptions
from signals.greeks.core.forward import money
from signalsite.foundation.errors import RedisConnectionError
from signalsite.foundation.redis import client
from timeframes.core.keys import Right, parse_key
from timeframes.core.sessions import local_date

logger = logging.getLogger(__name__)
NAMES = Names()
UNREADABLE = "unreadable"
LOG_SECONDS = 60.0
MOST_LOGGED = 256
_listed = ListedOptions()
T = TypeVar("T")
Wanted = tuple[str, tuple[str, ...] | None]
"""A hash and the fields to read, in order; None: read the names of all its fields."""
Reading = Generator[Sequence[Wanted], Sequence[Sequence[Any]], T]


class LiveValue(NamedTuple):
    """An instrument's newest state with its age. `body` is the JSON object of the response.

    `price` is the last price, if there is one. A state that cannot be read has no price, and its body says so.
    """

    body: bytes
    readable: bool = True
    price: float | None = None


def live_value(key: str, state: bytes, seq: bytes | None, now: datetime) -> LiveValue:
    """Add the ages to a state: `age_seconds` since the tick's time, `computed_age_seconds` since it was priced."""
    try:
        read = _decoded(state)
        if read.as_of is None:
            raise BadState("it has no as_of")
        ages = {
            "seq": seq.decode() if seq else None,
            "age_seconds": (now - read.time).total_seconds(),
            "computed_age_seconds": (now - read.as_of).total_seconds(),
        }
        return LiveValue(with_members(state, ages), price=read.price)
    except ValueError as error:  # BadState, or an entry ID that is not UTF-8
        log_unreadable(key, repr(error))
        return LiveValue(orjson.dumps({"instrument_key": key, "status": UNREADABLE}), readable=False)


# A state is read more often than it changes: many readers watch the same chain.
_decoded = lru_cache(maxsize=2048)(decode_instrument)


_logged: dict[str, float] = {}  # topic -> when it was last logged, the oldest first


def log_unreadable(topic: str, error: str) -> None:
    """Log each unreadable state once a minute at most, and only MOST_LOGGED topics a minute."""
    now = time.monotonic()
    if now - _logged.get(topic, float("-inf")) < LOG_SECONDS:
        return
    if len(_logged) >= MOST_LOGGED and topic not in _logged:
        oldest = next(iter(_logged))
        if now - _logged.get(oldest, now) < LOG_SECONDS:
            return
        _logged.pop(oldest, None)
    _logged.pop(topic, None)
    _logged[topic] = now
    logger.error("the newest state of %s cannot be read: %s", topic, error)


def run(reading: Reading[T]) -> T:
    """Drive a reading on a thread. Raises what it raises, or RedisConnectionError."""
    try:
        wanted = next(reading)
        while True:
            wanted = reading.send(_read(wanted))
    except StopIteration as end:
        found: T = end.value
        return found


def _read(wanted: Sequence[Wanted]) -> list[Any]:
    try:
        with client(settings.REDIS_URL).pipeline(transaction=True) as pipeline:
            for name, fields in wanted:
                if fields is None:
                    pipeline.hkeys(name)
                else:
                    pipeline.hmget(name, list(fields))
            return pipeline.execute()
    except redis.RedisError as error:
        raise RedisConnectionError("Redis did not answer") from error


def live_values(keys: Sequence[str], now: datetime) -> Reading[list[LiveValue | None]]:
    """Read the newest state of each instrument, None if there is none. Raises InvalidInput."""
    replies = yield _wanted(keys)
    return _values(keys, replies, now)


def _wanted(keys: Sequence[str]) -> list[Wanted]:
    return [
        (name, tuple(fields))
        for underlying, fields in _by_underlying(keys).items()
        for name in (NAMES.latest(underlying), NAMES.latest_seq(underlying))
    ]


def _values(keys: Sequence[str], replies: Sequence[Sequence[Any]], now: datetime) -> list[LiveValue | None]:
    """Return the values from the replies to `_wanted(keys)`."""
    found: dict[str, LiveValue] = {}
    for place, fields in enumerate(_by_underlying(keys).values()):
        for key, state, seq in zip(fields, replies[2 * place], replies[2 * place + 1], strict=True):
            if state is not None:
                found[key] = live_value(key, state, seq, now)
    return [found.get(key) for key in keys]


def _by_underlying(keys: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in dict.fromkeys(keys):
        found.setdefault(_underlying(key), []).append(key)
    return found


@lru_cache(maxsize=8192)
def _underlying(key: str) -> str:
    return parse_key(key).underlying


def live_chain(underlying: str, expiry: date | None, window: StrikeWindow, now: datetime) -> Reading[bytes | None]:
    """Read one expiry's options, calls and puts by strike, as a JSON object; None if no such expiry is live.

    `unreadable` lists the topics that cannot be read; the others are shown.
    """
    latest = NAMES.latest(underlying)
    key = parse_key(underlying)
    spots = [f"{underlying}@{asset}_spot" for asset in ("equity", "crypto")] if key.exchange else []
    topics, *replies = yield [(latest, None), *_wanted(spots)]
    options = _listed.of(underlying, topics)
    chosen = choose_expiry(options, expiry, local_date(key.exchange, now))
    if chosen is None:
        return None
    spot = next(filter(None, _values(spots, replies, now)), None)
    spot_price = spot.price if spot else None
    slice_topic = chain_topic(underlying, chosen)
    ((chain_slice,),) = yield [(latest, (slice_topic,))]
    forward = _forward(slice_topic, chain_slice)
    price = money(forward["forward"], spot_price)
    listed = sorted(options[chosen])
    strikes = window.choose(listed, price)
    wanted = tuple(topic for strike in strikes for topic in options[chosen][strike].values())
    states, seqs = yield [(latest, wanted), (NAMES.latest_seq(underlying), wanted)]
    values = {
        topic: live_value(topic, state, seq, now)
        for topic, state, seq in zip(wanted, states, seqs, strict=True)
        if state is not None
    }
    bodies = {topic: value.body for topic, value in values.items()}
    head = {
        "underlying": underlying,
        "expiry": chosen.isoformat(),
        "expiries": sorted(each.isoformat() for each in options),
        "at": now.astimezone(UTC).isoformat(),
        "underlying_price": spot_price,
        "unreadable": [topic for topic, value in values.items() if not value.readable],
        "at_the_money": listed[at_the_money(listed, price)] if price is not None else None,
        **forward,
    }
    rows = []
    for strike in strikes:
        sides = [bodies.get(options[chosen][strike].get(right, ""), b"null") for right in (Right.CALL, Right.PUT)]
        rows.append(b'{"strike":%b,"call":%b,"put":%b}' % (orjson.dumps(strike), *sides))
    spot_body = spot.body if spot else b"null"
    return orjson.dumps(head)[:-1] + b',"spot":' + spot_body + b',"strikes":[' + b",".join(rows) + b"]}"


def _forward(topic: str, state: bytes | None) -> dict[str, Any]:
    """Return the members of a slice about its forward: nulls before the first repricing, or if it cannot be read."""
    try:
        return decode_forward(state) if state is not None else dict.fromkeys(FORWARD)
    except BadState as error:
        log_unreadable(topic, repr(error))
        return dict.fromkeys(FORWARD)
