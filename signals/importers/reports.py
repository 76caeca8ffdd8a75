"""The report of an import, and the file of the rows that it could not use."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

ProgressCallback = Callable[[int, int], None]  # rows or bytes done, and in all


@dataclass(frozen=True)
class RejectedRow:
    file: str
    row: int
    reason: str
    detail: str
    text: str


@dataclass(frozen=True)
class ImportReport:
    """`loaded` counts contracts with their quotes, rates or dividends; `spots` the underlyings' quotes in the file.

    `rejected` may hold only the first of very many; `counts` then has the number of each reason. `written` counts the
    quotes or bars that were new or changed, None where the importer does not know. `notes` say what was converted, left
    out or noticed.
    """

    file: str
    what: str
    rows_read: int
    loaded: int
    spots: int
    rejected: list[RejectedRow] = field(default_factory=list)
    counts: Counter[str] | None = None
    written: int | None = None
    notes: tuple[str, ...] = ()

    def lines(self, seconds: float) -> Iterable[str]:
        yield f"{self.file}: {self.what}"
        yield f"  rows read {self.rows_read:>9,}"
        yield f"  loaded    {self.loaded:>9,}" + (f"  and {self.spots:,} spot prices" if self.spots else "")
        if self.written is not None:
            yield f"  written   {self.written:>9,}  new or changed"
        counts = Counter(row.reason for row in self.rejected) if self.counts is None else self.counts
        yield f"  rejected  {counts.total():>9,}"
        for reason, count in counts.most_common():
            yield f"  {count:>19,}  {reason}"
        if counts.total() > len(self.rejected):
            yield f"  the rejects file has the first {len(self.rejected):,} of them"
        for note in self.notes:
            yield f"  note: {note}"
        yield f"  seconds   {seconds:>9.1f}"


def write_rejects(path: Path, rows: list[RejectedRow]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "row", "reason", "detail", "text"])
        writer.writerows([row.file, row.row, row.reason, row.detail, row.text] for row in rows)
