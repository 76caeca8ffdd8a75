"""Says whether what was made of stored bars and ticks is still what they give.

The triggers of the migration `bar_changes` note each change of the two tables in its own transaction. What was made of
them keeps the database's snapshot from before its first read. It is out of date as soon as a committed change of its
instrument and range is not visible in that snapshot. So a kill at any line, a lost message and a Redis that was flushed
or has failed over cannot make it wrong: there is nothing beside the data that could be missed.

One statement checks any number of answers. What is unchanged gets the statement's own snapshot, so that the next check
looks only at what came later.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from signalsite.foundation.rows import binary_rows

SNAPSHOT = re.compile(r"[0-9]{1,18}:[0-9]{1,18}:[0-9,]*", re.ASCII)
Rows = Callable[[str, dict[str, Any]], list[tuple[Any, ...]]]
_OPEN = 2**63 - 1
# Another database, table or timeline counts transactions anew: a restored backup, a promoted standby.
_MOMENT = """
SELECT CASE WHEN NOT pg_is_in_recovery() AND pg_current_xact_id_if_assigned() IS NULL THEN
         (SELECT system_identifier FROM pg_control_system()) || '-' || 'bar_changes'::regclass::oid || '-'
         || left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
       pg_current_snapshot()::text,
       (date_part('epoch', statement_timestamp()) * 1000000)::int8"""
_BOUND = "CASE WHEN e.{0} = %(open)s THEN 'infinity' ELSE timestamptz 'epoch' + e.{0} * interval '1 microsecond' END"
_CHANGED = f"""{_MOMENT},
       ARRAY(
         SELECT e.place::int8 FROM unnest(%(keys)s::text[], %(snapshots)s::pg_snapshot[], %(first)s::int8[],
                                    %(last)s::int8[]) WITH ORDINALITY AS e(key, snapshot, first, last, place)
         WHERE EXISTS (
           SELECT FROM bar_changes c
           WHERE c.instrument_key IN (e.key, '') AND c.xid >= pg_snapshot_xmin(e.snapshot)::text::int8
             AND c.first <= {_BOUND.format("last")} AND c.last >= {_BOUND.format("first")}
             AND NOT pg_visible_in_snapshot(c.xid::text::xid8, e.snapshot)))"""
# A change counts as settled once a statement has seen it. Whoever made an answer without seeing it began before that.
_SETTLE = "UPDATE bar_changes SET settled_at = clock_timestamp() WHERE settled_at IS NULL"
_FORGET = "DELETE FROM bar_changes WHERE settled_at < clock_timestamp() - %s * interval '1 second'"


@dataclass(frozen=True, slots=True)
class Moment:
    """A state of the database. `at`: microseconds since 1970 by its clock, at or before the snapshot."""

    cluster: str
    snapshot: str
    at: int


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer was made of: what is stored of `key` from `first` to `last`, microseconds since 1970, both
    included; None: without an end."""

    key: str
    first: int
    last: int | None
    moment: Moment


def current_moment() -> Moment | None:
    """Return the moment to keep with what is read after it.

    None where nothing may be kept: a transaction that has written sees what nobody else does.
    """
    cluster, snapshot, at = binary_rows(_MOMENT, {})[0]
    return None if cluster is None else Moment(cluster, snapshot, at)


def unchanged(bases: Sequence[Basis], rows: Rows = binary_rows) -> list[Moment | None]:
    """Return for each basis the present moment, as of which it is unchanged; None for one that changed or is too old.

    It is too old after BARS_CACHE_SECONDS without a check. `rows` runs the statement.
    """
    cluster, snapshot, at, changed = rows(
        _CHANGED,
        {
            "keys": [each.key for each in bases],
            "snapshots": [each.moment.snapshot for each in bases],
            "first": [each.first for each in bases],
            "last": [_OPEN if each.last is None else each.last for each in bases],
            "open": _OPEN,
        },
    )[0]
    if cluster is None:
        return [None] * len(bases)
    now, oldest, gone = Moment(cluster, snapshot, at), at - settings.BARS_CACHE_SECONDS * 1_000_000, set(changed)
    return [
        now if each.moment.cluster == cluster and oldest <= each.moment.at <= at and place not in gone else None
        for place, each in enumerate(bases, 1)
    ]


def forget_settled() -> int:
    """Delete the changes that nothing kept can be older than, and return how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_FORGET, [2 * settings.BARS_CACHE_SECONDS])
        forgotten: int = cursor.rowcount
        cursor.execute(_SETTLE)
    return forgotten
