"""Writes what is kept of evaluations."""

from collections.abc import Iterable, Sequence
from itertools import chain

from django.db import transaction
from django.db.models import Model

from moneyness.core.records import LEVEL_COLUMNS, READING_COLUMNS, ChainRecords, Row
from moneyness.models import ChainReading, MoneynessGreeks
from signalsite.foundation.staging import upsert

_TYPES = {
    "DateTimeField": "timestamptz",
    "TextField": "text",
    "DateField": "date",
    "IntegerField": "int4",
    "FloatField": "float8",
}


def record_chains(records: ChainRecords) -> int:
    """Store rows and return how many were new. A row of the same level or term and time that is stored stays.

    The first reading of an interval is the one nearest to its beginning, which is its time. A later one comes from a
    consumer that began again, or from a clock that was set back: it must not change what readers have seen.

    Safe to repeat. Runs in one transaction, or in the caller's.
    """
    with transaction.atomic():
        return _record(MoneynessGreeks, LEVEL_COLUMNS, 3, records.levels.values()) + _record(
            ChainReading, READING_COLUMNS, 2, records.readings.values()
        )


def _record(model: type[Model], names: Sequence[str], key: int, rows: Iterable[Sequence[Row]]) -> int:
    """`key`: how many of the columns, the first ones, are the primary key."""
    distinct: dict[Row, Row] = {}
    for row in chain.from_iterable(rows):
        distinct.setdefault(row[:key], row)
    if not distinct:
        return 0
    types = {name: _TYPES[model._meta.get_field(name).get_internal_type()] for name in names}
    ordered = (distinct[each] for each in sorted(distinct))  # as other writers order them: none waits in a circle
    return upsert(model, types, ordered, key=names[:key], update=None)
