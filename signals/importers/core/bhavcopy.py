"""Reads an end-of-day derivatives file: text in, columns and rejected rows out."""

import io
import re
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signals.importers.core.bhavcopy_layouts import FUTURES, OPTIONS, Layout, NotABhavcopy, recognise
from signals.importers.core.lots import lots_from_turnover
from signals.importers.core.raw_table import Rejected
from timeframes.core.exchanges import EXCHANGES

LAKH = 100_000.0
MAX_STRIKE = 1e12
REPEATED = "repeated contract, a later row counts"
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9&._/-]*")
_RIGHTS = {"CE": "call", "PE": "put"}


@dataclass(frozen=True, eq=False)
class Contracts:
    """The usable rows of a file, and the rejected ones.

    `table` has one row per contract and trade date: exchange, symbol, right ("" for a future), expiry and trade_date
    (datetime.date), and as float64 with NaN for "not given": strike, close, settle, last, volume (units),
    open_interest (units), lot_size, underlying_price. `rows_read` counts every row but header, blanks and footnotes.
    """

    layout: Layout
    table: pd.DataFrame
    rejected: list[Rejected]
    rows_read: int


def read_bhavcopy(text: str, *, trade_date: date | None = None) -> Contracts:
    """Read a file's text.

    `trade_date` is the day of a file that does not print one; rows of other files must have that day. Raises
    NotABhavcopy if the whole text is unusable. A bad row is returned in `rejected`.
    """
    lines = text.lstrip("\ufeff").splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip()), None)
    if start is None:
        raise NotABhavcopy("the file is empty")
    layout, names, has_header = recognise(lines[start])
    if not layout.trade_date and trade_date is None:
        raise NotABhavcopy("the file does not say its date, nor does its name: give it with --date")
    raw = _split(lines, start + has_header, names)
    reader = _Reader(raw.frame, layout)
    table = reader.contracts(trade_date)
    rejected = raw.rejected + [
        Rejected(int(raw.numbers[i]), reader.reason[i], reader.detail[i], lines[raw.numbers[i] - 1])
        for i in np.flatnonzero(reader.reason != "")
    ]
    return Contracts(layout, table, sorted(rejected, key=lambda row: row.row), len(raw.numbers) + len(raw.rejected))


@dataclass(frozen=True)
class _Raw:
    frame: pd.DataFrame
    numbers: NDArray[np.int64]
    rejected: list[Rejected]


def _split(lines: list[str], start: int, names: list[str]) -> _Raw:
    """Split lines into text fields. pandas gets only lines of the right shape, so row i stays line i."""
    good, numbers, rejected = [], [], []
    commas = len(names) - 1
    for number, line in enumerate(lines[start:], start + 1):
        found = line.count(",")
        if found == commas + 1 and line.rstrip().endswith(","):  # NSE ended each legacy row with a comma
            line, found = line.rstrip()[:-1], commas
        if found == commas and line.count('"') % 2 == 0:
            good.append(line)
            numbers.append(number)
        elif line.strip(", \t") and not line.lstrip().startswith("*"):  # neither blank nor a footnote
            rejected.append(Rejected(number, "wrong number of fields", f"{found + 1}, not {commas + 1}", line))
    if good:
        source = io.StringIO("\n".join(good))
        frame = pd.read_csv(source, header=None, names=names, dtype=str, keep_default_na=False, index_col=False)
    else:
        frame = pd.DataFrame(columns=names, dtype=str)
    return _Raw(frame, np.array(numbers, dtype=np.int64), rejected)


