"""Configurations with their versions, changes and runs, and what they gave."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from signals.configs.core.results import Source
from signalsite.foundation.stored_json import StoredJSONField
from timeframes.core.series import Series


class Configuration(models.Model):
    """The newest version of a configuration. `document` is the whole checked document (`core.canonical`).

    PostgreSQL writes a row of `ConfigurationChange` with each change of a document (migration 0007).
    """

    class Origin(models.TextChoices):
        API = "api"
        STREAM = "stream"
        ADMIN = "admin"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.TextField()
    active = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)
    document = StoredJSONField()
    underlyings = ArrayField(models.TextField(), default=list, help_text="Of the document's instruments.")
    interval = models.TextField(blank=True)
    frequency = models.TextField(blank=True, help_text="Empty: with every tick.")
    origin = models.TextField(choices=Origin.choices)
    entry_id = models.TextField(blank=True, help_text="Of the newest message of signal_config_updates that it has.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    next_due = models.DateTimeField(null=True, help_text="The next scheduled moment; null without a schedule.")

    class Meta:
        db_table = "signal_configurations"
        ordering = ["owner", "name"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="configuration_name")]
        indexes = [
            models.Index(fields=["next_due"], name="configuration_due", condition=models.Q(next_due__isnull=False)),
            models.Index(fields=["-created_at", "-id"], name="configuration_newest"),
            GinIndex(fields=["underlyings"], name="configuration_underlyings"),
        ]

    def __str__(self) -> str:
        return self.name


class ConfigurationVersion(models.Model):
    """What a configuration was. A row never changes: PostgreSQL refuses an UPDATE (migration 0007). It goes with the
    configuration or by the sweep (`batch.configs.sweeping`): PostgreSQL refuses any other DELETE (migration 0008)."""

    configuration = models.ForeignKey(Configuration, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    document = StoredJSONField()
    origin = models.TextField(choices=Configuration.Origin.choices)
    entry_id = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "signal_configuration_versions"
        ordering = ["configuration", "-number"]
        constraints = [models.UniqueConstraint(fields=["configuration", "number"], name="configuration_version")]

    def __str__(self) -> str:
        return f"version {self.number}"


class ConfigurationChange(models.Model):
    """An outbox: PostgreSQL writes a row with each change, whoever makes it, in its transaction (migration 0007);
    `consume_configs` applies it to Redis, in their order.

    `before`, `after`: the document, null where there is none. Changes wait for each other, so that a row whose number
    is lower was there earlier, and the highest number says whether anything has changed. The newest row stays.
    """

    id = models.BigAutoField(primary_key=True)
    configuration_id = models.UUIDField(db_index=True)
    name = models.TextField()
    owner_id = models.IntegerField()
    before = StoredJSONField(null=True)
    after = StoredJSONField(null=True)
    time = models.DateTimeField()
    applied_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "signal_configuration_changes"
        ordering = ["id"]
        indexes = [
            models.Index(fields=["id"], name="configuration_unapplied", condition=models.Q(applied_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"change {self.pk} of {self.name}"


class ConfigurationRun(models.Model):
    """One due moment of a configuration, and what came of it. There is one row for each.

    Those of a deleted configuration stay until the sweep deletes them: PostgreSQL does not check the key.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        MISSED = "missed"

    id = models.BigAutoField(primary_key=True)
    configuration = models.ForeignKey(
        Configuration, on_delete=models.DO_NOTHING, related_name="runs", db_index=False, db_constraint=False
    )
    due = models.DateTimeField()
    version = models.PositiveIntegerField()
    state = models.TextField(choices=State.choices, default=State.WAITING)
    attempt = models.PositiveSmallIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True, help_text="Of the first attempt.")
    finished_at = models.DateTimeField(null=True)
    lateness_ms = models.FloatField(null=True, help_text="From the due moment to the start.")
    duration_ms = models.FloatField(null=True)
    instruments = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0, help_text="Values that are missing, each with its reason.")
    missed = models.PositiveIntegerField(default=0, help_text="Due moments before this one that this row stands for.")
    error = models.TextField(blank=True)

    class Meta:
        db_table = "signal_configuration_runs"
        ordering = ["-due"]
        constraints = [models.UniqueConstraint(fields=["configuration", "due"], name="configuration_run_once")]
        indexes = [
            models.Index(
                fields=["claimed_at"],
                name="configuration_run_open",
                condition=models.Q(state__in=["waiting", "running"]),
            ),
            models.Index(fields=["due"], name="configuration_run_due"),
            models.Index(fields=["configuration", "version"], name="configuration_run_version"),
        ]

    def __str__(self) -> str:
        return f"run at {self.due:%Y-%m-%d %H:%M:%S}"


class ConfigurationResult(models.Model):
    """What a configuration gave for an instrument."""

    series = Series(chunk_days=7, segment_by=("instrument_key",), keep="CONFIG_RESULTS_KEEP_DAYS")

    pk = models.CompositePrimaryKey("instrument_key", "time", "configuration_id", "source")
    instrument_key = models.TextField()
    time = models.DateTimeField(help_text="The due moment, or the tick's.")
    configuration_id = models.UUIDField()
    source = models.TextField(choices=[(each.value, each.value) for each in Source])
    version = models.PositiveIntegerField()
    run = models.BigIntegerField(null=True)
    tick = models.TextField(blank=True, help_text="ID of the tick's entry.")
    values = models.JSONField()
    reasons = models.JSONField()

    class Meta:
        db_table = "signal_configuration_results"
        indexes = [
            models.Index(fields=["configuration_id", "time"], name="configuration_result_time"),
            models.Index(fields=["configuration_id", "version"], name="configuration_result_version"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_key} at {self.time}"


class ComputationMetadata(models.Model):
    """How the values of a configuration were made (S46): one row for each kind of a run, and for ticks now and then."""

    series = Series(chunk_days=7, key="kind", segment_by=("kind",), keep="CONFIG_RESULTS_KEEP_DAYS")

    pk = models.CompositePrimaryKey("kind", "time", "configuration_id", "source")
    kind = models.TextField(help_text="greeks, indicators, functions or external_functions.")
    time = models.DateTimeField()
    configuration_id = models.UUIDField()
    source = models.TextField(choices=[(each.value, each.value) for each in Source])
    version = models.PositiveIntegerField(help_text="Of the configuration.")
    computation_version = models.TextField(help_text="Of what computed: the engine's, the library's, the functions'.")
    instruments = models.PositiveIntegerField()
    values = models.PositiveIntegerField(help_text="How many were computed.")
    missing = models.PositiveIntegerField(help_text="How many have a reason in their place.")
    milliseconds = models.FloatField()

    class Meta:
        db_table = "signal_computation_metadata"
        indexes = [models.Index(fields=["configuration_id", "time"], name="computation_metadata_time")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.time}"
