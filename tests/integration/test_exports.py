"""Exports read from PostgreSQL: resources between pages, rows that disappear, and WSGI."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import wait

import orjson
import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import AsyncClient, Client
from django.utils import timezone

from batch.exports import stream
from batch.exports.formats import FORMATS
from batch.exports.stream import ResultsGone, encoded, over_threads, pages
from batch.jobs.core.answers import pack
from batch.jobs.core.items import Items
from batch.models import Chunk, Job
from signalsite.foundation.computations.registry import computations

pytestmark = pytest.mark.django_db(transaction=True)
CHUNK = 1000
ROWS = 2 * CHUNK + 7
COLUMNS = computations()["greeks"].file_columns


def rows(first: int, stop: int) -> list[dict[str, object]]:
    return [
        {
            "position": position,
            "custom_id": None,
            "instrument_key": "NSE@NIFTY",
            "status": status(position),
            "delta": -position / 3,
        }
        for position in range(first, stop)
    ]


def status(position: int) -> str:
    return "no_price" if position % 10 == 3 else "ok"


@pytest.fixture
def owner() -> User:
    return get_user_model().objects.create_user("exporter")


@pytest.fixture
def job(owner: User) -> Job:
    failed = sum(status(position) != "ok" for position in range(ROWS))
    job = Job.objects.create(
        owner=owner,
        kind="greeks",
        status=Job.Status.COMPLETED,
        total=ROWS,
        completed=ROWS - failed,
        failed=failed,
        finished_at=timezone.now(),
    )
    for number, first in enumerate(range(0, ROWS, CHUNK)):
        some = rows(first, min(first + CHUNK, ROWS))
        items = Items(["NSE@NIFTY"] * len(some), [None] * len(some))
        answers = pack(items, {name: [row[name] for row in some] for name in ("status", "delta")})
        Chunk.objects.create(
            job=job,
            number=number,
            first_position=first,
            size=len(some),
            item_block=items.to_block(),
            status=Chunk.Status.DONE,
            rows=answers.rows,
            status_counts=answers.counts,
            answer_block=answers.data,
        )
    return job


@pytest.fixture
def observer() -> Iterator[psycopg.Connection]:
    parameters = {name: value for name, value in connection.get_connection_params().items() if name != "pool"}
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    with psycopg.connect(**parameters, autocommit=True) as found:
        yield found


@pytest.fixture(autouse=True)
def threads_let_go() -> Iterator[None]:
    """Close the connections of the exports' threads: without a pool they would block dropping the test database."""
    yield
    together = threading.Barrier(stream.THREADS)

    def close() -> None:
        together.wait(5)
        connections.close_all()

    wait([stream._threads.submit(close) for _ in range(stream.THREADS)])


def test_pages_hold_every_row_once_in_order(job: Job) -> None:
    assert [row for page in pages(job) for row in page.to_pylist()] == rows(0, ROWS)
    assert [len(page) for page in pages(job)] == [CHUNK, CHUNK, 7]
    found = [orjson.loads(line) for line in b"".join(encoded(job, FORMATS["ndjson"], "identity", COLUMNS)).splitlines()]
    names = ("position", "custom_id", "instrument_key", "status", "delta")
    assert [{name: row[name] for name in names} for row in found] == rows(0, ROWS)
    assert list(found[0]) == [column.name for column in COLUMNS]
    assert {row["underlying"] for row in found} == {"NSE@NIFTY"} and {row["right"] for row in found} == {None}


def test_a_large_chunk_is_cut_into_pages(job: Job) -> None:
    assert [len(page) for page in pages(job, rows_per_page=300)] == [300, 300, 300, 100, 300, 300, 300, 100, 7]


@pytest.mark.parametrize("word", ["failed", "no_price", "ok", "expired"])
def test_pages_of_a_status(job: Job, word: str) -> None:
    positions = [position for page in pages(job, word) for position in page.column("position").to_pylist()]
    asked = "no_price" if word == "failed" else word
    assert positions == [position for position in range(ROWS) if status(position) == asked]


def test_nothing_is_held_between_two_pages(job: Job, observer: psycopg.Connection) -> None:
    backend = connection.connection.info.backend_pid
    parts = encoded(job, FORMATS["ndjson"], "gzip", COLUMNS)
    assert next(parts)
    state = observer.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [backend]).fetchone()
    locks = observer.execute("SELECT count(*) FROM pg_locks WHERE pid = %s", [backend]).fetchone()
    assert state in (("idle",), None) and locks == (0,)


def test_rows_that_go_break_the_export_off(job: Job) -> None:
    parts = pages(job)
    next(parts)
    Job.objects.filter(pk=job.pk).delete()
    with pytest.raises(ResultsGone, match=f"{CHUNK} of {ROWS} results"):
        list(parts)


def test_a_lost_connection_costs_one_export_at_the_most(job: Job, observer: psycopg.Connection) -> None:
    connection.ensure_connection()
    observer.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    connection.close_if_unusable_or_obsolete()
    assert sum(len(page) for page in pages(job)) == ROWS


def test_parts_are_made_as_they_are_read(job: Job) -> None:
    made = 0

    def counted() -> Iterator[bytes]:
        nonlocal made
        for part in encoded(job, FORMATS["csv"], "identity", COLUMNS):
            made += 1
            yield part

    async def read_one() -> bytes:
        async for part in over_threads(counted()):
            return part
        raise AssertionError("no part")

    assert asyncio.run(read_one()).startswith(b"position,custom_id,instrument_key,underlying,expiry,")
    assert made == 1


def test_both_doors_give_the_same(job: Job, owner: User) -> None:
    path = f"/api/v2/batch/jobs/{job.pk}/export"
    client = Client()
    client.force_login(owner)
    by_thread = client.get(path)
    assert by_thread.status_code == 200
    expected = b"".join(by_thread.streaming_content)  # type: ignore[arg-type]

    async def read() -> bytes:
        client = AsyncClient()
        await client.aforce_login(owner)
        answer = await client.get(path)
        assert answer.is_async
        return b"".join([part async for part in answer.streaming_content])  # type: ignore[union-attr]

    assert asyncio.run(read()) == expected
    assert len(expected.splitlines()) == ROWS
