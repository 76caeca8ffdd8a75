"""Joins 0002 and 0003."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("batch", "0002_webhooks_sent_again"), ("batch", "0003_repair_early_tables")]
    operations: list[migrations.operations.base.Operation] = []
