"""One micro-batch: ticks in, everything that is to be stored and told of them out. Pure: no clock, no I/O.

`Cycle.decode` and `Cycle.handle` are apart because what decoding finds (new contracts, new underlyings) is looked up
in between. `handle` takes the ticks into the book, prices what is due in one call, and writes down what is told of each
tick, of each repriced option and of each chain.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from realtime.core.states import encode_answers, encode_member, end_instrument, priced_at
from realtime.ticks.core.book import Book, Rows, UnderlyingBook
from realtime.ticks.core.chain_slice import tell_chain
from realtime.ticks.core.decoding import Decoded, Decoder, Entry
from realtime.ticks.core.pricing import price_options
from realtime.ticks.core.sanity import Sanity
from realtime.ticks.core.tick import Tick, marked
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.forward import Forward
from signals.greeks.core.prices import QuoteColumns


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


@dataclass(frozen=True, slots=True)
class _Priced:
    """`options`: places of options among the ticks. `rows`: what was priced, those first, then `other`: options of the
    chains that are due (`live`, the rows of each). `current`: places in `rows` of what no newer tick replaces. The rest
    are answers: as columns, of each group, as JSON."""

    options: Rows
    rows: Rows
    other: Rows
    current: Rows
    live: Sequence[Rows]
    columns: Mapping[str, Sequence[Any]]
    forwards: Mapping[int, Forward]
    answers: Sequence[bytes]


Computation = Callable[[Due], Sequence[bytes | None]]
"""One JSON value for each of the rows, None for null. What it raises costs its own results, never the ticks."""


@dataclass(slots=True)
class CycleResult:
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
        reprice_interval: float,
        window: int,
        max_bytes: int,
        sanity: Sanity,
        computations: Mapping[str, Computation],
    ) -> None:
        self.book = book
        self.params = params
        self.reprice_interval = reprice_interval
        self.window = window
        self.sanity = sanity
        self.computations = computations
        self.decoder = Decoder(sanity, max_bytes)
        self._repriced: dict[str, float] = {}

    def decode(self, entries: Sequence[Entry], latest: float) -> Decoded:
        return self.decoder.decode(entries, latest)

    def handle(self, ticks: Sequence[Tick], now: float | None, *, chains: bool = True) -> CycleResult:
        """Take the ticks into the book and price what is due. `now`: seconds since 1970; None: the ticks' own times.
        `chains`: those that are due too; else they stay due. With the ticks' own times they always are.

        With the ticks' own times as now they are taken one instant after the other, so that none sees a later one.
        Suspect ticks are kept, but neither change the book nor are told of. Raises what a tick raises; a chain that
        cannot be repriced is among the result's failures.
        """
        result = CycleResult()
        if now is not None:
            self._keep(ticks, self.sanity.sift(ticks, self.book, now), now, result, chains=chains)
            return result
        begin = 0
        for end in range(1, len(ticks) + 1):
            if end == len(ticks) or ticks[end].seconds != ticks[begin].seconds:
                some = ticks[begin:end]
                self._keep(some, self.sanity.sift(some, self.book, None), some[0].seconds, result)
                begin = end
        return result

    def observe(self, ticks: Sequence[Tick], now: float | None) -> None:
        """Take into the book what others store and tell of: a volatility index of which they own the stream. Its own
        chain, where it has one, is theirs to reprice."""
        if believed := self.sanity.sift(ticks, self.book, now):
            self.book.apply(believed, tick_quotes(believed))
            for underlying in {tick.contract.underlying for tick in believed}:
                self.book.underlyings[underlying].moved = False

    def due_in(self, now: float) -> float:
        """Seconds until the next chain is due: 0 when one is, infinity when none has moved."""
        return min(
            (self._wait(chain, now) for chain in self.book.underlyings.values() if chain.moved), default=math.inf
        )

    def _wait(self, chain: UnderlyingBook, now: float) -> float:
        """A chain that was repriced at a moment still to come is due: the clock has been set back."""
        passed = now - self._repriced.get(chain.underlying, -math.inf)
        return self.reprice_interval - passed if 0 <= passed < self.reprice_interval else 0.0

    def _due(self, now: float) -> list[UnderlyingBook]:
        due = [chain for chain in self.book.underlyings.values() if chain.moved and not self._wait(chain, now)]
        for chain in due:
            self._repriced[chain.underlying] = now
            chain.moved = False
        return due

    def _keep(
        self, ticks: Sequence[Tick], believed: Sequence[Tick], now: float, result: CycleResult, *, chains: bool = True
    ) -> None:
        """All ticks into the result; those that are believed into the book, with what follows from them.

        When that fails, the ticks are handled alone, and then each chain that is due: one that cannot be repriced takes
        no other along.
        """
        quotes = tick_quotes(believed)
        taken = _Taken(believed, quotes, *self.book.apply(believed, quotes))
        due = self._due(now) if chains else []
        try:
            self._tell(taken, due, now, result)
        except Exception:  # whatever it is: found out apart, or raised
            if not due:
                raise
            self._tell_apart(taken, due, now, result)
        result.ticks += ticks
        raw = result.raw
        for tick in ticks:
            raw[tick.contract.text].append(marked(tick.raw, tick.suspect) if tick.suspect else tick.raw)

    def _tell_apart(self, taken: _Taken, due: Sequence[UnderlyingBook], now: float, result: CycleResult) -> None:
        try:
            self._tell(taken, (), now, result)
        except Exception:  # raised again, when the chains have been put back
            for chain in due:
                chain.moved = True  # due again with the next beat: this was a tick's doing
            raise
        for chain in due:
            try:
                self._tell(taken.none(), (chain,), now, result)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this chain's
                result.failures.append((f"repricing of {chain.underlying}", error))

    def _tell(self, taken: _Taken, due: Sequence[UnderlyingBook], now: float, result: CycleResult) -> None:
        """Price the ticks and the chains that are due; where that raises, the result is as it was."""
        moment = datetime.fromtimestamp(now, UTC).isoformat()
        priced = self._price(taken, due, now)
        chains = self._chains(priced, moment)
        more = self._compute(taken, priced.other, now, result)
        # Nothing raises from here on.
        result.priced += len(priced.answers)
        priced_here = priced_at(moment)
        self._tell_ticks(taken, priced, priced_here, more, result)
        self._tell_repriced(priced, priced_here, more[len(taken.ticks) :], result)
        for underlying, topics in chains:
            result.topics[underlying].update(topics)

    def _price(self, taken: _Taken, due: Sequence[UnderlyingBook], now: float) -> _Priced:
        """One call for the options among the ticks and, of the chains that are due, those without a new tick."""
        book, rows = self.book, taken.rows
        options = np.flatnonzero(book.expiry_number[rows] >= 0)
        newest = taken.newest[options]
        live = [book.live_options(chain, now) for chain in due]
        other = np.setdiff1d(np.concatenate(live), rows[options[newest]]) if live else np.empty(0, np.intp)
        wanted = np.concatenate([rows[options], other])
        columns, forwards = (
            price_options(book, wanted, _joined(taken.quotes, options, book.quotes(other)), now, self.params)
            if len(wanted)
            else ({}, {})
        )
        current = np.concatenate([np.flatnonzero(newest), np.arange(len(options), len(wanted))])
        return _Priced(options, wanted, other, current, live, columns, forwards, encode_answers(columns))

    def _chains(self, priced: _Priced, moment: str) -> list[tuple[str, dict[str, bytes]]]:
        """What is told of each repriced chain as a whole: its underlying, and states by topic."""
        if not priced.live:
            return []
        where = np.empty(len(self.book.contracts), np.intp)  # in the columns, of each row that was priced
        where[priced.rows[priced.current]] = priced.current
        told = []
        for live in filter(len, priced.live):
            topics = tell_chain(
                self.book, live, where[live], priced.columns, priced.forwards, moment, window=self.window
            )
            told.append((self.book.contracts[live[0]].underlying, dict(topics)))
        return told

    def _tell_ticks(
        self, taken: _Taken, priced: _Priced, priced_here: bytes, more: Sequence[bytes], result: CycleResult
    ) -> None:
        greeks: list[bytes | None] = [None] * len(taken.ticks)
        for place, answer in zip(priced.options.tolist(), priced.answers, strict=False):
            greeks[place] = answer
        for place, (tick, is_newest) in enumerate(zip(taken.ticks, taken.newest.tolist(), strict=True)):
            contract = tick.contract
            text = end_instrument(tick.statement, priced_here, greeks[place], more[place])
            result.computed[contract.key.symbol].append(text)
            if is_newest:
                result.topics[contract.underlying][contract.text] = text

    def _tell_repriced(self, priced: _Priced, priced_here: bytes, more: Sequence[bytes], result: CycleResult) -> None:
        """Options that were priced without a tick of their own."""
        answers = priced.answers[len(priced.options) :]
        for row, answer, members in zip(priced.other.tolist(), answers, more, strict=True):
            contract = self.book.contracts[row]
            state = end_instrument(self.book.statements[row], priced_here, answer, members)
            result.topics[contract.underlying][contract.text] = state

    def _compute(self, taken: _Taken, other: Rows, now: float, result: CycleResult) -> list[bytes]:
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
                result.failures.append((name, error))
                results = [None] * len(members)
            label = encode_member(name)
            for place, value in enumerate(results):
                members[place] += label + (value or b"null")
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
