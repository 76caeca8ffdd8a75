"""The last known state of a chain: as the consumer before us left it in Redis, else from PostgreSQL's quotes."""

import math
from collections.abc import Container
from datetime import datetime
from typing import Any

import orjson

from realtime.contracts import prepare_contracts
from realtime.core.book import Book
from realtime.core.cycle import tick_quotes
from realtime.core.names import Names
from realtime.core.ticks import (
    Contract,
    Refused,
    Tick,
    TickFields,
    check_fields,
    decode_entry,
    make_tick,
    read_contract,
)
from realtime.streams import Redis
from signals.instruments.selectors import live_futures
from timeframes.core.keys import parse_key
from timeframes.core.tick_stream import tick_stream
from timeframes.selectors import newest_quotes


def restore_underlying(
    client: Redis, book: Book, names: Names, underlying: str, *, register: bool, as_of: datetime | None
) -> int:
    """Fill the book with the newest ticks known of an underlying; returns how many there were.

    Of its spot and futures, those that Redis does not know come from their newest quotes up to `as_of`; None: they do
    not, since a back-test's now is in its ticks. What the book knows already stays unless it is older. The underlyings'
    and indices' prices among them are marked as restored, until a tick replaces them.
    """
    kept = {
        topic: orjson.loads(state)
        for topic, state in client.hgetall(names.latest(underlying)).items()
        if ":" not in topic  # a slice of the chain, no instrument
    }
    quoted = _quoted(book, underlying, kept, as_of) if as_of is not None else {}
    ticks = []
    for topic, state in (kept | quoted).items():
        try:
            ticks.append(_tick(underlying, read_contract(topic, underlying), state))
        except Refused:  # what another version left, or a quote without a price
            continue
    unknown = prepare_contracts(book, [tick.contract for tick in ticks], register=register)
    ticks = [tick for tick in ticks if tick.contract.text not in unknown]
    if ticks:
        pending = set(book.unrecorded)
        book.apply(ticks, tick_quotes(ticks))
        for tick in ticks:
            if (recent := book.recent.get(tick.contract.text)) is not None and math.isnan(recent.restored):
                recent.restored = tick.seconds
            row = book.rows[tick.contract.text]
            if tick.contract.text in quoted and row not in pending:
                book.unrecorded.discard(row)  # it is there already, perhaps with a settlement that no tick has
    return len(ticks)


def _quoted(book: Book, underlying: str, known: Container[str], as_of: datetime) -> dict[str, dict[str, Any]]:
    """States, as Redis would have kept them, of the spot and the futures that are not known: from their newest quotes.

    The price is the last, else the settlement, else the close.
    """
    chain = book.chains.get(underlying)
    spot = chain.terms.spot_key if chain else parse_key(underlying).spot
    keys = [key for key in (spot, *live_futures(underlying, as_of)) if key not in known]
    return {
        quote.instrument_key: {
            "entry_id": "0-0",
            "time": quote.time.isoformat(),
            "tick": {
                "instrument_key": quote.instrument_key,
                "ltt": quote.time.isoformat(),
                "ltp": next((each for each in (quote.last, quote.settle, quote.close) if each is not None), None),
                "bid": quote.bid,
                "ask": quote.ask,
                "volume": quote.volume,
                "oi": quote.open_interest,
            },
        }
        for quote in newest_quotes(keys, as_of)
    }


def _tick(underlying: str, contract: Contract, kept: dict[str, Any]) -> Tick:
    fields: TickFields
    fields, raw = decode_entry(["data", orjson.dumps(kept["tick"]).decode()], 1 << 20)
    check_fields(fields)
    time = datetime.fromisoformat(str(kept["time"]))
    return make_tick(tick_stream(underlying), str(kept["entry_id"]), contract, time, time.timestamp(), fields, raw)
