"""Live values from Redis, as the tick consumer left them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, cast

import orjson
import redis
from django.conf import settings

from moneyness.core.levels import at_the_money
from realtime.core.chain_request import StrikeWindow, choose_expiry, options_by_expiry
from realtime.core.names import Names
from realtime.core.states import FORWARD, BadState, decode_forward, decode_instrument, with_members
from realtime.core.topic_grammar import chain_topic
from signals.greeks.core.forward import money
from signalsite.foundation.errors import RedisConnectionError
from signalsite.foundation.redis import client
from timeframes.core.keys import Right, parse_key
from timeframes.core.sessions import local_date

logger = logging.getLogger(__name__)
NAMES = Names()
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class LiveValue:
    """An instrument's newest state with what is known of its age; `body` is the JSON object that is answered.

    `price` is the last one, if the state tells one. A state that cannot be read has no price, and its body says so.
    """

    body: bytes
    readable: bool = True
    price: float | None = None


def live_value(key: str, state: bytes, seq: bytes | None, now: datetime) -> LiveValue:
    """`age_seconds`: since the tick's own time; `computed_age_seconds`: since it was last priced."""
    try:
        read = decode_instrument(state)
        if read.as_of is None:
            raise BadState("it has no as_of")
        ages = {
            "seq": seq.decode() if seq else None,
            "age_seconds": (now - read.time).total_seconds(),
            "computed_age_seconds": (now - read.as_of).total_seconds(),
        }
        return LiveValue(with_members(state, ages), price=read.price)
    except ValueError as error:  # of its entry's ID, or BadState
        logger.error("the newest state of %s cannot be read: %r", key, error)
        return LiveValue(orjson.dumps({"instrument_key": key, "status": UNREADABLE}), readable=False)


def live_values(keys: Sequence[str], now: datetime) -> list[LiveValue | None]:
    """The newest state of each instrument, None where there is none. Raises InvalidInput and RedisConnectionError."""
    by_underlying: dict[str, list[str]] = {}
    for key in dict.fromkeys(keys):
        by_underlying.setdefault(parse_key(key).underlying, []).append(key)
    found: dict[str, LiveValue] = {}
    try:
        with client(settings.REDIS_URL).pipeline(transaction=True) as pipeline:
            for underlying, wanted in by_underlying.items():
                pipeline.hmget(NAMES.latest(underlying), wanted)
                pipeline.hmget(NAMES.latest_seq(underlying), wanted)
            answers = pipeline.execute()
    except redis.RedisError as error:
        raise RedisConnectionError("Redis did not answer") from error
    for place, wanted in enumerate(by_underlying.values()):
        for key, state, seq in zip(wanted, answers[2 * place], answers[2 * place + 1], strict=True):
            if state is not None:
                found[key] = live_value(key, state, seq, now)
    return [found.get(key) for key in keys]


def live_chain(underlying: str, expiry: date | None, window: StrikeWindow, now: datetime) -> bytes | None:
    """One expiry's options, calls and puts by strike, as a JSON object; None where no such expiry is live.

    What cannot be read is named in `unreadable`; the rest is shown.
    """
    latest = NAMES.latest(underlying)
    try:
        topics = cast("list[bytes]", client(settings.REDIS_URL).hkeys(latest))
    except redis.RedisError as error:
        raise RedisConnectionError("Redis did not answer") from error
    options = _options(tuple(sorted(topics)))
    key = parse_key(underlying)
    chosen = choose_expiry(options, expiry, local_date(key.exchange, now))
    if chosen is None:
        return None
    spots = live_values([f"{underlying}@{asset}_spot" for asset in ("equity", "crypto")], now)
    spot = next(filter(None, spots), None)
    forward = _forward(latest, chain_topic(underlying, chosen))
    spot_price = spot.price if spot else None
    price = money(forward["forward"], spot_price)
    listed = sorted(options[chosen])
    strikes = window.choose(listed, price)
    wanted = [topic for strike in strikes for topic in options[chosen][strike].values()]
    values = {topic: value for topic, value in zip(wanted, live_values(wanted, now), strict=True) if value}
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


def _forward(latest: str, topic: str) -> dict[str, Any]:
    """What the chain's slice says of the forward: nulls until the chain is repriced for the first time, or where the
    slice cannot be read."""
    try:
        state = cast("bytes | None", client(settings.REDIS_URL).hget(latest, topic))
    except redis.RedisError as error:
        raise RedisConnectionError("Redis did not answer") from error
    try:
        return decode_forward(state) if state is not None else dict.fromkeys(FORWARD)
    except BadState as error:
        logger.error("the newest state of %s cannot be read: %r", topic, error)
        return dict.fromkeys(FORWARD)


@lru_cache(maxsize=32)
def _options(topics: tuple[bytes, ...]) -> dict[date, dict[float, dict[Right, str]]]:
    """Parsed once for each set of topics, which changes only when something new is listed."""
    return options_by_expiry(topic.decode(errors="replace") for topic in topics)
