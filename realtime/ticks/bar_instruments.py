"""The instruments whose minutes are folded, each in a row of its own."""

from collections.abc import Iterable

import numpy as np

from realtime.core.topic_grammar import bars_topic
from realtime.ticks.core.bar_book import Rows
from realtime.ticks.core.tick import Contract
from timeframes.core.minutes import NOWHERE, Minutes, place_minutes

TIMEFRAME = "1m"


class BarInstruments:
    """`contracts`, `topics`: by row."""

    def __init__(self) -> None:
        self.contracts: list[Contract] = []
        self.topics: list[str] = []
        self._rows: dict[str, int] = {}
        self._exchanges: list[str] = []
        self._exchange_of = np.empty(0, np.intp)  # row -> place in `_exchanges`
        self._places = np.empty(0, np.intp)  # row of the book -> row here, -1 for none

    def __len__(self) -> int:
        return len(self.contracts)

    def row(self, contract: Contract) -> int:
        """Return the row of an instrument: a new one, if it has none."""
        row = self._rows.get(contract.text)
        if row is None:
            row = self._rows[contract.text] = len(self.contracts)
            self.contracts.append(contract)
            self.topics.append(bars_topic(contract.text, TIMEFRAME))
            if row == len(self._exchange_of):
                self._exchange_of = np.concatenate([self._exchange_of, np.zeros(max(256, row), np.intp)])
            exchange = contract.key.exchange
            if exchange not in self._exchanges:
                self._exchanges.append(exchange)
            self._exchange_of[row] = self._exchanges.index(exchange)
        return row

    def find(self, key: str) -> int | None:
        return self._rows.get(key)

    def rows_of(self, book_rows: Rows, contracts: list[Contract]) -> Rows:
        """Return our rows of the book's, whose contracts are given by row."""
        size = len(contracts)
        if len(self._places) < size:
            more = np.full(max(256, 2 * size) - len(self._places), -1, np.intp)
            self._places = np.concatenate([self._places, more])
        for row in set(book_rows[self._places[book_rows] < 0].tolist()):
            self._places[row] = self.row(contracts[row])
        return self._places[book_rows]

    def of_underlying(self, underlying: str) -> list[int]:
        return [row for row, contract in enumerate(self.contracts) if contract.underlying == underlying]

    def keys(self, rows: Iterable[int]) -> list[str]:
        return [self.contracts[row].text for row in rows]

    def exchange(self, row: int) -> str:
        return self.contracts[row].key.exchange

    def shared(self, rows: Rows) -> np.ndarray:
        """Return of each row whether other consumers too have its ticks (bool): a pair without an exchange."""
        return np.array([not each for each in self._exchanges], bool)[self._exchange_of[rows]]

    def minutes(self, rows: Rows, time: np.ndarray) -> Minutes:
        """Return the minutes in which these moments lie, by the calendars of the rows' exchanges."""
        if len(self._exchanges) == 1:
            return place_minutes(self._exchanges[0], time)
        found = Minutes(*(np.full(len(rows), NOWHERE, np.int64) for _ in range(3)))
        of_rows = self._exchange_of[rows]
        for number in np.flatnonzero(np.bincount(of_rows)).tolist():
            here = np.flatnonzero(of_rows == number)
            some = place_minutes(self._exchanges[number], time[here])
            for name in ("begin", "end", "session"):
                getattr(found, name)[here] = getattr(some, name)
        return found
