"""Imports files of quotes by a mapping."""

import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from signals.importers.background import read_ahead
from signals.importers.core.mapping import BadMapping, Mapping
from signals.importers.core.moments import moment_of
from signals.importers.core.quote_table import QuoteTable
from signals.importers.core.raw_table import NotATable, Rejects
from signals.importers.quote_files import read_quote_file
from signals.importers.quote_notes import Noticed
from signals.importers.reports import ImportReport, ProgressCallback, RejectedRow
from signals.instruments.core.underlyings import NSE_INDICES
from signals.instruments.models import Instrument
from signals.instruments.services import register_instruments
from timeframes.bulk import analyze
from timeframes.core.keys import InstrumentKey, Product, parse_key
from timeframes.core.quotes import NUMBER_COLUMNS
from timeframes.core.sessions import local_date
from timeframes.quotes.bulk import record_quote_columns
from timeframes.quotes.models import Quote

ANALYZE_ROWS = 2_000
_MIN_STEPS = 20


def import_quotes(path: Path, mapping: Mapping, *, progress: ProgressCallback) -> ImportReport:
    """Store the contracts and quotes of one file in one transaction, a piece of the file at a time.

    Raises UnreadableFile for a damaged file, NotATable for one without the mapping's columns or without a usable
    row, and BadMapping where the file contradicts the mapping; then nothing is stored.
    """
    store = _Store(path.name, mapping)
    rejects, read = Rejects(), 0
    with transaction.atomic():
        for table in read_ahead(read_quote_file(path, mapping, progress)):
            store.add(table)
            rejects.extend(table.rejects)
            read += table.read
        if not store.loaded:
            first = f"; the first: {rejects.rows[0].reason} ({rejects.rows[0].detail})" if rejects.rows else ""
            raise NotATable(f"none of the {read:,} rows can be used{first}" if read else "the file has no rows")
        if store.written >= ANALYZE_ROWS:
            analyze(Quote)
    return ImportReport(
        path.name,
        store.what,
        read,
        store.loaded,
        store.spots,
        [RejectedRow(path.name, each.row, each.reason, each.detail, each.text) for each in rejects.rows],
        counts=rejects.counts,
        written=store.written,
        notes=tuple(store.noticed.lines()),
    )


