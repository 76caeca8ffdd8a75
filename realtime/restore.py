"""The last known state of a chain, as the consumer before us left it in Redis."""

import math
from datetime import datetime

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
from timeframes.core.tick_stream import tick_stream


def restore_underlying(client: Redis, book: Book, names: Names, underlying: str, *, register: bool) -> int:
    """Fill the book with the newest ticks known of an underlying; returns how many there were.

    What the book knows already stays unless it is older. The underlyings' and indices' prices among them are marked as
    restored, until a tick replaces them.
    """
    ticks = []
    for topic, state in client.hgetall(names.latest(underlying)).items():
        if ":" in topic:  # a slice of the chain, no instrument
            continue
        kept = orjson.loads(state)
        try:
            ticks.append(_tick(underlying, read_contract(topic, underlying), kept))
        except Refused:  # what another version left
            continue
    unknown = prepare_contracts(book, [tick.contract for tick in ticks], register=register)
    ticks = [tick for tick in ticks if tick.contract.text not in unknown]
    if ticks:
        book.apply(ticks, tick_quotes(ticks))
        for tick in ticks:
            if (recent := book.recent.get(tick.contract.text)) is not None and math.isnan(recent.restored):
                recent.restored = tick.seconds
    return len(ticks)


def _tick(underlying: str, contract: Contract, kept: dict[str, object]) -> Tick:
    fields: TickFields
    fields, raw = decode_entry(["data", orjson.dumps(kept["tick"]).decode()], 1 << 20)
    check_fields(fields)
    time = datetime.fromisoformat(str(kept["time"]))
    return make_tick(tick_stream(underlying), str(kept["entry_id"]), contract, time, time.timestamp(), fields, raw)