class _Reader:
    """Checks whole columns, each read once. A row is rejected for its first failure."""

    def __init__(self, frame: pd.DataFrame, layout: Layout) -> None:
        self.frame, self.layout = frame, layout
        self.reason = np.full(len(frame), "", dtype=object)
        self.detail = np.full(len(frame), "", dtype=object)

    def contracts(self, trade_date: date | None) -> pd.DataFrame:
        layout = self.layout
        instrument, symbol = self._text(layout.instrument), self._text(layout.symbol)
        option = np.asarray(instrument.isin(OPTIONS))
        self._reject(~option & ~np.asarray(instrument.isin(FUTURES)), "unknown instrument type", instrument)
        self._reject(~np.asarray(symbol.str.fullmatch(_SYMBOL)), "bad symbol", symbol)
        rights = self._text(layout.right)
        right = np.where(option, rights.map(_RIGHTS).fillna(""), "")
        self._reject(option & (right == ""), "option type is neither CE nor PE", rights)
        strike = np.where(option, self._number(layout.strike, required=option), np.nan)
        self._reject(
            option & ~((strike > 0) & (strike < MAX_STRIKE)), "strike is not positive", self._text(layout.strike)
        )
        days = self._trade_dates(trade_date)
        expiry_text = self._text(layout.actual_expiry)
        expiry_text = expiry_text.where(expiry_text != "", self._text(layout.expiry))
        expiry = self._dates(expiry_text)
        self._reject(expiry.isna().to_numpy(), "expiry is not a date", expiry_text)
        self._reject((expiry < days).to_numpy(), "expired before the trade date", expiry_text)
        every = np.ones(len(self.frame), dtype=bool)
        contracts = self._number(layout.contracts, required=every)
        close = self._number(layout.close, required=contracts > 0)
        open_interest = self._number(layout.open_interest, required=every)
        lot_size, volume = self._lots(symbol, expiry_text, contracts, np.nan_to_num(strike))
        traded = contracts > 0
        exchange = self._text(layout.exchange).replace("", "NSE")
        self._reject(~np.asarray(exchange.isin(EXCHANGES)), "unknown exchange", exchange)
        table = pd.DataFrame(
            {
                "exchange": exchange,
                "symbol": symbol,
                "right": right,
                "expiry": expiry.dt.date,
                "trade_date": days.dt.date,
                "strike": strike,
                # A contract that did not trade carries an old close and an old last price; only settle is of the day.
                "close": _price(np.where(traded, close, np.nan)),
                "settle": _price(self._number(layout.settle)),
                "last": _price(np.where(traded, self._number(layout.last), np.nan)),
                "volume": volume,
                "open_interest": open_interest,
                "lot_size": lot_size,
                "underlying_price": _price(self._number(layout.underlying_price)),
            }
        )
        usable = table[self.reason == ""]
        repeated = usable.duplicated(["exchange", "symbol", "right", "expiry", "trade_date", "strike"], keep="last")
        self._reject(repeated.reindex(table.index, fill_value=False).to_numpy(), REPEATED, symbol)
        return table[self.reason == ""]

    def _lots(
        self,
        symbol: "pd.Series[str]",
        expiry: "pd.Series[str]",
        contracts: NDArray[np.float64],
        strike: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (lot size, volume in units): printed, or quantity over contracts, or proven by the turnover."""
        layout = self.layout
        if layout.quantity:
            quantity = self._number(layout.quantity)
            with np.errstate(divide="ignore", invalid="ignore"):
                lots = quantity / contracts
            return _whole(lots), quantity
        if layout.lot_size:
            lots = self._number(layout.lot_size)
        else:
            lots = lots_from_turnover(
                symbol,
                expiry,
                turnover=self._number(layout.turnover_lakh) * LAKH,
                turnover_step=1e-4 * LAKH,
                contracts=contracts,
                low=strike + self._number(layout.low),
                high=strike + self._number(layout.high),
            )
        lots = _whole(lots)
        return lots, np.where(contracts == 0, 0.0, contracts * lots)

    def _trade_dates(self, wanted: date | None) -> "pd.Series[pd.Timestamp]":
        if not self.layout.trade_date:
            return pd.Series(pd.Timestamp(wanted), index=self.frame.index)
        text = self._text(self.layout.trade_date)
        days = self._dates(text)
        self._reject(days.isna().to_numpy(), "trade date is not a date", text)
        if wanted is not None:
            self._reject((days != pd.Timestamp(wanted)).to_numpy(), "trade date is not the one asked for", text)
        return days

    def _text(self, column: str) -> "pd.Series[str]":
        if column not in self.frame:
            return pd.Series("", index=self.frame.index, dtype=str)
        return self.frame[column].str.strip()

    def _number(self, column: str, required: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return a column as float64, NaN where blank or absent. Text, negative and infinite numbers reject the row."""
        text = self._text(column)
        blank = (text == "").to_numpy()
        number = _to_float(text.where(~blank))
        self._reject(~blank & ~(np.isfinite(number) & (number >= 0)), f"{column} is not a number from 0", text)
        if required is not None:
            self._reject(required & blank, f"{column} is missing", text)
        return number

    def _dates(self, text: "pd.Series[str]") -> "pd.Series[pd.Timestamp]":
        known = {
            value: pd.to_datetime(value, format=self.layout.date_format, errors="coerce") for value in text.unique()
        }
        return pd.to_datetime(text.map(known))

    def _reject(self, bad: NDArray[np.bool_], reason: str, detail: "pd.Series[str]") -> None:
        new = bad & (self.reason == "")
        if new.any():
            self.reason[new] = reason
            self.detail[new] = detail.to_numpy()[new]


def _to_float(text: "pd.Series[str]") -> NDArray[np.float64]:
    try:
        return np.asarray(text.to_numpy(dtype=np.float64))  # a third of to_numeric's time, but for clean columns only
    except ValueError:
        return np.asarray(pd.to_numeric(text, errors="coerce"), dtype=np.float64)


def _whole(lots: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where((lots > 0) & (lots < 2**31) & (lots == np.floor(lots)), lots, np.nan)


def _price(number: NDArray[np.float64]) -> NDArray[np.float64]:
    """The files write 0 where there is no price."""
    return np.where(number > 0, number, np.nan)
