"""Each process reads what a job's chunks share once, and keeps it for its two latest jobs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from batch.jobs import chunks
from batch.jobs.chunks import MAX_ATTEMPTS, compute_chunk
from batch.jobs.core.items import Items
from batch.jobs.preparation import prepare
from batch.jobs.results import read_layout, read_part
from batch.models import Chunk, EventCount, Job
from signals.instruments.services import register_instruments
from signalsite.foundation.computations.registry import find
from timeframes.core.keys import parse_key
from timeframes.models import Quote

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
KEY = "NSE@NIFTY@equity_options@2026-12-29@call@26000"
SPOT = "NSE@NIFTY@equity_spot"
UNREADABLE = '{"NSE@NIFTY": 1e400}'


@pytest.fixture(autouse=True)
def quoted() -> Iterator[None]:
    register_instruments({key: parse_key(key) for key in (KEY, SPOT)})
    for key, price in ((KEY, 600.0), (SPOT, 26_000.0)):
        Quote.objects.create(instrument_key=key, time=NOW, last=price, source="test")
    chunks._context.cache_clear()  # as in a new process
    yield
    chunks._context.cache_clear()


@pytest.fixture
def owner() -> User:
    return get_user_model().objects.create_user("owner")


def job_of(owner: User, forward: float | None = None, count: int = 3) -> Job:
    """A job prepared with this forward, or still to be prepared."""
    job = Job.objects.create(
        owner=owner,
        kind="greeks",
        params=find("greeks").defaults,
        status="validating" if forward is None else "in_progress",
        as_of=None if forward is None else NOW + timedelta(seconds=1),
        total=count,
        chunk_size=1,
        context={} if forward is None else context(forward),
    )
    block = Items([KEY], [None]).to_block()
    for number in range(count):
        Chunk.objects.create(job=job, number=number, first_position=number, size=1, item_block=block)
    return job


def context(forward: float) -> dict[str, Any]:
    return {"NSE@NIFTY": {"2026-12-29": [forward, "future", 26_000.0, None, 28, None]}}


def compute(job: Job, number: int, again: bool = False) -> bool:
    return compute_chunk(job.chunks.get(number=number).pk, worker="w", task_id="t", again=again)


def answered(job: Job, name: str) -> list[Any]:
    tables = [read_part(job.pk, part) for part in read_layout(job.pk).parts]
    return [value for table in tables if table is not None for value in table.column(name).to_pylist()]


def reads(queries: CaptureQueriesContext) -> int:
    return sum("SELECT context" in query["sql"] for query in queries.captured_queries)


def test_two_jobs_interleaved_are_each_read_once_and_never_mixed_up(owner: User) -> None:
    jobs = [job_of(owner, forward) for forward in (26_100.0, 26_200.0)]
    with CaptureQueriesContext(connection) as queries:
        assert all(compute(job, number) for number in range(3) for job in jobs)
    assert reads(queries) == 2
    assert [answered(job, "forward") for job in jobs] == [[26_100.0] * 3, [26_200.0] * 3]


def test_three_jobs_interleaved_are_read_again_and_no_more_than_two_are_held(owner: User) -> None:
    jobs = [job_of(owner, forward) for forward in (26_100.0, 26_200.0, 26_300.0)]
    assert all(compute(job, number) for number in range(3) for job in jobs)
    assert [answered(job, "forward") for job in jobs] == [[26_100.0] * 3, [26_200.0] * 3, [26_300.0] * 3]
    assert chunks._context.cache_info().currsize == 2


def test_a_context_that_cannot_be_read_ends_its_own_job_only(owner: User) -> None:
    bad, good = job_of(owner, 26_100.0, count=1), job_of(owner, 26_200.0)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batch_job SET context = %s::jsonb WHERE id = %s", [UNREADABLE, bad.pk])
    for number in range(MAX_ATTEMPTS):
        with pytest.raises(AttributeError):
            compute(bad, 0, again=True)
        assert compute(good, number)
    assert compute(bad, 0, again=True)
    assert (answered(bad, "status"), answered(good, "forward")) == (["internal_error"], [26_200.0] * 3)
    assert EventCount.objects.get(name="chunk_failed").count == MAX_ATTEMPTS


def test_an_error_while_the_context_is_read_counts_as_a_failure_of_its_chunk(owner: User) -> None:
    job = job_of(owner, 26_100.0)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE batch_job RENAME COLUMN context TO away")
        try:
            with pytest.raises(DatabaseError, match="context"):
                compute(job, 0)
        finally:
            cursor.execute("ALTER TABLE batch_job RENAME COLUMN away TO context")
    assert EventCount.objects.get(name="chunk_failed").count == 1
    assert compute(job, 0, again=True)
    assert answered(job, "forward") == [26_100.0]


def test_a_job_prepared_again_has_the_context_that_was_kept(owner: User) -> None:
    """The first attempt at preparing it fails, the third comes too late."""
    job = job_of(owner)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE batch_job ADD CONSTRAINT closed CHECK (status <> 'in_progress')")
        try:
            with pytest.raises(DatabaseError, match="closed"):
                prepare(job.pk)
        finally:
            cursor.execute("ALTER TABLE batch_job DROP CONSTRAINT closed")
    assert not compute(job, 0)  # it is not open yet, so this process keeps nothing of its context
    Quote.objects.create(instrument_key=SPOT, time=NOW + timedelta(seconds=1), last=26_050.0, source="test")
    Quote.objects.create(instrument_key=KEY, time=NOW + timedelta(seconds=1), last=610.0, source="test")
    assert len(prepare(job.pk)) == 3
    assert compute(job, 0)
    Quote.objects.create(instrument_key=SPOT, time=NOW + timedelta(seconds=1, microseconds=-1), last=1.0, source="test")
    assert prepare(job.pk) == []
    assert compute(job, 1) and compute(job, 2)
    kept = Job.objects.get(pk=job.pk).context["NSE@NIFTY"]["2026-12-29"]
    assert kept[2] == 26_050.0 and answered(job, "forward") == [kept[0]] * 3
