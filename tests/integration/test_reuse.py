"""A job copies the answers of an earlier job only if both have the same chunks."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batch.jobs.chunks import compute_chunk
from batch.jobs.preparation import prepare
from batch.jobs.results import read_layout, read_part
from batch.jobs.services import Submission, retry, submit
from batch.models import Job
from signals.instruments.services import register_instruments
from signalsite.foundation.computations.registry import find
from timeframes.core.keys import parse_key
from timeframes.models import Quote

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
KEYS = [f"NSE@NIFTY@equity_options@2026-12-29@call@{strike}" for strike in range(26_000, 26_500, 100)]


@pytest.fixture
def owner() -> User:
    register_instruments({key: parse_key(key) for key in KEYS})
    for key in KEYS:
        Quote.objects.create(instrument_key=key, time=NOW, last=600.0, source="test")
    return get_user_model().objects.create_user("owner")


def ended(owner: User, gone: Sequence[str] = ()) -> Job:
    """A selector selects all of them at an instant; some of the quotes are deleted before the computation."""
    quotes = find("quotes")
    asked = Submission(
        computation=quotes,
        params=quotes.defaults,
        as_of=NOW + timedelta(seconds=1),
        selector={"underlying": "NSE@NIFTY", "expiries": []},
    )
    job = submit(owner, asked)
    opened = prepare(job.pk)
    Quote.objects.filter(instrument_key__in=gone).delete()
    for chunk in opened:
        assert compute_chunk(chunk, worker="w", task_id="t")
    job.refresh_from_db()
    assert job.status == "completed"
    return job


def keys_answered(job: Job) -> list[str]:
    tables = [read_part(job.pk, part) for part in read_layout(job.pk).parts]
    return [key for table in tables if table is not None for key in table.column("instrument_key").to_pylist()]


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (3, 4), (4, 3)])
def test_an_earlier_job_that_is_cut_otherwise_is_not_taken(owner: User, settings: Any, before: int, after: int) -> None:
    settings.BATCH_CHUNK_SIZE = before
    first, same = ended(owner), ended(owner)
    assert same.reused_from == first and keys_answered(same) == KEYS
    settings.BATCH_CHUNK_SIZE = after
    other = ended(owner)
    assert other.reused_from is None
    assert (other.chunk_size, other.total, keys_answered(other)) == (after, len(KEYS), KEYS)


def test_a_retry_reads_one_block_of_answers_at_a_time(owner: User, settings: Any) -> None:
    settings.BATCH_CHUNK_SIZE = 2
    job = ended(owner, gone=KEYS[:2] + KEYS[4:])
    with CaptureQueriesContext(connection) as queries:
        again = retry(job)
    read = [query["sql"] for query in queries.captured_queries if "answer_block" in query["sql"]]
    assert not any("status_counts ?|" in sql for sql in read)
    assert again.total == 3
