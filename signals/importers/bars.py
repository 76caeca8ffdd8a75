"""Imports files of bars."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
from django.db import transaction

from signals.importers.background import read_ahead
from signals.importers.core.bar_looks import Looks
from signals.importers.core.bar_table import BarTable, bar_table
from signals.importers.core.mapping import Mapping
from signals.importers.core.raw_table import NotATable, Rejects
from signals.importers.quote_files import read_raw_tables
from signals.importers.reports import ImportReport, ProgressCallback, RejectedRow
from signals.instruments.services import register_instruments
from timeframes.bars.models import Bar
from timeframes.bars.services import record_bar_columns
from timeframes.bars.stream_bars import live_bars_at
from timeframes.bulk import analyze
from timeframes.core.grid import instant
from timeframes.core.keys import InstrumentKey
from timeframes.core.timeframe import format_timeframe

ANALYZE_ROWS = 2_000


def import_bars(path: Path, mapping: Mapping, seconds: int, *, progress: ProgressCallback) -> ImportReport:
    """Store the bars of one file in one transaction, a piece of the file at a time, and register their instruments.

    Raises UnreadableFile for a damaged file and NotATable for one without the columns or without a usable row, and then
    stores nothing. `progress` counts bytes of the file.
    """
    store = _Store(f"import-{mapping.name}", seconds)
    with transaction.atomic():
        for table in read_ahead(bar_table(raw, mapping, seconds) for raw in read_raw_tables(path, mapping, progress)):
            store.add(table)
        if not store.loaded:
            first = store.rejects.rows[0] if store.rejects.rows else None
            why = f"; the first: {first.reason} ({first.detail})" if first else ""
            raise NotATable(f"none of the {store.read:,} rows can be used{why}")
        if store.written >= ANALYZE_ROWS:
            analyze(Bar)
    facts = store.facts + store.looks.finish()
    return ImportReport(
        path.name,
        store.what,
        store.read,
        store.loaded,
        0,
        [RejectedRow(path.name, each.row, each.reason, each.detail, each.text) for each in store.rejects.rows],
        counts=store.rejects.counts,
        written=store.written,
        notes=(*store.notes, *(f"{count:,} {fact}" for fact, count in facts.items())),
    )


class _Store:
    """Stores the pieces of one file, and remembers what it has registered."""

    def __init__(self, source: str, seconds: int) -> None:
        self.source, self.seconds = source, seconds
        self.looks, self.rejects, self.facts = Looks(seconds), Rejects(), Counter[str]()
        self.notes: dict[str, None] = {}
        self.known: dict[str, InstrumentKey] = {}
        self.read = self.loaded = self.written = 0
        self.first, self.last = math.inf, -math.inf

    @property
    def what(self) -> str:
        keys = list(self.known)
        of = ", ".join(keys[:3]) + (f" and {len(keys) - 3:,} more instruments" if len(keys) > 3 else "")
        first, last = (instant(int(each)).date() for each in (self.first, self.last))
        return f"{format_timeframe(self.seconds)} bars of {of} from {first} to {last}"

    def add(self, table: BarTable) -> None:
        self.read += table.read
        self.rejects.extend(table.rejects)
        self.facts += table.facts
        self.notes |= dict.fromkeys(table.notes)
        if not len(table.bars):
            return
        keys = [str(contract) for contract in table.contracts]
        new = {keys[at]: table.contracts[at] for at in np.unique(table.place).tolist() if keys[at] not in self.known}
        register_instruments(new)
        self.known |= new
        if live := live_bars_at(keys, table.place, self.seconds, table.bars.time):
            self.facts["live bars were replaced"] += live
        self.written += record_bar_columns(keys, table.place, self.seconds, table.bars, source=self.source)
        self.looks.see(table.contracts, table.place, table.bars)
        self.loaded += len(table.bars)
        self.first = min(self.first, int(table.bars.time.min()))
        self.last = max(self.last, int(table.bars.time.max()))
