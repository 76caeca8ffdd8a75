"""The newest tick of every instrument, in columns, and who belongs together: chains, their underlyings, their futures.

Rows are given out once and never move. Everything about one underlying arrives at one consumer (a stream has one
owner), so a chain here is whole.
"""

import math
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from realtime.ticks.core.tick import Contract, Tick, TickFields
from signals.greeks.core.prices import QuoteColumns
from timeframes.core.keys import Right
from timeframes.core.sessions import expiry_moment

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

RECENT = 512
"""Ticks remembered of each underlying and volatility index, so that one that comes late finds its place."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How the options of an underlying are priced, as the tables say."""

    spot_key: str
    volatility_index_key: str
    black76: bool
    dividend_yield: float


@dataclass(slots=True)
class Recent:
    """The last prices of one instrument in order of their event times, whatever order they came in."""

    samples: list[tuple[float, float]] = field(default_factory=list)
    restored: float = math.nan  # time of the one that an earlier consumer left, as last known

    def add(self, seconds: float, price: float) -> None:
        insort(self.samples, (seconds, price))
        if len(self.samples) > RECENT:
            del self.samples[0]

    def at(self, seconds: float) -> tuple[float, float]:
        """(time, price) of the newest one not after `seconds`; NaNs where there is none."""
        place = bisect_right(self.samples, (seconds, math.inf))
        return self.samples[place - 1] if place else (math.nan, math.nan)


def price_of(fields: TickFields) -> float:
    """As signals.greeks.core.prices chooses automatically: the middle of a two-sided market, else the last trade."""
    bid, ask = fields.bid, fields.ask
    if bid and ask and ask >= bid:
        return 0.5 * (bid + ask)
    return fields.ltp or math.nan


@dataclass(slots=True)
class Group:
    """The options of one underlying and expiry."""

    underlying: str
    exchange: str
    expiry: date
    expires_at: float
    by_strike: dict[float, list[int]] = field(default_factory=dict)  # strike -> [call row, put row], -1 for none
    ordered: tuple[Rows, Floats, Floats] | None = None  # made when asked for

    def ladder(self) -> tuple[Rows, Floats, Floats]:
        """Rows, signs and strikes: by strike, a call before its put. Kept, since to look them up costs more."""
        if self.ordered is None:
            sides = [
                (row, sign, strike)
                for strike, pair in sorted(self.by_strike.items())
                for row, sign in zip(pair, (1.0, -1.0), strict=True)
                if row >= 0
            ]
            rows, signs, strikes = zip(*sides, strict=True)
            self.ordered = np.array(rows, np.intp), np.array(signs), np.array(strikes)
        return self.ordered


@dataclass(slots=True)
class Chain:
    """All that is known of one underlying: its options by expiry, and its futures' rows by expiry."""

    underlying: str
    terms: Terms
    groups: dict[date, int] = field(default_factory=dict)  # expiry -> number of the group
    futures: dict[date, int] = field(default_factory=dict)  # expiry -> row
    option_rows: list[int] = field(default_factory=list)
    moved: bool = False  # its underlying's price changed since the chain was last repriced


