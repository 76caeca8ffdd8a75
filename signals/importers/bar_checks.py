"""Checks bars, in a file or stored, and changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from signals.importers.core.bar_table import OFF_GRID, REPEATED, BarTable, bar_table
from signals.importers.core.mapping import Mapping
from signals.importers.core.raw_table import NotATable, Rejects
from signals.importers.quote_files import read_raw_tables
from signals.importers.reports import ProgressCallback
from signalsite.foundation.errors import InvalidInput
from timeframes.bars.raw import MOST, load_raw_bars
from timeframes.core.bar_checks import MOST_EXAMPLES, Finding, check_bars, iso
from timeframes.core.bar_compare import below_intrinsic, compare_bars
from timeframes.core.bars import BarColumns, join
from timeframes.core.keys import InstrumentKey, parse_key
from timeframes.core.timeframe import format_timeframe


@dataclass(frozen=True)
class Checked:
    """What is found in the bars of one instrument, or in the rows of a whole file (`instrument` is empty then)."""

    source: str
    instrument: str
    timeframe: str
    bars: int
    findings: list[Finding] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "source": self.source,
            "instrument_key": self.instrument or None,
            "timeframe": self.timeframe,
            "bars": self.bars,
            "findings": [
                {
                    "kind": found.kind,
                    "count": found.count,
                    "detail": found.detail,
                    "first": None if found.first is None else iso(found.first),
                    "last": None if found.last is None else iso(found.last),
                    "examples": list(found.examples),
                }
                for found in self.findings
            ],
        }


@dataclass(frozen=True)
class Span:
    """A range of stored bars: those that begin in [start, end)."""

    start: datetime | None = None
    end: datetime | None = None

    def load(self, key: str, seconds: int) -> BarColumns:
        return load_raw_bars(key, seconds, self.start, self.end)


def check_stored(key: str, seconds: int, span: Span, against: Sequence[int] = ()) -> list[Checked]:
    """Check the stored bars of an instrument. `against`: lengths of coarser stored bars to compare with.

    Raises InvalidInput if none are stored.
    """
    bars = span.load(key, seconds)
    if not len(bars):
        raise InvalidInput("instrument", f"no {format_timeframe(seconds)} bars of {key} are stored in that range")
    return [_checked("stored", parse_key(key), seconds, bars, span, against)]


def check_file(
    path: Path, mapping: Mapping, seconds: int, against: Sequence[int] = (), *, progress: ProgressCallback
) -> list[Checked]:
    """Check a file of bars before its import: its rows, and the bars of each instrument.

    `against`: lengths of stored bars of the same instruments to compare with. Raises UnreadableFile and NotATable.
    """
    tables, rejects, read, facts = list[BarTable](), Rejects(), 0, dict[str, int]()
    for raw in read_raw_tables(path, mapping, progress):
        table = bar_table(raw, mapping, seconds)
        tables.append(table)
        rejects.extend(table.rejects)
        read += table.read
        for fact, count in table.facts.items():
            facts[fact] = facts.get(fact, 0) + count
        if read > MOST:
            raise NotATable(f"over {MOST:,} rows: check a part of the file")
    findings = [_of_rejects(reason, count, rejects) for reason, count in rejects.counts.most_common()]
    findings += [Finding("note", count, fact) for fact, count in facts.items()]
    found = [Checked(path.name, "", format_timeframe(seconds), read, findings)]
    for contract, bars in _by_instrument(tables):
        found.append(_checked(path.name, contract, seconds, bars, Span(), against))
    return found


def _of_rejects(reason: str, count: int, rejects: Rejects) -> Finding:
    kind = "double" if reason == REPEATED else "off_grid" if OFF_GRID.fullmatch(reason) else "rejected"
    rows = [f"row {each.row}: {each.text[:120]}" for each in rejects.rows if each.reason == reason]
    return Finding(kind, count, f"rows: {reason}", examples=tuple(rows[:MOST_EXAMPLES]))


def _by_instrument(tables: list[BarTable]) -> list[tuple[InstrumentKey, BarColumns]]:
    parts: dict[InstrumentKey, list[BarColumns]] = {}
    for table in tables:
        starts = np.flatnonzero(np.diff(table.place, prepend=-1))
        for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), len(table.place)], strict=True):
            parts.setdefault(table.contracts[table.place[begin]], []).append(table.bars.take(slice(begin, end)))
    return [(contract, join(each)) for contract, each in parts.items()]


def _checked(
    source: str, key: InstrumentKey, seconds: int, bars: BarColumns, span: Span, against: Sequence[int]
) -> Checked:
    findings = check_bars(bars, key, seconds)
    for other in against:
        fine, coarse = sorted((seconds, other))
        stored = span.load(str(key), other)
        pair = (bars, stored) if fine == seconds else (stored, bars)
        compared, differing = compare_bars(pair[0], fine, pair[1], coarse, key)
        findings += differing
        if not compared and not differing:
            findings.append(Finding("compare", 0, f"no whole {format_timeframe(coarse)} bar is in both: none compared"))
    if key.right:
        findings += below_intrinsic(bars, key, span.load(key.spot, seconds))
    return Checked(source, str(key), format_timeframe(seconds), len(bars), findings)
