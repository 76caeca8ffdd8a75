"""Imports end-of-day derivatives files."""

import math
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import pandas as pd
from django.db import transaction

from signals.importers.core.bhavcopy import Contracts, read_bhavcopy
from signals.importers.core.bhavcopy_layouts import Layout, NotABhavcopy
from signals.importers.files import decode, read_parts
from signals.importers.reports import ImportReport, ProgressCallback, RejectedRow
from signals.instruments.services import register_instruments
from timeframes.core.exchanges import KOLKATA
from timeframes.core.keys import InstrumentKey, Product, Right
from timeframes.core.quotes import QuoteRows
from timeframes.core.sessions import session_close
from timeframes.quotes.services import record_quotes

SLICE = 10_000
# The exchange's daily zip holds a dozen reports; the contracts are in foDDMMYYYY.csv (futures) and opDDMMYYYY.csv.
_DAILY_ZIP_MEMBER = re.compile(r"(?:fo|op)(\d{8})\.csv", re.IGNORECASE)


def import_bhavcopy(path: Path, *, trade_date: date | None, progress: ProgressCallback) -> ImportReport:
    """Store the contracts and quotes of one file in one transaction.

    Raises UnreadableFile for a damaged file and NotABhavcopy for one without a usable row, and then stores nothing.
    """
    parts = read_contracts(path, trade_date=trade_date)
    rejected = [
        RejectedRow(name, row.row, row.reason, row.detail, row.text)
        for name, part in parts.items()
        for row in part.rejected
    ]
    total = sum(len(part.table) for part in parts.values())
    if not total:
        why = f"; the first: {rejected[0].reason} ({rejected[0].detail})" if rejected else ""
        raise NotABhavcopy(f"none of the {len(rejected):,} rows can be used{why}")
    spots = done = 0
    with transaction.atomic():
        for part in parts.values():
            spots += _store_spots(part)
            for rows in _slices(part.table):
                _store_contracts(rows, part.layout)
                done += len(rows)
                progress(done, total)
    return ImportReport(path.name, _what(parts), sum(p.rows_read for p in parts.values()), total, spots, rejected)


def read_contracts(path: Path, *, trade_date: date | None = None) -> dict[str, Contracts]:
    """Read one file and return its parts by name. Raises UnreadableFile and NotABhavcopy."""
    return {name: read_bhavcopy(text, trade_date=trade_date or day) for name, text, day in _texts(path)}


def _texts(path: Path) -> Iterator[tuple[str, str, date | None]]:
    """Yield (name, text, date in the name) of each part that holds contracts."""
    parts = read_parts(path)
    daily = {name: found for name in parts if (found := _DAILY_ZIP_MEMBER.fullmatch(Path(name).name))}
    tables = [name for name in parts if name.lower().endswith((".csv", ".txt"))] if len(parts) > 1 else list(parts)
    if not daily and len(tables) != 1:
        raise NotABhavcopy(f"the zip holds {len(tables)} CSV files and none is named foDDMMYYYY.csv or opDDMMYYYY.csv")
    for name in daily or tables:
        yield name, decode(parts[name]), _date_of(daily[name][1]) if name in daily else None


def _date_of(digits: str) -> date | None:
    try:
        return datetime.strptime(digits, "%d%m%Y").replace(tzinfo=KOLKATA).date()
    except ValueError:
        return None


def _slices(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, len(table), SLICE):
        yield table.iloc[start : start + SLICE]


def _store_contracts(rows: pd.DataFrame, layout: Layout) -> None:
    columns = (rows[name].tolist() for name in ("exchange", "symbol", "right", "expiry", "strike"))
    keys = list(map(_key, *columns))
    names = list(map(str, keys))
    _register(dict(zip(names, keys, strict=True)), names, rows)
    record_quotes(
        QuoteRows(
            instrument_key=names,
            time=_closes(rows),
            source=f"bhavcopy-{layout.name}",
            close=rows["close"].to_numpy(),
            settle=rows["settle"].to_numpy() if layout.settle else None,
            last=rows["last"].to_numpy() if layout.last else None,
            volume=rows["volume"].to_numpy(),
            open_interest=rows["open_interest"].to_numpy(),
        )
    )


def _register(keys: dict[str, InstrumentKey], names: list[str], rows: pd.DataFrame) -> None:
    """Register each contract with the lot of its newest row that has one: a file may hold several days."""
    lots: dict[str, tuple[date, int | None]] = dict.fromkeys(keys, (date.min, None))
    for name, lot, day in zip(names, rows["lot_size"].tolist(), rows["trade_date"].tolist(), strict=True):
        if not math.isnan(lot) and day >= lots[name][0]:
            lots[name] = (day, int(lot))
    days, sizes = zip(*lots.values(), strict=True)
    register_instruments(keys, lot_sizes=sizes, as_of=days)


def _store_spots(part: Contracts) -> int:
    rows = part.table.dropna(subset="underlying_price").drop_duplicates(["exchange", "symbol", "trade_date"])
    if rows.empty:
        return 0
    keys = [
        InstrumentKey(exchange, symbol, Product.EQUITY_SPOT)
        for exchange, symbol in zip(rows["exchange"], rows["symbol"], strict=True)
    ]
    register_instruments({str(key): key for key in keys})
    return record_quotes(
        QuoteRows(
            instrument_key=[str(key) for key in keys],
            time=_closes(rows),
            source=f"bhavcopy-{part.layout.name}",
            close=rows["underlying_price"].to_numpy(),
        )
    )


def _closes(rows: pd.DataFrame) -> list[datetime]:
    return list(map(session_close, rows["exchange"].tolist(), rows["trade_date"].tolist()))


def _key(exchange: str, symbol: str, right: str, expiry: date, strike: float) -> InstrumentKey:
    if not right:
        return InstrumentKey(exchange, symbol, Product.EQUITY_FUTURES, expiry)
    return InstrumentKey(exchange, symbol, Product.EQUITY_OPTIONS, expiry, Right(right), _decimal(strike))


@lru_cache(maxsize=16_384)
def _decimal(strike: float) -> Decimal:
    return Decimal(repr(strike))


def _what(parts: dict[str, Contracts]) -> str:
    layout = next(iter(parts.values())).layout.name
    tables = [part.table for part in parts.values()]
    days = sorted({day.isoformat() for table in tables for day in table["trade_date"].unique()})
    options = sum(int((table["right"] != "").sum()) for table in tables)
    futures = sum(int((table["right"] == "").sum()) for table in tables)
    return f"{layout} bhavcopy of {', '.join(days)}, {options:,} options and {futures:,} futures"
