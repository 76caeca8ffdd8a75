"""The one log line of a job: when it has ended, with its outcome."""

import logging
import uuid

from batch.jobs.models import Job

logger = logging.getLogger(__name__)
_FIELDS = ("kind", "status", "owner_id", "total", "completed", "failed", "error", "created_at", "finished_at")
LONGEST_ERROR = 300


def log_if_ended(job_id: uuid.UUID) -> None:
    """Log the job's outcome where it has ended. Call it after the commit that may have ended the job."""
    job = Job.objects.filter(pk=job_id).only(*_FIELDS, "reused_from_id", "retry_of_id").first()
    if job is None or job.finished_at is None:
        return
    outcome: dict[str, object] = {
        "job": str(job.pk),
        "kind": job.kind,
        "status": job.status,
        "owner": job.owner_id,
        "items": job.total,
        "with_value": job.completed,
        "without_value": job.failed,
        "seconds": round((job.finished_at - job.created_at).total_seconds(), 3),
    }
    if job.reused_from_id:
        outcome["reused_from"] = str(job.reused_from_id)
    if job.retry_of_id:
        outcome["retry_of"] = str(job.retry_of_id)
    if job.error:
        outcome["error"] = job.error[:LONGEST_ERROR]
    logger.log(logging.WARNING if job.status == Job.Status.FAILED else logging.INFO, "job ended", extra=outcome)
