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
from realtime.core.sanity import Sanity
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
    marked,
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
    """What a computation is given: the ticks of this cycle, and behind them the options that are repriced without a
    tick of their own. `rows` and `quotes` are of both, in a book that has taken the ticks over."""

    book: Book
    ticks: Sequence[Tick]
    rows: Rows
    quotes: QuoteColumns
    now: float


@dataclass(frozen=True, slots=True)
class _Taken:
    """Ticks that the book has taken over: as columns, with each one's row, and whether it is the newest there."""

    ticks: Sequence[Tick]
    quotes: QuoteColumns
    rows: Rows
    newest: "np.ndarray[Any, np.dtype[np.bool_]]"

    def none(self) -> "_Taken":
        return _Taken((), tick_quotes(()), self.rows[:0], self.newest[:0])


Computation = Callable[[Due], Sequence[bytes | None]]
"""One JSON value for each of the rows, None for null. What it raises costs its own results, never the ticks."""


@dataclass(slots=True)
class Frame:
    """What came of a micro-batch."""

    ticks: list[Tick] = field(default_factory=list)
    raw: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))  # by instrument key
    computed: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))  # by symbol
    topics: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))  # by underlying, by topic
    failures: list[tuple[str, Exception]] = field(default_factory=list)  # of computations and chains, by name
    priced: int = 0


