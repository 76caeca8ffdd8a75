"""What a configuration gave, as one stream, the oldest first: rows, a table, a file."""

import os
import uuid
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.effects import Emit, Flow, Interrupted, Read, Stream
from ..core.errors import ServiceUnreachable
from ..core.service import Service
from .files import rows_of, table_of, write_file
from .jobs import Moment

if TYPE_CHECKING:
    import pyarrow

ROOT = "/api/v2/signals/configs"
ConfigId = uuid.UUID | str


def config_results_bytes(
    service: Service,
    config: ConfigId,
    *,
    format: str = "ndjson",
    instrument: str | None = None,
    source: str | None = None,
    start_time: Moment | None = None,
    end_time: Moment | None = None,
) -> Stream[bytes]:
    """Iterate over an export of a configuration's results in parts.

    `format`: ndjson, csv, parquet or arrow. `source`: schedule, tick or backtest. An export that breaks off raises
    ServiceUnreachable: results may have come since, so it cannot be continued. Ask again.
    """
    return _export(service, config, format, instrument, source, start_time, end_time)


def config_results(
    service: Service,
    config: ConfigId,
    *,
    instrument: str | None = None,
    source: str | None = None,
    start_time: Moment | None = None,
    end_time: Moment | None = None,
) -> Stream[dict[str, Any]]:
    """Iterate over a configuration's results in one request. Each value has a name of its own, such as greeks.delta."""
    return rows_of(_export(service, config, "ndjson", instrument, source, start_time, end_time))


def config_results_to_arrow(
    service: Service,
    config: ConfigId,
    *,
    instrument: str | None = None,
    source: str | None = None,
    start_time: Moment | None = None,
    end_time: Moment | None = None,
) -> "Flow[pyarrow.Table]":
    """Return a configuration's results as a pyarrow Table, with a column for each value."""
    return table_of(_export(service, config, "arrow", instrument, source, start_time, end_time))


def export_config_results(
    service: Service,
    config: ConfigId,
    path: "str | os.PathLike[str]",
    *,
    format: str | None = None,
    instrument: str | None = None,
    source: str | None = None,
    start_time: Moment | None = None,
    end_time: Moment | None = None,
) -> Flow[Path]:
    """Write a configuration's results to a file, and return its path.

    The format follows from the name: .ndjson (or .jsonl), .csv, .parquet or .arrow. The file appears when it is
    complete.
    """

    def ask(chosen: str) -> Stream[bytes]:
        return _export(service, config, chosen, instrument, source, start_time, end_time)

    return write_file(path, format, ask)


def _export(
    service: Service,
    config: ConfigId,
    format: str,
    instrument: str | None,
    source: str | None,
    start_time: Moment | None,
    end_time: Moment | None,
) -> Stream[bytes]:
    asked = {"format": format, "instrument": instrument, "source": source}
    asked |= {"start_time": _text(start_time), "end_time": _text(end_time)}
    query = {name: value for name, value in asked.items() if value is not None}
    reply = yield from service.open(f"{ROOT}/{uuid.UUID(str(config))}/results/export", query=query)
    try:
        while part := (yield Read(reply.stream)):
            yield Emit(part)
    except Interrupted as error:
        raise ServiceUnreachable(f"the export of configuration {config} broke off: {error}") from error.__cause__


def _text(moment: Moment | None) -> str | None:
    return moment.isoformat() if isinstance(moment, date) else moment  # a datetime is a date too
