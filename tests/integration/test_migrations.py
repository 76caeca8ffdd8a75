"""Every schema of an earlier migration ends like a new one, and keeps its rows."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections

from batch.jobs.core.answers import whole
from tests.integration.databases import drop_database

ROOT = Path(__file__).resolve().parents[2]
EARLY = Path(__file__).parent / "early_schemas"  # the schemas of 0001 of `batch` before it was edited in place
LANDED = Path(__file__).parent / "landed_migrations.json"
CATALOGUE = {
    "columns": """SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity
        FROM information_schema.columns WHERE table_schema = 'public'""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n'""",
}
JOB, DELIVERY = str(uuid.uuid4()), str(uuid.uuid4())
ROWS = [
    """INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
        date_joined) VALUES (1, '', false, 'early', '', '', '', false, true, now())""",
    f"""INSERT INTO batch_job (id, owner_id, kind, status, params, context, error, chunk_size, total, completed, failed
        {{more}}) VALUES ('{JOB}', 1, 'greeks', 'completed', '{{{{}}}}', '{{{{}}}}', '', 500, 1, 1, 0 {{values}})""",
    f"""INSERT INTO batch_chunk (job_id, number, first_position, size, items, status, attempt, worker, completed, failed
        {{chunk_more}}) VALUES ('{JOB}', 0, 0, 1, '{{{{"keys": ["NSE@X"]}}}}', 'done', 1, '', 1, 0 {{chunk_values}})""",
    f"""INSERT INTO batch_result (job_id, position, status, body) VALUES ('{JOB}', 0, 'ok', '{{{{"n": 1}}}}')""",
]
DELIVERIES = f"""INSERT INTO batch_webhookdelivery (id, job_id, status, attempts, log {{more}})
    VALUES ('{DELIVERY}', '{JOB}', 'pending', 1, '[{{{{"status_code": 500}}}}]' {{values}})"""
SINCE_FFED852 = {
    "reuse": "true", "request_digest": "'kept'", "webhook_url": "''", "webhook_secret": "''"
}  # fmt: skip
SINCE_0F135AD = {**SINCE_FFED852, "attempts": "3"}


@pytest.fixture(scope="module", autouse=True)
def unblocked(django_db_blocker: Any) -> Iterator[None]:
    """Allow database access: these tests use separate databases."""
    with django_db_blocker.unblock():
        yield


@contextmanager
def scratch(name: str, template: str = "template0") -> Iterator[str]:
    """Create a separate database, and yield its alias."""
    with connection.cursor() as cursor:
        drop_database(cursor.execute, name)
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    connections.databases[name] = {**connection.settings_dict, "NAME": name}
    try:
        yield name
    finally:
        connections[name].close()
        del connections.databases[name], connections[name]
        with connection.cursor() as cursor:
            drop_database(cursor.execute, name)


def catalogue(alias: str) -> dict[str, set[Any]]:
    with connections[alias].cursor() as cursor:
        found = {}
        for name, query in CATALOGUE.items():
            cursor.execute(query)
            found[name] = set(cursor.fetchall())
        return found


def migrate(alias: str, *target: str) -> None:
    call_command("migrate", *target, database=alias, verbosity=0)


@pytest.fixture(scope="module")
def new() -> Iterator[dict[str, set[Any]]]:
    with scratch("schema_new") as alias:
        migrate(alias)
        found = catalogue(alias)
        connections[alias].close()  # it becomes a template, which must have no connections
        yield found


def catalogue_of_batch(cursor: Any) -> list[tuple[str]]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'batch%'")
    return cursor.fetchall()


def begin(alias: str, early: str) -> None:
    with connections[alias].cursor() as cursor:
        for (table,) in catalogue_of_batch(cursor):
            cursor.execute(f"DROP TABLE {table} CASCADE")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'batch'")
        if early in ("0001_initial", "0002_webhooks_sent_again"):
            migrate(alias, "batch", early)
            return
        cursor.execute((EARLY / f"{early}.sql").read_text())
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('batch', '0001_initial', now())")


@pytest.mark.parametrize(
    ("early", "columns"),
    [
        ("ae0fc22", {}),
        ("ffed852", SINCE_FFED852),
        ("0f135ad", SINCE_0F135AD),
        ("0001_initial", SINCE_0F135AD),
        ("0002_webhooks_sent_again", SINCE_0F135AD),
    ],
)
def test_from_each_early_schema_the_tables_end_the_same_and_rows_stay(
    new: dict[str, set[Any]], early: str, columns: dict[str, str]
) -> None:
    parts = {
        "more": "".join(f", {name}" for name in columns),
        "values": "".join(f", {value}" for value in columns.values()),
        "chunk_more": ", task_id, digest" if columns else "",
        "chunk_values": ", '', ''" if columns else "",
    }
    with scratch(f"schema_{early}", "schema_new") as alias:
        begin(alias, early)
        with connections[alias].cursor() as cursor:
            for statement in ROWS:
                cursor.execute(statement.format(**parts))
            if columns:  # these schemas have webhooks
                before = (", attempts_before", ", 1") if early == "0002_webhooks_sent_again" else ("", "")
                cursor.execute(DELIVERIES.format(more=before[0], values=before[1]))
        migrate(alias)
        for name, found in catalogue(alias).items():
            assert found == new[name], name
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT id::text, kind, attempts, reuse, request_digest, retry_of_id FROM batch_job")
            attempts, digest = (3 if "attempts" in columns else 0), ("kept" if columns else "")
            assert cursor.fetchall() == [(JOB, "greeks", attempts, True, digest, None)]
            cursor.execute("SELECT answer_block, item_block, first_position, status_counts::text FROM batch_chunk")
            ((*blocks, counts),) = cursor.fetchall()
            row = {"position": 0, "custom_id": None, "instrument_key": "NSE@X", "n": 1}
            assert (whole(*blocks).to_pylist(), counts) == ([row], '{"ok": 1}')
            cursor.execute(
                "SELECT e.id::text, e.subject_id, e.type, d.status, d.attempts, d.log::text"
                " FROM batch_webhookevent e JOIN batch_webhookdelivery d ON d.event_id = e.id"
            )
            delivery = (DELIVERY, JOB, "batch.completed", "pending", 1, '[{"status_code": 500}]')
            assert cursor.fetchall() == ([delivery] if columns else [])
        migrate(alias)  # a second run has nothing to do


def test_a_landed_migration_is_never_edited() -> None:
    """Add each new migration to landed_migrations.json, with its digest. Landed ones never change."""
    files = sorted(path for path in (ROOT / "migrations").glob("*/*.py") if path.name != "__init__.py")
    digests = {str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    landed = json.loads(LANDED.read_text())
    assert {name: digest for name, digest in digests.items() if name in landed} == landed, "an edited migration"
    assert sorted(landed) == sorted(digests), f"add a new migration to {LANDED.name}: {digests}"