class Cycle:
    """`beat`: seconds between repricings of a chain whose underlying moves. `window`: strikes on each side of the money
    in what is told of a chain. `sanity`: which ticks are believed. `computations`: what else is due."""

    def __init__(
        self,
        book: Book,
        params: GreeksParams,
        *,
        beat: float,
        window: int,
        max_bytes: int,
        sanity: Sanity,
        computations: Mapping[str, Computation],
    ) -> None:
        self.book = book
        self.params = params
        self.beat = beat
        self.window = window
        self.max_bytes = max_bytes
        self.sanity = sanity
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
                check_fields(fields, refuse_zero=self.sanity.refuse_zero)
                key = fields.instrument_key or ""
                contracts = self._contracts.get(stream)
                if contracts is None:
                    contracts = self._contracts[stream] = {}
                contract = contracts.get(key) or read_contract(key, underlying_of(stream))
                time, seconds = event_time(fields, contract.zone, latest)
            except Refused as refused:
                found.rejected.append(Rejected(stream, entry_id, entry, refused.reason, str(refused)))
            else:
                contracts[key] = contract  # only now: a refused tick costs no memory
                accept(make_tick(stream, entry_id, contract, time, seconds, fields, raw))
        return found

    def forget(self, stream: str, key: str) -> None:
        """A contract that was refused after all: a feed may name any number of them."""
        self._contracts.get(stream, {}).pop(key, None)

    def handle(self, ticks: Sequence[Tick], now: float | None) -> Frame:
        """Take the ticks into the book and price what is due. `now`: seconds since 1970; None: the ticks' own times.

        With the ticks' own times as now they are taken one instant after the other, so that none sees a later one.
        Suspect ticks are kept, but neither change the book nor are told of. Raises what a tick raises; a chain that
        cannot be repriced is among the frame's failures.
        """
        frame = Frame()
        if now is not None:
            self._keep(ticks, self.sanity.sift(ticks, self.book, now), now, frame)
            return frame
        begin = 0
        for end in range(1, len(ticks) + 1):
            if end == len(ticks) or ticks[end].seconds != ticks[begin].seconds:
                some = ticks[begin:end]
                self._keep(some, self.sanity.sift(some, self.book, None), some[0].seconds, frame)
                begin = end
        return frame

    def hear(self, ticks: Sequence[Tick], now: float | None) -> None:
        """Take into the book what others store and tell of: a volatility index of which they own the stream."""
        if believed := self.sanity.sift(ticks, self.book, now):
            self.book.apply(believed, tick_quotes(believed))

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

    def _keep(self, ticks: Sequence[Tick], believed: Sequence[Tick], now: float, frame: Frame) -> None:
        """All ticks into the frame; those that are believed into the book, with what follows from them.

        When that fails, the ticks are handled alone, and then each chain that is due: one that cannot be repriced takes
        no other along.
        """
        quotes = tick_quotes(believed)
        taken = _Taken(believed, quotes, *self.book.apply(believed, quotes))
        due = self._due(now)
        try:
            self._tell(taken, due, now, frame)
        except Exception:
            if not due:
                raise
            self._tell_apart(taken, due, now, frame)
        frame.ticks += ticks
        raw = frame.raw
        for tick in ticks:
            raw[tick.contract.text].append(marked(tick.raw, tick.suspect) if tick.suspect else tick.raw)

    def _tell_apart(self, taken: _Taken, due: Sequence[Chain], now: float, frame: Frame) -> None:
        try:
            self._tell(taken, (), now, frame)
        except Exception:
            for chain in due:
                chain.moved = True  # due again with the next beat: this was a tick's doing
            raise
        for chain in due:
            try:
                self._tell(taken.none(), (chain,), now, frame)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this chain's
                frame.failures.append((f"repricing of {chain.underlying}", error))

    def _tell(self, taken: _Taken, due: Sequence[Chain], now: float, frame: Frame) -> None:
        """Price the ticks and the chains that are due; where that raises, the frame is as it was."""
        book, ticks, rows, newest = self.book, taken.ticks, taken.rows, taken.newest
        options = np.flatnonzero(book.group[rows] >= 0)
        current = rows[options[newest[options]]]  # priced anew by their own ticks
        repriced = [book.live_options(chain, now) for chain in due]
        other = np.setdiff1d(np.concatenate(repriced), current) if repriced else np.empty(0, np.intp)
        priced = np.concatenate([rows[options], other])
        columns, forwards = (
            price_options(book, priced, _joined(taken.quotes, options, book.quotes(other)), now, self.params)
            if len(priced)
            else ({}, {})
        )
        answers = as_json(columns)
        greeks: list[bytes | None] = [None] * len(ticks)
        for place, answer in zip(options.tolist(), answers, strict=False):
            greeks[place] = answer
        moment = datetime.fromtimestamp(now, UTC).isoformat()
        as_of = f',"as_of":"{moment}","greeks":'.encode()
        told: list[tuple[str, dict[str, bytes]]] = []
        if repriced:
            where = np.empty(len(book.contracts), np.intp)  # in the columns, of each row that was priced
            where[current] = np.flatnonzero(newest[options])
            where[other] = np.arange(len(options), len(priced))
            for live in filter(len, repriced):
                topics = dict(tell_chain(book, live, where[live], columns, forwards, moment, window=self.window))
                told.append((book.contracts[live[0]].underlying, topics))
        more = self._compute(taken, other, now, frame)
        frame.priced += len(priced)
        for place, (tick, is_newest) in enumerate(zip(ticks, newest.tolist(), strict=True)):
            contract = tick.contract
            text = b"".join([tick.statement, as_of, greeks[place] or b"null", more[place], b"}"])
            frame.computed[contract.key.symbol].append(text)
            if is_newest:
                frame.topics[contract.underlying][contract.text] = text
        for row, answer, members in zip(other.tolist(), answers[len(options) :], more[len(ticks) :], strict=True):
            contract = book.contracts[row]
            frame.topics[contract.underlying][contract.text] = b"".join(
                [book.statements[row], as_of, answer, members, b"}"]
            )
        for underlying, topics in told:
            frame.topics[underlying].update(topics)

    def _compute(self, taken: _Taken, other: Rows, now: float, frame: Frame) -> list[bytes]:
        """Where computations join the cycle: their results as JSON members, beginning with a comma, for each tick and
        then for each of the other rows."""
        members = [b""] * (len(taken.ticks) + len(other))
        if not self.computations or not members:
            return members
        rows = np.concatenate([taken.rows, other])
        quotes = _joined(taken.quotes, np.arange(len(taken.ticks)), self.book.quotes(other))
        due = Due(self.book, taken.ticks, rows, quotes, now)
        for name, computation in self.computations.items():
            try:
                results = computation(due)
                if len(results) != len(members):
                    raise ValueError(f"{len(results)} results for {len(members)} rows")
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
