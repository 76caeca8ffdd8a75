"""The newest tick of every instrument, in columns, and which instruments belong together.

A row is assigned once and never moves. One consumer owns all ticks of an underlying (a stream has one owner), so the
book of an underlying is complete.
"""

import math
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from moneyness.core.priced import InterestColumns
from realtime.ticks.core.tick import Contract, Tick, TickFields
from signals.greeks.core.conventions import PRICE_SOURCES, PriceSource
from signals.greeks.core.prices import QuoteColumns
from signals.rates.core.carry import NO_HISTORY, CarryHistory
from timeframes.core.keys import Right
from timeframes.core.sessions import expiry_moment

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

MID, LAST = PRICE_SOURCES.index(PriceSource.MID), PRICE_SOURCES.index(PriceSource.LAST)
COLUMNS = 14  # of a row of the book
RECENT = 512
"""Ticks kept of each underlying and volatility index, so that a late tick finds its place."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How the options of an underlying are priced, as the tables say."""

    spot_key: str
    volatility_index_key: str
    black76: bool
    dividend_yield: float
    carry: CarryHistory = NO_HISTORY
    american: bool = False


@dataclass(slots=True)
class Recent:
    """The last prices of one instrument, ordered by event time whatever order they arrived in."""

    samples: list[tuple[float, float, int]] = field(default_factory=list)  # (time, price, place in PRICE_SOURCES)
    restored: float = math.nan  # time of the sample that an earlier consumer left

    def add(self, seconds: float, price: float, source: int = -1) -> None:
        insort(self.samples, (seconds, price, source))
        if len(self.samples) > RECENT:
            del self.samples[0]

    def at(self, seconds: float) -> tuple[float, float]:
        """Return (time, price) of the newest sample not after `seconds`, or NaNs if there is none."""
        return self.priced_at(seconds)[:2]

    def priced_at(self, seconds: float) -> tuple[float, float, int]:
        """Return what `at` does, and the place of the price in PRICE_SOURCES, -1 for none."""
        place = bisect_right(self.samples, (seconds, math.inf))
        return self.samples[place - 1] if place else (math.nan, math.nan, -1)


def price_of(fields: TickFields) -> tuple[float, int]:
    """Return the price that `signals.greeks.core.prices` chooses, and its place in PRICE_SOURCES.

    It is the mid of a two-sided market, else the last trade, else (NaN, -1).
    """
    bid, ask = fields.bid, fields.ask
    if bid and ask and ask >= bid:
        return 0.5 * (bid + ask), MID
    return (fields.ltp, LAST) if fields.ltp else (math.nan, -1)


@dataclass(slots=True)
class ExpiryBook:
    """The options of one underlying and expiry."""

    underlying: str
    exchange: str
    expiry: date
    expires_at: float
    by_strike: dict[float, list[int]] = field(default_factory=dict)  # strike -> [call row, put row], -1 for none
    ordered: tuple[Rows, Floats, Floats] | None = None  # built on first use

    def ladder(self) -> tuple[Rows, Floats, Floats]:
        """Return rows, signs and strikes, ordered by strike with each call before its put. The result is cached."""
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
class UnderlyingBook:
    """One underlying: its options and its futures by expiry."""

    underlying: str
    terms: Terms
    expiries: dict[date, int] = field(default_factory=dict)  # expiry -> its number in Book.expiries
    futures: dict[date, int] = field(default_factory=dict)  # expiry -> row
    option_rows: list[int] = field(default_factory=list)
    moved: bool = False  # the underlying's price has changed since its chain was last repriced
    ticked: bool = False  # any of its instruments has ticked since its chain was last evaluated


