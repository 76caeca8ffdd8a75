"""Imports files of bars."""

from pathlib import Path

from django.db import transaction

from signals.importers.core.bar_table import bar_table
from signals.importers.core.mapping import Mapping
from signals.importers.core.raw_table import NotATable
from signals.importers.quote_files import read_raw_tables
from signals.importers.reports import ImportReport, ProgressCallback, RejectedRow
from signals.instruments.services import register_instruments
from timeframes.bars.services import record_bars
from timeframes.bars.stream_bars import live_bars_at
from timeframes.core.grid import instant
from timeframes.core.keys import InstrumentKey
from timeframes.core.timeframe import format_timeframe

SLICE = 50_000


def import_bars(
    path: Path, mapping: Mapping, key: InstrumentKey, seconds: int, *, progress: ProgressCallback
) -> ImportReport:
    """Store the bars of one file in one transaction, and register their instrument.

    Raises UnreadableFile for a damaged file and NotATable for one without the columns, with too many rows or without a
    usable one, and then stores nothing. `progress` counts bytes: half for reading the file, half for storing its bars.
    """
    size = 0

    def advance(done: int, total: int) -> None:
        nonlocal size
        size = total
        progress(done, 2 * total)

    found = bar_table(read_raw_tables(path, mapping, advance), mapping, key, seconds)
    bars, total = found.bars, len(found.bars)
    if not total:
        first = found.rejects.rows[0] if found.rejects.rows else None
        why = f"; the first: {first.reason} ({first.detail})" if first else ""
        raise NotATable(f"none of the {found.read:,} rows can be used{why}")
    written, source = 0, f"import-{mapping.name}"
    with transaction.atomic():
        live = live_bars_at(str(key), seconds, bars.time)
        register_instruments({str(key): key})
        for begin in range(0, total, SLICE):
            written += record_bars(str(key), seconds, bars.take(slice(begin, begin + SLICE)), source=source)
            progress(size + size * min(begin + SLICE, total) // total, 2 * size)
    facts = dict(found.facts) | ({"live bars were replaced": live} if live else {})
    first_day, last_day = (instant(int(bars.time[place])).date() for place in (0, -1))
    return ImportReport(
        path.name,
        f"{format_timeframe(seconds)} bars of {key} from {first_day} to {last_day}",
        found.read,
        total,
        0,
        [RejectedRow(path.name, each.row, each.reason, each.detail, each.text) for each in found.rejects.rows],
        counts=found.rejects.counts,
        written=written,
        notes=(*found.notes, *(f"{count:,} {fact}" for fact, count in facts.items())),
    )
