"""The webhook event of a job: `batch.completed`, `batch.failed` or `batch.cancelled`."""

import uuid

from batch.jobs.models import Job


def publish_end(job_id: uuid.UUID) -> None:
    """Publish that a job has ended. Call it in the transaction that ends the job.

    Does nothing if the job asked for no webhook or has not ended.
    """
    ended = Job.objects.filter(pk=job_id, status__in=Job.TERMINAL).exclude(webhook_url="").defer("context")
    job = ended.first()
    if job is None or job.finished_at is None:
        return
    from batch.jobs.serializers import JobEventSerializer  # few jobs have a webhook, and these take a while to import
    from batch.webhooks import outbox

    outbox.publish(
        key=f"batch.job:{job.pk}:ended",
        type=f"batch.{job.status}",
        subject=job,
        owner_id=job.owner_id,
        url=job.webhook_url,
        secret=job.webhook_secret,
        timestamp=job.finished_at,
        data=JobEventSerializer(job).data,
    )
