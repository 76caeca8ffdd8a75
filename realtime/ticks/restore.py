"""Restore the last known ticks of an underlying, from the newest states in Redis and from PostgreSQL's quotes."""

import logging
import math
from collections.abc import Container
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from realtime.consumer_groups import Redis
from realtime.core.entry_ids import format_id
from realtime.core.names import Names
from realtime.core.states import BadState, decode_instrument, decode_object
from realtime.core.topic_grammar import ATM, is_instrument
from realtime.ticks import metrics
from realtime.ticks.contracts import prepare_contracts
from realtime.ticks.core.applied_ticks import apply_ticks
from realtime.ticks.core.book import Book
from realtime.ticks.core.tick import (
    RejectedTick,
    Tick,
    TickFields,
    check_fields,
    make_tick,
    read_contract,
)
from realtime.ticks.core.tick_json import decode_entry
from realtime.ticks.expired_chains import over
from signals.instruments.selectors import live_futures
from timeframes.core.keys import parse_key
from timeframes.core.sessions import local_date
from timeframes.core.tick_stream import tick_stream
from timeframes.quotes.selectors import newest_quotes

logger = logging.getLogger(__name__)

# KEYS: the hashes of newest states and of their entries' IDs. ARGV: a topic and its unreadable state. A state that was
# written meanwhile stays.
_DROP = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """`instruments`: how many there are. `atm_strikes`: by underlying and expiry."""

    instruments: int
    atm_strikes: dict[tuple[str, str], float]


def restore_underlying(
    client: Redis, book: Book, names: Names, underlying: str, *, register: bool, as_of: datetime | None
) -> Restored:
    """Fill the book with the newest known ticks of an underlying, and return how many there are and its ATM strikes.

    A spot or future without a state in Redis comes from its newest quote up to `as_of`. With None (a back-test) there
    are no quotes. A newer tick in the book stays. Prices of spots and indices are marked as restored until a tick
    replaces them. An unreadable state is dropped from Redis, logged and counted; the others are restored.
    """
    kept: dict[str, Tick] = {}
    for topic, state in client.hgetall(names.latest(underlying)).items():
        if is_instrument(topic):
            try:
                kept[topic] = _kept_tick(underlying, topic, state)
            except BadState as error:
                _drop(client, names.output(underlying), topic, state, error)
    quoted = _quoted(book, underlying, kept, as_of) if as_of is not None else {}
    ticks = [*kept.values(), *quoted.values()]
    rejected = prepare_contracts(book, ticks, register=register)
    ticks = [tick for tick in ticks if tick.contract.text not in rejected]
    if ticks:
        pending = set(book.unrecorded)
        apply_ticks(book, ticks)
        for tick in ticks:
            if (recent := book.recent.get(tick.contract.text)) is not None and math.isnan(recent.restored):
                recent.restored = tick.seconds
            row = book.rows[tick.contract.text]
            if tick.contract.text in quoted and row not in pending:
                book.unrecorded.discard(row)  # stored already, perhaps with a settlement price
    return Restored(len(ticks), _kept_strikes(client, names, underlying, as_of))


def _drop(client: Redis, output: tuple[str, str, str], topic: str, state: str, error: BadState) -> None:
    _, latest, latest_seq = output
    metrics.bad_states.inc()
    logger.error("dropped the newest state of %r in %s: %s", topic, latest, error)
    client.eval(_DROP, 2, latest, latest_seq, topic, state)


def _kept_strikes(client: Redis, names: Names, underlying: str, as_of: datetime | None) -> dict[tuple[str, str], float]:
    """Return the ATM strikes that an earlier consumer published, by underlying and expiry.

    Those of expiries that are over at `as_of` are not read, nor any other state: they are large.
    """
    output = names.chains_output(underlying)
    topics = [each for each in client.hkeys(output[1]) if each.startswith(f"{ATM}:{underlying}:")]
    if not topics:  # nor may the exchange be known
        return {}
    today = local_date(parse_key(underlying).exchange, as_of) if as_of is not None else date.min
    topics = [each for each in topics if not over(each, today)]
    strikes: dict[tuple[str, str], float] = {}
    for topic, state in zip(topics, client.hmget(output[1], topics) if topics else [], strict=True):
        try:
            if state is not None:
                strikes |= _kept_strike(underlying, topic, state)
        except BadState as error:
            _drop(client, output, topic, state, error)
    return strikes


def _kept_strike(underlying: str, topic: str, state: str) -> dict[tuple[str, str], float]:
    """Return the ATM strike of a state by underlying and expiry, nothing if it has none. Raises BadState."""
    strike = decode_object(state).get("atm_strike")
    if strike is None:
        return {}
    if isinstance(strike, bool) or not isinstance(strike, int | float) or not 0 < strike < math.inf:
        raise BadState("its atm_strike is no price")
    return {(underlying, topic.rpartition(":")[2]): float(strike)}


def _quoted(book: Book, underlying: str, known: Container[str], as_of: datetime) -> dict[str, Tick]:
    """Return ticks for the unknown spot and futures from their newest quotes.

    The price is the last, else the settlement, else the close. A quote without any is left out.
    """
    chain = book.underlyings.get(underlying)
    spot = chain.terms.spot_key if chain else parse_key(underlying).spot
    keys = [key for key in (spot, *live_futures(underlying, as_of)) if key not in known]
    found = {}
    for quote in newest_quotes(keys, as_of):
        price = next((each for each in (quote.last, quote.settle, quote.close) if each is not None), None)
        fields = {
            "instrument_key": quote.instrument_key,
            "ltt": quote.time.isoformat(),
            "ltp": price,
            "bid": quote.bid,
            "ask": quote.ask,
            "volume": quote.volume,
            "oi": quote.open_interest,
        }
        if price is None:
            continue
        try:
            found[quote.instrument_key] = _tick(underlying, quote.instrument_key, "0-0", quote.time, fields)
        except RejectedTick as error:
            logger.error("the newest quote of %s is no tick: %s", quote.instrument_key, error)
    return found


def _kept_tick(underlying: str, topic: str, state: str) -> Tick:
    """Return the tick from which a newest state was built. Raises BadState."""
    kept = decode_instrument(state)
    if kept.entry_id is None:
        raise BadState("it has no entry_id")
    try:
        return _tick(underlying, topic, format_id(kept.entry_id), kept.time, kept.tick)
    except (RejectedTick, ValueError, TypeError, OverflowError) as error:
        raise BadState(str(error)) from None


def _tick(underlying: str, key: str, entry_id: str, time: datetime, members: dict[str, Any]) -> Tick:
    fields: TickFields
    fields, raw = decode_entry(["data", orjson.dumps(members).decode()], 1 << 20)
    check_fields(fields)
    contract = read_contract(key, underlying)
    return make_tick(tick_stream(underlying), entry_id, contract, time, time.timestamp(), fields, raw)
