"""Webhooks get events of their own: what is sent, to whom, and about what, apart from jobs.

Each delivery keeps its id, which is the webhook-id that receivers have seen, and its log. Its message is written out
here as the code of this time sends it, so that a pending delivery goes on with the same bytes.
"""

import datetime
import uuid

import django.db.models.deletion
import orjson
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

JOBS = "/api/v2/signals/batch/jobs/"
LINKS = ("results", "export", "errors", "cancel", "retry")
AT_ONCE = 1000
# No old worker may end a job between the copy and the new column.
LOCK = "LOCK TABLE batch_webhookdelivery IN SHARE ROW EXCLUSIVE MODE"
PAST = """
SELECT d.id, d.created_at, j.owner_id, j.webhook_url, j.webhook_secret, j.id, j.kind, j.status, j.total, j.completed,
       j.failed, j.error, j.created_at, j.finished_at
FROM batch_webhookdelivery d JOIN batch_job j ON j.id = d.job_id WHERE d.id > %s ORDER BY d.id LIMIT %s
"""
EVENT = """
INSERT INTO batch_webhookevent
    (id, created_at, owner_id, url, secret, key, type, subject_model, subject_id, payload)
VALUES (%s, %s, %s, %s, %s, %s, %s, 'batch.job', %s, %s)
"""


def written(moment):
    return None if moment is None else moment.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


def message(job, kind, status, total, completed, failed, error, created_at, finished_at):
    own = f"{JOBS}{job}"
    data = {
        "id": str(job),
        "kind": kind,
        "status": status,
        "request_counts": {"total": total, "completed": completed, "failed": failed},
        "error": error,
        "created_at": written(created_at),
        "finished_at": written(finished_at),
        "links": {"self": own, **{name: f"{own}/{name}" for name in LINKS}},
    }
    return orjson.dumps({"type": f"batch.{status}", "timestamp": data["finished_at"], "data": data}).decode()


def publish_past(apps, schema_editor):
    """A thousand deliveries at a time: memory holds no more, however many there are."""
    last = uuid.UUID(int=0)
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(LOCK)
        while True:
            cursor.execute(PAST, [last, AT_ONCE])
            found = cursor.fetchall()
            if not found:
                break
            last = found[-1][0]
            events = []
            for delivery, created_at, owner, url, secret, job, kind, status, *rest in found:
                key, payload = f"batch.job:{job}:ended", message(job, kind, status, *rest)
                events.append((delivery, created_at, owner, url, secret, key, f"batch.{status}", str(job), payload))
            cursor.executemany(EVENT, events)
        # The foreign keys of the new rows are checked now: a table with checks outstanding cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("batch", "0005_answers_as_blocks"),
    ]

    operations = [
        migrations.CreateModel(
            "WebhookEvent",
            [
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        help_text="The webhook-id header.",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "key",
                    models.TextField(unique=True, help_text="Publishing again under the same key changes nothing."),
                ),
                ("type", models.TextField(help_text="What happened, such as batch.completed.")),
                (
                    "subject_model",
                    models.TextField(help_text="The model of the object that the event is about, such as batch.job."),
                ),
                ("subject_id", models.TextField(help_text="The primary key of that object.")),
                ("url", models.TextField()),
                ("secret", models.TextField()),
                (
                    "payload",
                    models.TextField(help_text="The body of the request, exactly as it is signed and sent."),
                ),
                ("created_at", models.DateTimeField(db_default=Now())),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"indexes": [models.Index(fields=["subject_id", "subject_model"], name="webhook_subject")]},
        ),
        migrations.RunPython(publish_past, elidable=True),
        migrations.RenameField("webhookdelivery", "id", "event"),
        migrations.AlterField(
            "webhookdelivery",
            "event",
            models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                primary_key=True,
                related_name="delivery",
                serialize=False,
                to="batch.webhookevent",
            ),
        ),
        migrations.RemoveField("webhookdelivery", "job"),
    ]
