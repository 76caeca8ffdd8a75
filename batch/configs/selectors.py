"""Reads of runs and results for those who may see the configuration."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db.models import QuerySet
from django.http import Http404
from rest_framework.exceptions import PermissionDenied

from signals.configs.core.results import Source
from signals.configs.models import Configuration, ConfigurationRun
from signals.configs.selectors import may_act_on, visible_to
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.rows import binary_rows
from timeframes.core.grid import instant, microseconds

_RESULTS = """
SELECT instrument_key, time, source, version, run, tick, values::text, reasons::text
FROM signal_configuration_results
WHERE {conditions}
ORDER BY {order} LIMIT %(limit)s
"""
_NEWEST_FIRST, _OLDEST_FIRST = "time DESC, instrument_key, source", "time, instrument_key, source"
_CONDITIONS = {
    "configuration": "configuration_id = %(configuration)s",
    "instrument": "instrument_key = %(instrument)s",
    "source": "source = %(source)s",
    "start": "time >= %(start)s",
    "end": "time < %(end)s",
}
_AFTER = {
    _NEWEST_FIRST: "time <= %(after)s"
    " AND (time < %(after)s OR (instrument_key, source) > (%(after_key)s, %(after_source)s))",
    _OLDEST_FIRST: "(time, instrument_key, source) > (%(after)s, %(after_key)s, %(after_source)s)",
}


def get_configuration(user: Any, identity: uuid.UUID) -> Configuration:
    """Raises Http404 for one that the user may not see: it does not exist for that user."""
    found = visible_to(user).filter(pk=identity).first()
    if found is None:
        raise Http404
    return found


def get_configuration_to_run(user: Any, identity: uuid.UUID) -> Configuration:
    """Raises PermissionDenied if the user may only see it."""
    found = get_configuration(user, identity)
    if not may_act_on(user, found):
        raise PermissionDenied("it takes the permission signals.change_configuration to run another's configuration")
    return found


def runs_page(
    configuration: Configuration, *, state: str | None, before: datetime | None, limit: int
) -> list[ConfigurationRun]:
    """Return runs, the newest due moment first, from the one before `before`."""
    rows: QuerySet[ConfigurationRun] = ConfigurationRun.objects.filter(configuration=configuration)
    if state is not None:
        rows = rows.filter(state=state)
    if before is not None:
        rows = rows.filter(due__lt=before)
    return list(rows.order_by("-due")[:limit])


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsAsked:
    """`after`: the last row of the page before: its time, instrument and source."""

    instrument: str | None = None
    source: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    after: tuple[datetime, str, str] | None = None


def results_page(configuration: uuid.UUID, asked: ResultsAsked, limit: int) -> list[dict[str, Any]]:
    """Return rows of results, the newest first. Their JSON is as PostgreSQL has it, unread."""
    return [_row(*row) for row in _read(configuration, asked, limit, _NEWEST_FIRST)]


def results_after(configuration: uuid.UUID, asked: ResultsAsked, limit: int) -> list[tuple[Any, ...]]:
    """Return rows, the oldest first: key, time, source, version, run, tick, and values and reasons as text."""
    return _read(configuration, asked, limit, _OLDEST_FIRST)


def _read(configuration: uuid.UUID, asked: ResultsAsked, limit: int, order: str) -> list[tuple[Any, ...]]:
    values: dict[str, Any] = {
        "configuration": configuration,
        "instrument": asked.instrument,
        "source": asked.source,
        "start": asked.start,
        "end": asked.end,
    }
    if asked.after is not None:
        values["after"], values["after_key"], values["after_source"] = asked.after
    values = {name: value for name, value in values.items() if value is not None}
    known = {**_CONDITIONS, "after": _AFTER[order]}
    conditions = " AND ".join(text for name, text in known.items() if name in values)
    return binary_rows(_RESULTS.format(conditions=conditions, order=order), {**values, "limit": limit})


def _row(
    key: str, moment: datetime, source: str, version: int, run: int | None, tick: str, values: str, reasons: str
) -> dict[str, Any]:
    about: Mapping[str, Any] = {"instrument_key": key, "time": moment, "source": source, "version": version}
    return {
        **about,
        "run": run,
        "tick": tick or None,
        "values": orjson.Fragment(values),
        "reasons": orjson.Fragment(reasons),
    }


def result_cursor(row: Mapping[str, Any]) -> str:
    return f"{microseconds(row['time'])}~{row['source']}~{row['instrument_key']}"


def read_result_cursor(text: str) -> tuple[datetime, str, str]:
    """Raises InvalidInput for what no page gave."""
    number, _, rest = text.partition("~")
    source, _, key = rest.partition("~")
    try:
        if not key:
            raise ValueError(text)
        return instant(int(number)), key, Source(source).value
    except (ValueError, OverflowError) as error:
        raise InvalidInput("cursor", "not a cursor that a page of this list gave") from error
