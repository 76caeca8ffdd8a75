"""The report of an import, and the file of the rows that it could not use."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

ProgressCallback = Callable[[int, int], None]  # rows done, rows in all


@dataclass(frozen=True)
class RejectedRow:
    file: str
    row: int
    reason: str
    detail: str
    text: str


@dataclass(frozen=True)
class ImportReport:
    """`loaded` counts contracts with their quotes, rates or dividends; `spots` the underlyings' quotes in the file."""

    file: str
    what: str
    rows_read: int
    loaded: int
    spots: int
    rejected: list[RejectedRow] = field(default_factory=list)

    def lines(self, seconds: float) -> Iterable[str]:
        yield f"{self.file}: {self.what}"
        yield f"  rows read {self.rows_read:>9,}"
        yield f"  loaded    {self.loaded:>9,}" + (f"  and {self.spots:,} spot prices" if self.spots else "")
        yield f"  rejected  {len(self.rejected):>9,}"
        for reason, count in Counter(row.reason for row in self.rejected).most_common():
            yield f"  {count:>19,}  {reason}"
        yield f"  seconds   {seconds:>9.1f}"


def write_rejects(path: Path, rows: list[RejectedRow]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "row", "reason", "detail", "text"])
        writer.writerows([row.file, row.row, row.reason, row.detail, row.text] for row in rows)