class Book:
    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.contracts: list[Contract] = []
        self.statements: list[bytes] = []  # the newest tick, as the beginning of the state that is published
        self.expiries: list[ExpiryBook] = []
        self.underlyings: dict[str, UnderlyingBook] = {}
        self.recent: dict[str, Recent] = {}
        self.unrecorded: set[int] = set()  # rows changed since quotes were last recorded; the recorder empties it
        self.stirred: set[str] = set()  # underlyings that ticked, or got an expiry; who beats empties it
        self._columns = np.empty((COLUMNS, 0))
        self.expiry_number = np.empty(0, np.intp)  # place in `expiries`, -1 for what is not an option
        self._name_columns()

    def _name_columns(self) -> None:
        """Name the rows of the block: each name is a view."""
        (self.bid, self.ask, self.last, self.volume, self.oi, self.time, self.sign, self.strike, self.expires_at) = (
            self._columns[:9]
        )
        self.interest, self.interest_time = self._columns[9:11]  # the newest open interest that a tick had
        self.interest_before, self.before_from, self.before_until = self._columns[11:14]

    def add_underlying(self, underlying: str, terms: Terms) -> UnderlyingBook:
        """Add an underlying, or update the terms of a known one."""
        found = self.underlyings.get(underlying)
        if found is None:
            found = self.underlyings[underlying] = UnderlyingBook(underlying, terms)
        found.terms = terms
        for key in filter(None, (terms.spot_key, terms.volatility_index_key)):
            self.recent.setdefault(key, Recent())
        return found

    def row(self, contract: Contract) -> int:
        """Return the instrument's row; the first call assigns it. The underlying must have been added."""
        row = self.rows.get(contract.text)
        return self._add(contract) if row is None else row

    def _add(self, contract: Contract) -> int:
        row = len(self.contracts)
        if row == self._columns.shape[1]:
            self._grow()
        key, owner = contract.key, self.underlyings[contract.underlying]
        self._columns[:, row] = np.nan
        self.time[row] = -np.inf
        self.sign[row] = {Right.CALL: 1.0, Right.PUT: -1.0}.get(key.right, np.nan)
        self.expiry_number[row] = -1
        if key.expiry is not None:
            self.expires_at[row] = expires_at = expiry_moment(key).timestamp()
            if key.product.is_future:
                owner.futures[key.expiry] = row
            elif key.strike is not None:
                self.strike[row] = strike = float(key.strike)
                self.expiry_number[row] = number = self._expiry(owner, contract, expires_at)
                expiry = self.expiries[number]
                expiry.by_strike.setdefault(strike, [-1, -1])[key.right is Right.PUT] = row
                expiry.ordered = None
                owner.option_rows.append(row)
        self.rows[contract.text] = row
        self.contracts.append(contract)
        self.statements.append(b"")
        return row

    def _expiry(self, owner: UnderlyingBook, contract: Contract, expires_at: float) -> int:
        """Return the number of the contract's expiry, added if it is new."""
        expiry = contract.key.expiry
        assert expiry is not None
        if expiry not in owner.expiries:
            owner.expiries[expiry] = len(self.expiries)
            self.stirred.add(owner.underlying)
            self.expiries.append(ExpiryBook(owner.underlying, contract.key.exchange, expiry, expires_at))
        return owner.expiries[expiry]

    def _grow(self) -> None:
        size = max(256, 2 * self._columns.shape[1])
        columns, expiry_number = np.full((COLUMNS, size), np.nan), np.full(size, -1, np.intp)
        columns[:, : self._columns.shape[1]] = self._columns
        expiry_number[: len(self.expiry_number)] = self.expiry_number
        self._columns, self.expiry_number = columns, expiry_number
        self._name_columns()

    def apply(self, ticks: Sequence[Tick], quotes: QuoteColumns) -> tuple[Rows, NDArray[np.bool_]]:
        """Apply ticks, given as objects and as columns. Return each tick's row, and whether it is the newest there.

        A tick older than the newest of its instrument changes only the recent prices of an underlying. Of two ticks
        with the same time the later in the stream wins.
        """
        rows = np.fromiter((self.row(tick.contract) for tick in ticks), np.intp, len(ticks))
        order = np.argsort(quotes.time, kind="stable")
        order = order[quotes.time[order] >= self.time[rows[order]]]
        changed = rows[order]
        for place in order.tolist():
            self.statements[rows[place]] = ticks[place].statement
        for name in ("bid", "ask", "last", "volume", "time"):
            getattr(self, name)[changed] = getattr(quotes, name)[order]
        self.oi[changed] = interest = np.array([ticks[place].fields.oi for place in order.tolist()], np.float64)
        told = ~np.isnan(interest)
        self.interest[changed[told]], self.interest_time[changed[told]] = interest[told], quotes.time[order[told]]
        self.unrecorded.update(changed.tolist())
        newest = np.zeros(len(ticks), np.bool_)
        last_of_row = dict(zip(changed.tolist(), order.tolist(), strict=True))
        newest[list(last_of_row.values())] = True
        for tick in ticks:
            if (recent := self.recent.get(tick.contract.text)) is not None:
                recent.add(tick.seconds, *price_of(tick.fields))
        for number in np.unique(self.expiry_number[changed]).tolist():
            if number >= 0:
                self._stir(self.underlyings[self.expiries[number].underlying])
        for row in changed[self.expiry_number[changed] < 0].tolist():  # an option's tick moves no chain
            contract = self.contracts[row]
            owner = self.underlyings[contract.underlying]
            self._stir(owner)
            if contract.text == owner.terms.spot_key or contract.key.product.is_future:
                owner.moved = True
        return rows, newest

    def _stir(self, chain: UnderlyingBook) -> None:
        if not chain.ticked:
            chain.ticked = True
            self.stirred.add(chain.underlying)

    def quotes(self, rows: Rows) -> QuoteColumns:
        """Return the newest ticks of these rows as quotes, without `close`, which may be yesterday's price."""
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

    def interest_of(self, rows: Rows) -> InterestColumns:
        """Return the open interest of these rows, with that of the session before where it is known."""
        time = self.interest_time[rows]
        same_day = (self.before_from[rows] <= time) & (time < self.before_until[rows])
        return InterestColumns(
            open_interest=self.interest[rows],
            open_interest_before=np.where(same_day, self.interest_before[rows], np.nan),
        )

    def without_interest_before(self, owner: UnderlyingBook) -> Rows:
        """Return the rows of its options of which nobody has yet looked up the open interest of the session before."""
        rows = np.array(owner.option_rows, np.intp)
        time = self.interest_time[rows]
        found: Rows = rows[np.isfinite(time) & ~((self.before_from[rows] <= time) & (time < self.before_until[rows]))]
        return found

    def live_options(self, owner: UnderlyingBook, now: float) -> Rows:
        """Return the rows of the underlying's options that have a tick and have not expired."""
        rows = np.array(owner.option_rows, np.intp)
        found: Rows = rows[np.isfinite(self.time[rows]) & (self.expires_at[rows] > now)]
        return found