class _Store:
    """Stores the pieces of one file, and remembers what it has registered."""

    def __init__(self, name: str, mapping: Mapping) -> None:
        self.name, self.mapping = name, mapping
        self.source = f"quotes-{mapping.name}"
        self.lots: dict[str, int | None] = {}
        self.noticed = Noticed(mapping)
        self.loaded = self.spots = self.written = 0
        self.first, self.last = math.inf, -math.inf
        self.symbols: Counter[str] = Counter()

    @property
    def what(self) -> str:
        names = ", ".join(sorted(self.symbols)[:5]) + (f" and {len(self.symbols) - 5} more" * (len(self.symbols) > 5))
        span = [f"{moment_of(int(each)):%Y-%m-%d %H:%M:%S}" for each in (self.first, self.last)]
        when = span[0] if span[0] == span[1] else f"{span[0]} to {span[1]}"
        return f"{self.mapping.name} quotes of {len(self.lots):,} instruments of {names}, {when} UTC"

    def add(self, table: QuoteTable) -> None:
        self.noticed.see(table)
        if not len(table):
            return
        self._check(table)
        self._register(table)
        self.written += record_quote_columns(
            table.keys, table.place, table.time, self.source, self._stored_numbers(table)
        )
        self.spots += self._underlyings(table, "spot_price", "last")
        self.spots += self._underlyings(table, "forward_price", "settle")
        self.loaded += len(table)
        self.first, self.last = min(self.first, int(table.time.min())), max(self.last, int(table.time.max()))

    def _check(self, table: QuoteTable) -> None:
        if self.loaded:
            return
        if self.mapping.product == "spot" and not self.mapping.overruled:
            _check_name(self.name, {contract.symbol for contract in table.contracts})
        if self.mapping.bar:
            _check_steps(table, self.mapping)

    def _register(self, table: QuoteTable) -> None:
        """Register contracts that are new or have another lot, with the lot of their newest row."""
        newest = np.full(len(table.keys), -1, dtype=np.int64)
        newest[table.place[np.argsort(table.time, kind="stable")]] = np.argsort(table.time, kind="stable")
        used = np.flatnonzero(newest >= 0)
        rows = newest[used]
        sizes = table.numbers["lot_size"][rows]
        wanted: dict[str, InstrumentKey] = {}
        lots: list[int | None] = []
        days = []
        for place, row, size in zip(used.tolist(), rows.tolist(), sizes.tolist(), strict=True):
            key, contract = table.keys[place], table.contracts[place]
            lot = None if math.isnan(size) else int(size)
            if key in self.lots and (lot is None or lot == self.lots[key]):
                continue
            wanted[key] = contract
            lots.append(lot)
            days.append(local_date(contract.exchange, moment_of(int(table.time[row]))))
            self.symbols[contract.symbol] += 1
        if not wanted:
            return
        register_instruments(wanted, lot_sizes=lots, as_of=days)
        known: dict[str, int | None] = dict.fromkeys(wanted)
        if None in lots:
            stored = Instrument.objects.filter(key__in=list(wanted), lot_size__isnull=False)
            known |= dict(stored.values_list("key", "lot_size"))
        self.lots |= {key: known[key] if lot is None else lot for key, lot in zip(wanted, lots, strict=True)}

    def _stored_numbers(self, table: QuoteTable) -> dict[str, NDArray[np.float64]]:
        numbers = table.numbers
        found = {name: numbers[name] for name in NUMBER_COLUMNS if name in table.given}
        if self.mapping.mark_is_settle and "mark_price" in table.given:
            found["settle"] = numbers["settle"]
        known = np.array([self.lots.get(key) or math.nan for key in table.keys] + [math.nan])[table.place]
        for name in ("volume", "open_interest"):
            if (contracts := numbers.get(f"{name}_contracts")) is not None and name in found:
                found[name] = np.where(np.isnan(found[name]), contracts * known, found[name])
                self.noticed.without_lot[name] += int((np.isnan(found[name]) & ~np.isnan(contracts)).sum())
        return found

    def _underlyings(self, table: QuoteTable, field: str, column: str) -> int:
        """Store the prices of the underlying: as spot, or as the future of the option's expiry."""
        prices = table.numbers[field]
        rows = np.flatnonzero(~np.isnan(prices))
        if field not in table.given or not len(rows) or self.mapping.product == "spot":
            return 0
        if self.mapping.spot_at_newest:
            rows = rows[table.time[rows] == table.time[rows].max()]
        named = [_priced(contract, field) for contract in table.contracts]
        keys = list(dict.fromkeys(map(str, named)))
        number = {key: at for at, key in enumerate(keys)}
        place = np.array([number[str(each)] for each in named], dtype=np.int64)[table.place[rows]]
        time, price = table.time[rows], prices[rows]
        order = np.lexsort((np.arange(len(rows)), time, place))
        place, time, price = place[order], time[order], price[order]
        same = (place[1:] == place[:-1]) & (time[1:] == time[:-1])
        self.noticed.disagreeing[field] += int((same & (price[1:] != price[:-1])).sum())
        keep = np.append(~same, True)
        new = {key: parse_key(key) for key in keys if key not in self.lots}
        register_instruments(new)
        self.lots |= dict.fromkeys(new)
        self.written += record_quote_columns(keys, place[keep], time[keep], self.source, {column: price[keep]})
        return int(keep.sum())


def _priced(contract: InstrumentKey, field: str) -> InstrumentKey:
    asset = contract.product.value.partition("_")[0]
    if field == "spot_price":
        return InstrumentKey(contract.exchange, contract.symbol, Product(f"{asset}_spot"))
    return InstrumentKey(contract.exchange, contract.symbol, Product(f"{asset}_futures"), contract.expiry)


def _check_name(name: str, symbols: set[str]) -> None:
    """Refuse a file whose name says another index than its rows: one of the two is wrong."""
    known = NSE_INDICES | {"INDIAVIX"}
    said = set(re.split(r"[^A-Z0-9]+", name.upper())) & known
    if said and symbols & known and not said & symbols:
        raise BadMapping(
            f"the file's name says {', '.join(sorted(said))}, its rows say {', '.join(sorted(symbols))}:"
            " say which with --set symbol=NAME"
        )


def _check_steps(table: QuoteTable, mapping: Mapping) -> None:
    """Refuse bars of another length than the mapping says: their closes would be stored at wrong times.

    A length that the user gives may be less than the steps, as in a sample of every 30th minute.
    """
    order = np.lexsort((table.time, table.place))
    place, time = table.place[order], table.time[order]
    steps = np.diff(time)[place[1:] == place[:-1]]
    if len(steps) < _MIN_STEPS:
        return
    step = int(np.gcd.reduce(steps)) / 1_000_000
    if step % mapping.bar_seconds:
        raise BadMapping(f"the times are not whole bars of {mapping.bar} apart, but {step:g} s: give --bar")
    if mapping.bar_assumed and step > mapping.bar_seconds:
        raise BadMapping(f"the bars are {step:g} s apart, not {mapping.bar}: give --bar {step:g}s")
