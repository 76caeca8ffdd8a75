"""The results of a configuration in the order of their times, a portion at a time, for files."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import close_old_connections

from batch.configs.core.flattening import Columns, Row
from batch.configs.selectors import ResultsAsked, results_after
from signalsite.foundation.computations.columns import Column
from signalsite.foundation.stored_json import Unreadable, read_json

ROWS = 500
"""In memory at once, as objects. A row has up to 1,280 values of functions."""
_ABOUT = (
    Column("instrument_key", str, "Which instrument."),
    Column("time", str, "The moment that counted as now, ISO 8601 in UTC."),
    Column("source", str, "schedule, tick or backtest."),
    Column("version", int, "Of the configuration."),
    Column("run", int, "The number of the scheduled run."),
    Column("tick", str, "ID of the tick's entry."),
)


class ResultFile:
    """Reads the results twice: for the columns, which a file has before its rows, and for the rows."""

    def __init__(self, configuration: uuid.UUID, asked: ResultsAsked) -> None:
        self._configuration, self._asked = configuration, asked
        self._columns = Columns()

    def columns(self) -> list[Column]:
        for portion in self._portions():
            for *_, values, reasons in portion:
                self._columns.add(_row(values, reasons))
        return [*_ABOUT, *self._columns.make()]

    def parts(self) -> Iterator[Mapping[str, Sequence[Any]]]:
        for portion in self._portions():
            keys, times, sources, versions, runs, ticks, values, reasons = zip(*portion, strict=True)
            yield {
                "instrument_key": keys,
                "time": [time.isoformat() for time in times],
                "source": sources,
                "version": versions,
                "run": runs,
                "tick": [tick or None for tick in ticks],
                **self._columns.table(list(map(_row, values, reasons))),
            }

    def _portions(self) -> Iterator[list[tuple[Any, ...]]]:
        asked = self._asked
        while portion := results_after(self._configuration, asked, ROWS):
            close_old_connections()  # back to the pool, because the reader may be slow
            yield portion
            if len(portion) < ROWS:
                return
            key, time, source = portion[-1][:3]
            after: tuple[datetime, str, str] = (time, key, source)
            asked = replace(asked, after=after)


def _row(values: str, reasons: str) -> Row:
    """Read a row's JSON. One that cannot be read has the reason in its place, and takes no other along."""
    known, why = read_json(values), read_json(reasons)
    for each in (known, why):
        if isinstance(each, Unreadable) or not isinstance(each, Mapping):
            return {}, {"result": str(each)[:200]}
    return known, why
