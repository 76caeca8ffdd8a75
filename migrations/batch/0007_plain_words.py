"""Renames `rung_at`, and rewrites the help texts. Apart from the name, no table changes."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('batch', '0006_webhook_events'),
    ]

    operations = [
        migrations.RenameField("chunk", "rung_at", "requeued_at"),
        migrations.AlterField(
            "chunk",
            "requeued_at",
            models.DateTimeField(blank=True, help_text="When the sweep last enqueued it.", null=True),
        ),
        migrations.AlterField(
            model_name='chunk',
            name='answer_block',
            field=models.BinaryField(help_text='The answers as a block of columns (batch.jobs.core.answers).', null=True),
        ),
        migrations.AlterField(
            model_name='chunk',
            name='digest',
            field=models.TextField(blank=True, help_text='Digest of the inputs of its answers.'),
        ),
        migrations.AlterField(
            model_name='chunk',
            name='item_block',
            field=models.BinaryField(help_text='The items as a block of columns.'),
        ),
        migrations.AlterField(
            model_name='chunk',
            name='rows',
            field=models.PositiveIntegerField(default=0, help_text='Number of answer rows.'),
        ),
        migrations.AlterField(
            model_name='chunk',
            name='status_counts',
            field=models.JSONField(default=dict, help_text='Number of answer rows by status word.'),
        ),
        migrations.AlterField(
            model_name='chunk',
            name='task_id',
            field=models.TextField(blank=True, help_text="Celery's id of the last task that claimed it."),
        ),
        migrations.AlterField(
            model_name='idempotencykey',
            name='request_digest',
            field=models.TextField(help_text='Digest of method, path and body: a key belongs to one request.'),
        ),
        migrations.AlterField(
            model_name='job',
            name='as_of',
            field=models.DateTimeField(blank=True, help_text='The instant computed for; null until resolved.', null=True),
        ),
        migrations.AlterField(
            model_name='job',
            name='attempts',
            field=models.PositiveIntegerField(default=0, help_text='How often preparation has started.'),
        ),
        migrations.AlterField(
            model_name='job',
            name='context',
            field=models.JSONField(default=dict, help_text='What all chunks share: for Greeks, the forwards.'),
        ),
        migrations.AlterField(
            model_name='job',
            name='params',
            field=models.JSONField(default=dict, help_text='Every parameter, with defaults filled in.'),
        ),
        migrations.AlterField(
            model_name='job',
            name='request_digest',
            field=models.TextField(blank=True, help_text='Digest of kind, items, parameters, instant and engine version.'),
        ),
        migrations.AlterField(
            model_name='job',
            name='retry_of',
            field=models.ForeignKey(blank=True, help_text='The job whose failed items this one retries.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='retries', to='batch.job'),
        ),
        migrations.AlterField(
            model_name='job',
            name='reuse',
            field=models.BooleanField(default=True, help_text='Whether an earlier job with the same inputs may answer.'),
        ),
        migrations.AlterField(
            model_name='job',
            name='reused_from',
            field=models.ForeignKey(blank=True, help_text='The earlier job whose answers this one has.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='reuses', to='batch.job'),
        ),
        migrations.AlterField(
            model_name='job',
            name='selector',
            field=models.JSONField(blank=True, help_text='The rule that selects the items, if the caller gave no list.', null=True),
        ),
        migrations.AlterField(
            model_name='job',
            name='webhook_url',
            field=models.TextField(blank=True, help_text='Receives a webhook when the job ends.'),
        ),
        migrations.AlterField(
            model_name='webhookdelivery',
            name='attempts_before',
            field=models.PositiveSmallIntegerField(default=0, help_text='Attempts before staff sent it again.'),
        ),
        migrations.AlterField(
            model_name='webhookdelivery',
            name='log',
            field=models.JSONField(default=list, help_text='One entry for each attempt: at, status_code or error, seconds.'),
        ),
    ]
