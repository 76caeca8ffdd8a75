"""BATCH_SUBMIT_SECONDS limits the time of PostgreSQL, not the time to read the items."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from batch.jobs.core.items import Given, Items
from batch.jobs.services import Submission, SubmissionTooSlow, submit
from batch.models import Job
from signalsite.foundation.computations.registry import find
from signalsite.foundation.problems import problem_of

pytestmark = pytest.mark.django_db(transaction=True)


def submission(seconds: float = 0.0) -> Submission:
    def runs() -> Iterator[Items]:
        for _ in range(3):
            time.sleep(seconds)  # stands for reading a run
            yield Items(["NSE@NIFTY"] * 500, [None] * 500)

    quotes = find("quotes")
    return Submission(computation=quotes, params=quotes.defaults, as_of=None, items=Given(1500, runs))


def test_only_the_statements_count(settings: Any) -> None:
    settings.BATCH_SUBMIT_SECONDS = 0.4
    owner = get_user_model().objects.create_user("owner")
    assert submit(owner, submission(seconds=0.3)).chunks.count() == 3
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(0.25); RETURN NEW; END $$;"
            "CREATE TRIGGER linger BEFORE INSERT ON batch_chunk FOR EACH ROW EXECUTE FUNCTION linger()"
        )
        try:
            with pytest.raises(SubmissionTooSlow, match="1000 of 1500 items") as slow:
                submit(owner, submission())
        finally:
            cursor.execute("DROP FUNCTION linger CASCADE")
    assert Job.objects.count() == 1
    answer = problem_of(slow.value)
    assert answer is not None and answer.status_code == 503 and answer.data["detail"] == str(slow.value)
