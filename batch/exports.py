"""Results as files: CSV and Parquet, in batches of constant memory."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from django.db.models import Count
from pyarrow import parquet

from batch.models import Job, Result
from batch.selectors import read_results
from signalsite.foundation.errors import InvalidInput

ROWS_PER_BATCH = 5000
COLUMNS = (
    "instrument_key",
    "status",
    "reason",
    "implied_volatility",
    "delta",
    "gamma",
    "theta",
    "vega",
    "rho",
    "price_used",
    "price_source",
    "underlying_used",
    "forward",
    "forward_source",
    "expiry_years",
    "rate",
)
_TEXT = {"instrument_key", "status", "reason", "price_source", "forward_source"}
SCHEMA = pa.schema([(name, pa.string() if name in _TEXT else pa.float64()) for name in COLUMNS])

Batches = Iterator[list[dict[str, Any]]]


def result_batches(job: Job) -> Batches:
    """The job's items in the order of the request, decoded, a few thousand at a time."""
    after: int | None = -1
    while after is not None:
        page, after = read_results(job, after=after, limit=ROWS_PER_BATCH)
        yield orjson.loads(f"[{page.joined}]")


def count_by_status(job: Job) -> list[tuple[str, int]]:
    counts = Result.objects.filter(job=job).order_by().values_list("status").annotate(count=Count("*"))
    return sorted(counts, key=lambda row: (row[0] != "ok", -row[1]))


def writer(path: str) -> Callable[[Batches], None]:
    """The function that writes batches to this path. Raises InvalidInput for a kind of file that is not offered."""
    target = Path(path)
    kinds: dict[str, Callable[[Path, Batches], None]] = {".csv": _write_csv, ".parquet": _write_parquet}
    write = kinds.get(target.suffix.lower())
    if write is None:
        raise InvalidInput("out", f"{path} must end in {' or '.join(kinds)}")
    return lambda batches: write(target, batches)


def _write_csv(path: Path, batches: Batches) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        rows.writeheader()
        for batch in batches:
            rows.writerows(batch)


def _write_parquet(path: Path, batches: Batches) -> None:
    with parquet.ParquetWriter(path, SCHEMA, compression="zstd") as file:
        for batch in batches:
            file.write_table(pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in batch], SCHEMA))