class Book:
    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.contracts: list[Contract] = []
        self.statements: list[bytes] = []  # the newest tick as the beginning of what is published of it
        self.groups: list[Group] = []
        self.chains: dict[str, Chain] = {}
        self.recent: dict[str, Recent] = {}
        self.unrecorded: set[int] = set()  # rows that changed since whoever records quotes emptied it
        self._columns = np.empty((9, 0))
        self.group = np.empty(0, np.intp)  # -1 for what is no option
        self._name_columns()

    def _name_columns(self) -> None:
        """Views on the block: names for its rows."""
        (self.bid, self.ask, self.last, self.volume, self.oi, self.time, self.sign, self.strike, self.expires_at) = (
            self._columns
        )

    def add_underlying(self, underlying: str, terms: Terms) -> Chain:
        """Make an underlying known, or take over new terms for one that is."""
        chain = self.chains.get(underlying)
        if chain is None:
            chain = self.chains[underlying] = Chain(underlying, terms)
        chain.terms = terms
        for key in filter(None, (terms.spot_key, terms.volatility_index_key)):
            self.recent.setdefault(key, Recent())
        return chain

    def row(self, contract: Contract) -> int:
        """The instrument's row, a new one the first time. Its underlying must be known."""
        row = self.rows.get(contract.text)
        return self._add(contract) if row is None else row

    def _add(self, contract: Contract) -> int:
        row = len(self.contracts)
        if row == self._columns.shape[1]:
            self._grow()
        key, chain = contract.key, self.chains[contract.underlying]
        self._columns[:, row] = np.nan
        self.time[row] = -np.inf
        self.sign[row] = {Right.CALL: 1.0, Right.PUT: -1.0}.get(key.right, np.nan)
        self.group[row] = -1
        if key.expiry is not None:
            self.expires_at[row] = expires_at = expiry_moment(key).timestamp()
            if key.product.is_future:
                chain.futures[key.expiry] = row
            elif key.strike is not None:
                self.strike[row] = strike = float(key.strike)
                self.group[row] = self._group(chain, contract, expires_at)
                group = self.groups[self.group[row]]
                group.by_strike.setdefault(strike, [-1, -1])[key.right is Right.PUT] = row
                group.ordered = None
                chain.option_rows.append(row)
        self.rows[contract.text] = row
        self.contracts.append(contract)
        self.statements.append(b"")
        return row

    def _group(self, chain: Chain, contract: Contract, expires_at: float) -> int:
        expiry = contract.key.expiry
        assert expiry is not None
        if expiry not in chain.groups:
            chain.groups[expiry] = len(self.groups)
            self.groups.append(Group(chain.underlying, contract.key.exchange, expiry, expires_at))
        return chain.groups[expiry]

    def _grow(self) -> None:
        size = max(256, 2 * self._columns.shape[1])
        columns, group = np.full((9, size), np.nan), np.full(size, -1, np.intp)
        columns[:, : self._columns.shape[1]] = self._columns
        group[: len(self.group)] = self.group
        self._columns, self.group = columns, group
        self._name_columns()

    def apply(self, ticks: Sequence[Tick], quotes: QuoteColumns) -> tuple[Rows, NDArray[np.bool_]]:
        """Take over ticks, given as such and as columns. Returns each one's row, and whether it is the newest there.

        A tick older than what is known of its instrument changes nothing but the recent prices of an underlying. Of
        equally old ones the later in the stream wins.
        """
        rows = np.fromiter((self.row(tick.contract) for tick in ticks), np.intp, len(ticks))
        order = np.argsort(quotes.time, kind="stable")
        order = order[quotes.time[order] >= self.time[rows[order]]]
        changed = rows[order]
        for place in order.tolist():
            self.statements[rows[place]] = ticks[place].statement
        for name in ("bid", "ask", "last", "volume", "time"):
            getattr(self, name)[changed] = getattr(quotes, name)[order]
        self.oi[changed] = np.array([ticks[place].fields.oi for place in order.tolist()], np.float64)
        self.unrecorded.update(changed.tolist())
        newest = np.zeros(len(ticks), np.bool_)
        last_of_row = dict(zip(changed.tolist(), order.tolist(), strict=True))
        newest[list(last_of_row.values())] = True
        for tick in ticks:
            if (recent := self.recent.get(tick.contract.text)) is not None:
                recent.add(tick.seconds, price_of(tick.fields))
        for row in changed[self.group[changed] < 0].tolist():  # an option moves no chain
            contract = self.contracts[row]
            chain = self.chains[contract.underlying]
            if contract.text == chain.terms.spot_key or contract.key.product.is_future:
                chain.moved = True
        return rows, newest

    def quotes(self, rows: Rows) -> QuoteColumns:
        """The newest ticks of these rows, as quotes. A tick's close may be yesterday's: it is no price of today."""
        nothing = np.full(len(rows), np.nan)
        return QuoteColumns(
            bid=self.bid[rows],
            ask=self.ask[rows],
            last=self.last[rows],
            settle=nothing,
            close=nothing,
            volume=self.volume[rows],
            time=self.time[rows],
        )

    def live_options(self, chain: Chain, now: float) -> Rows:
        """Rows of the chain's options that have a tick and have not expired."""
        rows = np.array(chain.option_rows, np.intp)
        return rows[np.isfinite(self.time[rows]) & (self.expires_at[rows] > now)]
