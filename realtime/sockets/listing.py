"""The rows of open sockets in PostgreSQL: three statements for any number of them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction

from realtime.models import SocketProcess, WebsocketSubscription

_SEEN = """
INSERT INTO signal_websocket_processes AS stored (name, started_at, seen_at) VALUES (%s, %s, now())
ON CONFLICT (name) DO UPDATE SET seen_at = now() RETURNING stored.xmax = 0
"""
_WRITE = """
INSERT INTO signal_websocket_subscriptions
    (id, process_id, user_id, client_id, topics, subscriptions, opened_at, changed_at)
SELECT i, %s, u, c, t::jsonb, s, o, now()
FROM unnest(%s::uuid[], %s::int8[], %s::text[], %s::text[], %s::int4[], %s::timestamptz[]) AS new(i, u, c, t, s, o)
ON CONFLICT (id) DO UPDATE
SET topics = EXCLUDED.topics, subscriptions = EXCLUDED.subscriptions, changed_at = EXCLUDED.changed_at
"""
_FORGET = """
WITH dead AS (
    SELECT name FROM signal_websocket_processes WHERE seen_at < now() - make_interval(secs => %s)
    ORDER BY name FOR UPDATE SKIP LOCKED
), sockets AS (
    DELETE FROM signal_websocket_subscriptions WHERE process_id IN (SELECT name FROM dead)
)
SELECT name FROM dead
"""


class Row(NamedTuple):
    """One socket. `topics`: some of them."""

    id: str
    user_id: int
    client_id: str
    topics: Sequence[str]
    subscriptions: int
    opened_at: datetime


def write(process: str, started_at: datetime, changed: Sequence[Row], gone: Sequence[str]) -> bool:
    """Say that a process lives, and store what has changed. Return whether the process was not listed before."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SEEN, [process, started_at])
        (new,) = cursor.fetchone()
        if changed:
            plain = [
                row._replace(client_id=row.client_id.replace("\0", ""), topics=json.dumps(row.topics))
                for row in changed
            ]
            cursor.execute(_WRITE, [process, *map(list, zip(*plain, strict=True))])
        if gone:
            cursor.execute("DELETE FROM signal_websocket_subscriptions WHERE id = ANY(%s::uuid[])", [list(gone)])
    return bool(new)


def forget(process: str) -> None:
    """Delete the rows of a process that ends."""
    with transaction.atomic():
        WebsocketSubscription.objects.filter(process_id=process)._raw_delete("default")
        SocketProcess.objects.filter(name=process)._raw_delete("default")


def forget_dead(seconds: float) -> int:
    """Delete the rows of processes that said nothing for so long, and return how many processes there were."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_FORGET, [seconds])
        dead = [name for (name,) in cursor.fetchall()]
        cursor.execute("DELETE FROM signal_websocket_processes WHERE name = ANY(%s)", [dead])
    return len(dead)
