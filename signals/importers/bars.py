"""Imports files of bars."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from signals.importers.core.bar_table import bar_table
from signals.importers.core.mapping import Mapping
from signals.importers.core.raw_table import NotAQuoteTable
from signals.importers.quote_files import read_raw_tables
from signals.importers.reports import ImportReport, ProgressCallback, RejectedRow
from signals.instruments.services import register_instruments
from timeframes.bars.services import record_bars
from timeframes.core.grid import instant
from timeframes.core.keys import InstrumentKey
from timeframes.core.timeframe import format_timeframe

SLICE = 50_000


@dataclass(frozen=True)
class BarReport(ImportReport):
    """`changed`: how many bars were new or differ from the stored ones. `notes`: what a reader should know."""

    changed: int = 0
    notes: tuple[str, ...] = ()

    def lines(self, seconds: float) -> Iterable[str]:
        *lines, last = super().lines(seconds)
        yield from lines
        yield f"  changed   {self.changed:>9,}"
        yield last
        yield from (f"  note: {note}" for note in self.notes)


def import_bars(
    path: Path, mapping: Mapping, key: InstrumentKey, seconds: int, *, progress: ProgressCallback
) -> BarReport:
    """Store the bars of one file in one transaction, and register their instrument.

    Raises UnreadableFile for a damaged file and NotAQuoteTable for one without the columns or without a usable row,
    and then stores nothing.
    """
    found = bar_table(list(read_raw_tables(path, mapping)), mapping, key, seconds)
    bars, total = found.bars, len(found.bars)
    if not total:
        first = found.rejects.rows[0] if found.rejects.rows else None
        why = f"; the first: {first.reason} ({first.detail})" if first else ""
        raise NotAQuoteTable(f"none of the {found.read:,} rows can be used{why}")
    changed, source = 0, f"import-{mapping.name}"
    with transaction.atomic():
        register_instruments({str(key): key})
        for begin in range(0, total, SLICE):
            changed += record_bars(str(key), seconds, bars.take(slice(begin, begin + SLICE)), source=source)
            progress(min(begin + SLICE, total), total)
    first_day, last_day = (instant(int(bars.time[place])).date() for place in (0, -1))
    what = f"{format_timeframe(seconds)} bars of {key} from {first_day} to {last_day}"
    rejected = [RejectedRow(path.name, row.row, row.reason, row.detail, row.text) for row in found.rejects.rows]
    if (more := sum(found.rejects.counts.values()) - len(rejected)) > 0:
        found.facts[f"more rows rejected: {', '.join(found.rejects.counts)}"] = more
    notes = (*found.notes, *(f"{count:,} {fact}" for fact, count in found.facts.items()))
    return BarReport(path.name, what, found.read, total, 0, rejected, changed=changed, notes=notes)
