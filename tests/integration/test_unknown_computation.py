"""Jobs of a removed computation end, can be read, and affect no others."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from batch.jobs.chunks import MAX_ATTEMPTS, compute_chunk
from batch.jobs.core.items import Items
from batch.jobs.preparation import MAX_ATTEMPTS as PREPARATIONS
from batch.jobs.preparation import prepare
from batch.jobs.selectors import read_receipt, read_results
from batch.jobs.services import retry
from batch.models import Chunk, Job
from signalsite.foundation.computations.registry import UnknownComputation

pytestmark = pytest.mark.django_db(transaction=True)


def job_of(status: str) -> Job:
    owner = get_user_model().objects.create_user("owner")
    job = Job.objects.create(owner=owner, kind="gone", status=status, total=2, chunk_size=500, as_of=timezone.now())
    Chunk.objects.create(
        job=job, number=0, first_position=0, size=2, item_block=Items(["A", "B"], [None] * 2).to_block()
    )
    return job


def test_its_chunks_end_with_a_reason_and_its_results_are_read() -> None:
    job = job_of("in_progress")
    chunk = job.chunks.get()
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(UnknownComputation, match="no computation 'gone'"):
            compute_chunk(chunk.pk, worker="w", task_id="t", again=True)
    assert compute_chunk(chunk.pk, worker="w", task_id="t", again=True)
    job.refresh_from_db()
    assert (job.status, job.failed) == ("completed", 2)
    page, _ = read_results(job, after=-1, limit=10)
    assert b"".join(page.lists).count(b'"internal_error"') == 2
    assert read_receipt(job.owner, job.pk) == {"job_id": job.pk, "as_of": job.as_of}
    with pytest.raises(UnknownComputation):
        retry(job)


def test_its_preparation_is_given_up() -> None:
    job = job_of("validating")
    for _ in range(PREPARATIONS):
        with pytest.raises(UnknownComputation):
            prepare(job.pk)
    assert prepare(job.pk) == []
    job.refresh_from_db()
    assert job.status == "failed" and "could not be prepared" in job.error


@pytest.mark.parametrize("door", ["export", "errors"])
def test_its_export_is_refused_before_it_begins(door: str) -> None:
    job = job_of("completed")
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now())
    client = Client(raise_request_exception=False)
    client.force_login(job.owner)
    answer = client.get(f"/api/v2/signals/batch/jobs/{job.pk}/{door}")
    assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json")
    assert answer.json()["detail"] == "there is no computation 'gone' any more"
    assert client.head(f"/api/v2/signals/batch/jobs/{job.pk}/{door}").status_code == 409
