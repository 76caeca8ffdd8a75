"""All results of an ended job as one stream: rows, tables, files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.arrow_stream import ArrowDecoder
from ..core.effects import Emit, Flow, Interrupted, Pause, Read, Stream
from ..core.errors import ClientError, ServiceUnreachable
from ..core.service import ATTEMPTS, Service, backoff
from .files import batches_of, rows_of, table_of, write_file
from .jobs import JobId, job_path, wait

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class ExportChanged(ClientError):
    """An export that broke off is not the same any more: begin it anew."""


def iter_bytes(service: Service, job: JobId, *, format: str = "ndjson", status: str | None = None) -> Stream[bytes]:
    """Iterate over an export in parts, when the job has ended.

    `format`: ndjson, csv, parquet or arrow. An export that breaks off is asked for again, and continues where it broke
    off: the results of an ended job do not change.
    """
    ended = yield from wait(service, job)
    query = {"format": format} | ({"status": status} if status else {})
    etag, given, attempt = None, 0, 1
    while True:
        reply = yield from service.open(f"{job_path(ended)}/export", query=query)
        if etag not in (None, reply.headers.get("etag")):
            raise ExportChanged(f"the export of job {ended.id} has changed since it began")
        etag = reply.headers.get("etag")
        skip = given
        try:
            while part := (yield Read(reply.stream)):
                if len(part) <= skip:
                    skip -= len(part)
                    continue
                new = part[skip:]
                given, skip, attempt = given + len(new), 0, 1
                yield Emit(new)
            return
        except Interrupted as error:
            if attempt == ATTEMPTS:
                raise ServiceUnreachable(f"the export of job {ended.id} broke off: {error}") from error.__cause__
        yield Pause(backoff(attempt))
        attempt += 1


def stream(service: Service, job: JobId, *, status: str | None = None) -> Stream[dict[str, Any]]:
    """Iterate over all results in one request, when the job has ended. `results` does not wait for the end."""
    return rows_of(iter_bytes(service, job, status=status))


def iter_batches(service: Service, job: JobId, *, status: str | None = None) -> "Stream[pyarrow.RecordBatch]":
    """Iterate over all results as pyarrow RecordBatches, when the job has ended. One batch is in memory at a time."""
    return batches_of(iter_bytes(service, job, format="arrow", status=status), ArrowDecoder())


def to_arrow(service: Service, job: JobId, *, status: str | None = None) -> "Flow[pyarrow.Table]":
    """Return all results as a pyarrow Table, when the job has ended."""
    return table_of(iter_bytes(service, job, format="arrow", status=status))


def to_pandas(service: Service, job: JobId, *, status: str | None = None) -> "Flow[pandas.DataFrame]":
    """Return all results as a pandas DataFrame, when the job has ended."""
    table = yield from to_arrow(service, job, status=status)
    return table.to_pandas()


def to_polars(service: Service, job: JobId, *, status: str | None = None) -> "Flow[polars.DataFrame]":
    """Return all results as a polars DataFrame, when the job has ended."""
    import polars

    table = yield from to_arrow(service, job, status=status)
    return polars.from_arrow(table)  # type: ignore[return-value]  # of a table it is no Series


def export(
    service: Service,
    job: JobId,
    path: "str | os.PathLike[str]",
    *,
    format: str | None = None,
    status: str | None = None,
) -> Flow[Path]:
    """Write all results to a file, when the job has ended, and return its path.

    The format follows from the name: .ndjson (or .jsonl), .csv, .parquet or .arrow. The file appears when it is
    complete; until then the results are in a temporary file beside it.
    """
    return write_file(path, format, lambda chosen: iter_bytes(service, job, format=chosen, status=status))
