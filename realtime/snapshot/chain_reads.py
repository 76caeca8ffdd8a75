"""Live reads of what a chain says: levels, volatility at the money, deltas, smiles, analytics, term structure.

They are generators, as those of `realtime.snapshot.reads`: the event loop and Django's views run the same code. A query
with `as_of` is left to a thread.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import orjson
from rest_framework.exceptions import NotFound

from moneyness.core.smile_deltas import strike_at_delta
from moneyness.core.states import FittedSmile, SmileState, TermStructureState
from realtime.core.instants import parse_event_time
from realtime.core.states import BadState, decode_object, encode, with_members
from realtime.core.topic_grammar import analytics_topic, atm_topic, level_topic, smile_topic, term_topic
from realtime.snapshot.chain_queries import (
    ChainQuery,
    DeltaQuerySerializer,
    ExpiryQuerySerializer,
    UnderlyingQuerySerializer,
    level_named,
    read_query,
)
from realtime.snapshot.kept_answers import kept_by_digest
from realtime.snapshot.newest import TooLarge
from realtime.snapshot.reads import underlying_key
from realtime.snapshot.selectors import NAMES, UNREADABLE, Reading, log_unreadable
from signalsite.foundation.serializers import StrictSerializer

Parameters = Mapping[str, str]
_decode_smile = lru_cache(maxsize=64)(msgspec.json.Decoder(SmileState).decode)
_decode_fit = msgspec.json.Decoder(FittedSmile).decode
_decode_term = lru_cache(maxsize=64)(msgspec.json.Decoder(TermStructureState).decode)


# Each raises InvalidInput, ValidationError or NotFound. `parameters`: the query parameters, each with its last value.


def level(underlying: str, moneyness_level: str, parameters: Parameters) -> Reading[bytes]:
    key, query = _asked(underlying, ExpiryQuerySerializer, parameters)
    name = level_named(moneyness_level)
    return (yield from _one(key, level_topic(key, name, query.expiry or ""), f"level {name} of {key}", query))


def atm(underlying: str, parameters: Parameters) -> Reading[bytes]:
    key, query = _asked(underlying, ExpiryQuerySerializer, parameters)
    return (yield from _one(key, atm_topic(key, query.expiry or ""), f"volatility at the money of {key}", query))


def otm_delta(underlying: str, parameters: Parameters) -> Reading[bytes]:
    key, query = _asked(underlying, DeltaQuerySerializer, parameters)
    now = datetime.now(UTC)
    topic = smile_topic(key, (yield from _expiry(key, query)))
    (found,) = yield from _values(key, [topic])
    if found is None:
        raise _nothing(f"smile of {key}", query)
    try:
        smile = decode_smile(found.state)
        answer = strike_at_delta(smile, query.delta, query.call)
        return with_members(encode(answer), _ages(found, now))
    except (BadState, UnicodeDecodeError) as error:
        return _unreadable(key, topic, error)


def smile(underlying: str, parameters: Parameters) -> Reading[bytes]:
    key, query = _asked(underlying, ExpiryQuerySerializer, parameters)
    return (yield from _one(key, smile_topic(key, (yield from _expiry(key, query))), f"smile of {key}", query))


def analytics(underlying: str, parameters: Parameters) -> Reading[bytes]:
    key, query = _asked(underlying, ExpiryQuerySerializer, parameters)
    return (yield from _one(key, analytics_topic(key, (yield from _expiry(key, query))), f"analytics of {key}", query))


def term(underlying: str, parameters: Parameters) -> Reading[bytes]:
    key, query = _asked(underlying, UnderlyingQuerySerializer, parameters)
    return (yield from _one(key, term_topic(key), f"term structure of {key}", query))


def surface(underlying: str, parameters: Parameters) -> Reading[bytes]:
    """Return the smiles of all expiries of the term structure."""
    key, query = _asked(underlying, UnderlyingQuerySerializer, parameters)
    now, topic = datetime.now(UTC), term_topic(key)
    (found,) = yield from _values(key, [topic])
    if found is None:
        raise _nothing(f"term structure of {key}", query)
    try:
        structure = _term_of(found.state)
    except BadState as error:
        return _unreadable(key, topic, error)
    topics = [smile_topic(key, each.expiry) for each in structure.expiries]
    smiles = yield from _values(key, topics)
    bodies = [_body(key, topic, each, now) for topic, each in zip(topics, smiles, strict=True) if each is not None]
    states = tuple(each.state for each in smiles if each is not None)
    grid = surface_grid(states, tuple(each.days for each in structure.constant_maturities))
    return surface_body(key, structure.as_of, _body(key, topic, found, now), bodies, grid)


def surface_body(underlying: str, as_of: str, structure: bytes, smiles: Sequence[bytes], grid: bytes) -> bytes:
    head = orjson.dumps({"underlying": underlying, "as_of": as_of})[:-1]
    return head + b',"term_structure":' + structure + b',"surface":' + grid + b',"smiles":[' + b",".join(smiles) + b"]}"


@lru_cache(maxsize=8)  # its keys are all smiles of an underlying
def surface_grid(states: tuple[bytes, ...], tenors: tuple[float, ...]) -> bytes:
    """Return the surface of the smiles. One that cannot be read has no row."""
    smiles = []
    for state in states:
        try:
            smiles.append(_decode_fit(state))
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            log_unreadable("a smile of a surface", repr(error))
    from moneyness.core.surface_states import surface_state  # the first use loads scipy and the kernels

    return encode(surface_state(smiles, tenors))


def _asked(underlying: str, kind: type[StrictSerializer], parameters: Parameters) -> tuple[str, ChainQuery]:
    if "as_of" in parameters:  # PostgreSQL is asked on a thread
        raise TooLarge("a chain of the past")
    query = read_query(kind, parameters)
    return underlying_key(underlying), query


class _Kept(NamedTuple):
    state: bytes
    seq: bytes | None


def _values(key: str, topics: Sequence[str]) -> Reading[list[_Kept | None]]:
    fields = tuple(topics)
    states, seqs = yield [(NAMES.latest_chains(key), fields), (NAMES.latest_chains_seq(key), fields)]
    return [None if state is None else _Kept(state, seq) for state, seq in zip(states, seqs, strict=True)]


def _one(key: str, topic: str, what: str, query: ChainQuery) -> Reading[bytes]:
    (found,) = yield from _values(key, [topic])
    if found is None:
        raise _nothing(what, query)
    return _body(key, topic, found, datetime.now(UTC))


def _expiry(key: str, query: ChainQuery) -> Reading[date | str]:
    """Return the expiry asked for, by default the nearest: that of the newest volatility at the money."""
    if query.expiry is not None:
        return query.expiry
    topic = atm_topic(key)
    (found,) = yield from _values(key, [topic])
    if found is None:
        raise _nothing(f"chain of {key}", query)
    try:
        return _checked(found.state)[1]
    except BadState as error:
        log_unreadable(topic, repr(error))
        raise NotFound(f"the nearest expiry of {key} cannot be read: name one") from error


def _nothing(what: str, query: ChainQuery) -> NotFound:
    return NotFound(f"no live {what}{f' that expires on {query.expiry}' if query.expiry else ''}")


def _body(key: str, topic: str, found: _Kept, now: datetime) -> bytes:
    try:
        return with_members(found.state, _ages(found, now))
    except (BadState, UnicodeDecodeError) as error:
        return _unreadable(key, topic, error)


def _ages(found: _Kept, now: datetime) -> dict[str, Any]:
    as_of, _ = _checked(found.state)
    return {"seq": found.seq.decode() if found.seq else None, "age_seconds": (now - as_of).total_seconds()}


def _unreadable(key: str, topic: str, error: Exception) -> bytes:
    log_unreadable(topic, repr(error))
    return orjson.dumps({"underlying": key, "topic": topic, "status": UNREADABLE})


@kept_by_digest(2048)
def _checked(state: bytes) -> tuple[datetime, str]:
    """Return the instant and the expiry of a state, empty for none. Raises BadState for what is no state of a chain.

    A state is read more often than it changes.
    """
    read = decode_object(state)
    try:
        as_of = parse_event_time(read["as_of"], UTC)
        expiry = read.get("expiry", "")
        if not isinstance(expiry, str) or as_of.year < 1970:
            raise BadState("it has no expiry, or an instant before 1970")
        return as_of, expiry and date.fromisoformat(expiry).isoformat()
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise BadState(f"it has no instant or no expiry: {error!r}") from None


def decode_smile(state: bytes) -> SmileState:
    """Raises BadState."""
    try:
        found = _decode_smile(state)
        date.fromisoformat(found.expiry)
        lengths = {len(getattr(found.points, name)) for name in found.points.__struct_fields__}
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise BadState(str(error)) from None
    if len(lengths) != 1:
        raise BadState("its columns have several lengths")
    return found


def _term_of(state: bytes) -> TermStructureState:
    try:
        found = _decode_term(state)
        for each in found.expiries:
            date.fromisoformat(each.expiry)
        return found
    except (ValueError, RecursionError) as error:
        raise BadState(str(error)) from None
