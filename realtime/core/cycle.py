"""One micro-batch: entries in, everything that is to be stored and told of them out. Pure: no clock, no I/O.

`Cycle.decode` and `Cycle.handle` are apart because what decoding finds (new contracts, new underlyings) is looked up
in between.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson

from realtime.core.book import Book, Chain, Rows
from realtime.core.chain_slice import tell_chain
from realtime.core.pricing import as_json, price_options
from realtime.core.ticks import (
    PROCESSED,
    Contract,
    Reason,
    Refused,
    Tick,
    check_fields,
    decode_entry,
    event_time,
    make_tick,
    read_contract,
)
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.prices import QuoteColumns
from timeframes.core.tick_stream import underlying_of

Entry = tuple[str, str, Sequence[str]]  # stream, entry ID, names and values in turn


@dataclass(frozen=True, slots=True)
class Rejected:
    """A tick for the dead letters."""

    stream: str
    entry_id: str
    entry: Sequence[str]
    reason: Reason
    detail: str


@dataclass(slots=True)
class Decoded:
    ticks: list[Tick] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    skipped: int = 0  # copies that bear the state P


@dataclass(frozen=True, slots=True)
class Due:
    """What a computation is given: the ticks of this cycle with their rows, in a book that has taken them over."""

    book: Book
    ticks: Sequence[Tick]
    rows: Rows
    now: float


Computation = Callable[[Due], Sequence[bytes | None]]
"""One JSON value for each tick, None for null. What it raises costs its own results, never the ticks."""


@dataclass(slots=True)
class Frame:
    """What came of a micro-batch."""

    ticks: list[Tick] = field(default_factory=list)
    raw: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))  # by instrument key
    computed: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))  # by symbol
    topics: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))  # by underlying, by topic
    failures: list[tuple[str, Exception]] = field(default_factory=list)  # of computations, by name
    priced: int = 0


class Cycle:
    """`beat`: seconds between repricings of a chain whose underlying moves. `window`: strikes on each side of the money
    in what is told of a chain. `computations`: what else is due."""

    def __init__(
        self,
        book: Book,
        params: GreeksParams,
        *,
        beat: float,
        window: int,
        max_bytes: int,
        computations: Mapping[str, Computation],
    ) -> None:
        self.book = book
        self.params = params
        self.beat = beat
        self.window = window
        self.max_bytes = max_bytes
        self.computations = computations
        self._repriced: dict[str, float] = {}
        self._contracts: dict[str, dict[str, Contract]] = {}  # by stream, by key

    def decode(self, entries: Sequence[Entry], latest: float) -> Decoded:
        """Accepted and refused ticks; `latest`: the event time, in seconds since 1970, after which lies the future."""
        found = Decoded()
        accept = found.ticks.append
        for stream, entry_id, entry in entries:
            if entry[-1] == PROCESSED and entry[-2] == "state":  # our own copies: known without being decoded
                found.skipped += 1
                continue
            try:
                fields, raw = decode_entry(entry, self.max_bytes)
                if fields.state == PROCESSED:
                    found.skipped += 1
                    continue
                check_fields(fields)
                key = fields.instrument_key or ""
                contracts = self._contracts.get(stream)
                if contracts is None:
                    contracts = self._contracts[stream] = {}
                contract = contracts.get(key)
                if contract is None:
                    contract = contracts[key] = read_contract(key, underlying_of(stream))
                time, seconds = event_time(fields, contract.zone, latest)
            except Refused as refused:
                found.rejected.append(Rejected(stream, entry_id, entry, refused.reason, str(refused)))
            else:
                accept(make_tick(stream, entry_id, contract, time, seconds, fields, raw))
        return found

    def handle(self, ticks: Sequence[Tick], now: float | None) -> Frame:
        """Take the ticks into the book and price what is due. `now`: seconds since 1970; None: the ticks' own times.

        With the ticks' own times as now they are taken one instant after the other, so that none sees a later one.
        """
        frame = Frame()
        if now is not None:
            self._handle(ticks, now, frame)
            return frame
        begin = 0
        for end in range(1, len(ticks) + 1):
            if end == len(ticks) or ticks[end].seconds != ticks[begin].seconds:
                self._handle(ticks[begin:end], ticks[begin].seconds, frame)
                begin = end
        return frame

    def hear(self, ticks: Sequence[Tick]) -> None:
        """Take into the book what others store and tell of: a volatility index of which they own the stream."""
        if ticks:
            self.book.apply(ticks, tick_quotes(ticks))

    def next_beat(self) -> float:
        """The moment at which the next chain is due, infinity when none has moved."""
        moved = (self._repriced.get(chain.underlying, 0.0) for chain in self.book.chains.values() if chain.moved)
        return min((at + self.beat for at in moved), default=float("inf"))

    def _due(self, now: float) -> list[Chain]:
        due = []
        for chain in self.book.chains.values():
            if chain.moved and not 0 <= now - self._repriced.get(chain.underlying, -np.inf) < self.beat:
                self._repriced[chain.underlying] = now
                chain.moved = False
                due.append(chain)
        return due

    def _handle(self, ticks: Sequence[Tick], now: float, frame: Frame) -> None:
        book = self.book
        quotes = tick_quotes(ticks)
        rows, newest = book.apply(ticks, quotes)
        options = np.flatnonzero(book.group[rows] >= 0)
        current = rows[options[newest[options]]]  # priced anew by their own ticks
        repriced = [book.live_options(chain, now) for chain in self._due(now)]
        other = np.setdiff1d(np.concatenate(repriced), current) if repriced else np.empty(0, np.intp)
        priced = np.concatenate([rows[options], other])
        columns, forwards = (
            price_options(book, priced, _joined(quotes, options, book.quotes(other)), now, self.params)
            if len(priced)
            else ({}, {})
        )
        answers = as_json(columns)
        frame.priced += len(priced)
        greeks: list[bytes | None] = [None] * len(ticks)
        for place, answer in zip(options.tolist(), answers, strict=False):
            greeks[place] = answer
        moment = datetime.fromtimestamp(now, UTC).isoformat()
        as_of = f',"as_of":"{moment}","greeks":'.encode()
        more = self._compute(Due(book, ticks, rows, now), frame)
        frame.ticks += ticks
        for place, (tick, is_newest) in enumerate(zip(ticks, newest.tolist(), strict=True)):
            contract = tick.contract
            text = b"".join([tick.statement, as_of, greeks[place] or b"null", more[place], b"}"])
            frame.raw[contract.text].append(tick.raw)
            frame.computed[contract.key.symbol].append(text)
            if is_newest:
                frame.topics[contract.underlying][contract.text] = text
        for row, answer in zip(other.tolist(), answers[len(options) :], strict=True):
            contract = book.contracts[row]
            frame.topics[contract.underlying][contract.text] = book.statements[row] + as_of + answer + b"}"
        if repriced:
            where = np.empty(len(book.contracts), np.intp)  # in the columns, of each row that was priced
            where[current] = np.flatnonzero(newest[options])
            where[other] = np.arange(len(options), len(priced))
            for live in filter(len, repriced):
                told = tell_chain(book, live, where[live], columns, forwards, moment, window=self.window)
                frame.topics[book.contracts[live[0]].underlying].update(told)

    def _compute(self, due: Due, frame: Frame) -> list[bytes]:
        """Where computations join the cycle: their results as JSON members, beginning with a comma, for each tick."""
        members = [b""] * len(due.ticks)
        for name, computation in self.computations.items():
            try:
                results = computation(due)
                if len(results) != len(members):
                    raise ValueError(f"{len(results)} results for {len(members)} ticks")
            except Exception as error:  # noqa: BLE001 - whatever it raises is its own affair
                frame.failures.append((name, error))
                results = [None] * len(members)
            label = b"," + orjson.dumps(name) + b":"
            for place, result in enumerate(results):
                members[place] += label + (result or b"null")
        return members


def tick_quotes(ticks: Sequence[Tick]) -> QuoteColumns:
    def column(name: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
        return np.array([getattr(tick.fields, name) for tick in ticks], np.float64)

    nothing = np.full(len(ticks), np.nan)
    return QuoteColumns(
        bid=column("bid"),
        ask=column("ask"),
        last=column("ltp"),
        settle=nothing,
        close=nothing,
        volume=column("volume"),
        time=np.array([tick.seconds for tick in ticks], np.float64),
    )


def _joined(quotes: QuoteColumns, places: Rows, more: QuoteColumns) -> QuoteColumns:
    columns = {
        name: np.concatenate([getattr(quotes, name)[places], getattr(more, name)]) for name in QuoteColumns.__slots__
    }
    return QuoteColumns(**columns)
