"""How the batch API and webhooks show a job."""

from typing import Any

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from batch.jobs.models import Job
from batch.jobs.stored import unreadable_fields
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.computations.requests import params_schemas
from signalsite.foundation.stored_json import Unreadable


class RequestCountsSerializer(serializers.Serializer):
    total = serializers.IntegerField()
    completed = serializers.IntegerField(help_text="Items with a value.")
    failed = serializers.IntegerField(help_text="Items with a reason instead.")


class StatusWord(serializers.RegexField):
    """A filter of answers by status."""

    def __init__(self) -> None:
        help_text = "A status word, or `failed` for all but ok. Default: all."
        super().__init__(r"^[a-z_]{1,32}$", required=False, help_text=help_text)


class UnreadableSerializer(serializers.Serializer):
    field = serializers.CharField()
    detail = serializers.CharField()


class JobSerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.get_username")
    kind = serializers.CharField()
    status = serializers.ChoiceField(Job.Status.choices)
    params = serializers.SerializerMethodField(help_text="Every parameter, with defaults filled in.")
    selector = serializers.SerializerMethodField(
        help_text="The rule that selects the items, if the caller gave no list."
    )
    unreadable = serializers.SerializerMethodField(
        help_text="Stored fields that cannot be read, each with the reason; they are null here. Usually none."
    )
    done = serializers.SerializerMethodField(help_text="Whether the status is final.")
    request_counts = RequestCountsSerializer(source="*")
    progress = serializers.SerializerMethodField(help_text="Share of the items with an answer, 0 to 1.")
    eta_seconds = serializers.SerializerMethodField(help_text="At the rate so far; null until there is one.")
    duration_seconds = serializers.SerializerMethodField(help_text="From acceptance to the end, or to now.")
    links = serializers.SerializerMethodField()

    class Meta:
        model = Job
        fields = (
            "id",
            "kind",
            "status",
            "done",
            "owner",
            "request_counts",
            "progress",
            "eta_seconds",
            "duration_seconds",
            "as_of",
            "params",
            "selector",
            "retry_of",
            "reused_from",
            "webhook_url",
            "error",
            "unreadable",
            "created_at",
            "started_at",
            "finished_at",
            "links",
        )
        read_only_fields = fields  # an answer has all of them

    @extend_schema_field({**params_schemas(computations().values()), "nullable": True})
    def get_params(self, job: Job) -> dict[str, Any] | None:
        return None if isinstance(job.params, Unreadable) else job.params

    def get_selector(self, job: Job) -> dict[str, Any] | None:
        return None if isinstance(job.selector, Unreadable) else job.selector

    @extend_schema_field(UnreadableSerializer(many=True))
    def get_unreadable(self, job: Job) -> list[dict[str, str]]:
        return [{"field": name, "detail": why} for name, why in unreadable_fields(job).items()]

    def get_done(self, job: Job) -> bool:
        return job.status in Job.TERMINAL

    def get_progress(self, job: Job) -> float:
        if job.status in Job.TERMINAL:
            return 1.0
        return (job.completed + job.failed) / job.total if job.total else 0.0

    def get_eta_seconds(self, job: Job) -> float | None:
        answered = job.completed + job.failed
        if job.status in Job.TERMINAL:
            return 0.0
        if job.started_at is None or not answered:
            return None
        elapsed = (timezone.now() - job.started_at).total_seconds()
        return round(elapsed / answered * (job.total - answered), 3)

    def get_duration_seconds(self, job: Job) -> float:
        return round(((job.finished_at or timezone.now()) - job.created_at).total_seconds(), 6)

    def get_links(self, job: Job) -> dict[str, str]:
        own = reverse("job", args=[job.pk])
        return {"self": own, **{name: f"{own}/{name}" for name in ("results", "export", "errors", "cancel", "retry")}}


class JobEventSerializer(JobSerializer):
    """What a webhook says about a job."""

    class Meta(JobSerializer.Meta):
        fields = ("id", "kind", "status", "request_counts", "error", "created_at", "finished_at", "links")  # type: ignore[assignment]
