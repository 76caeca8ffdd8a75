"""The shapes of the batch API."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from rest_framework import serializers

from batch.core.addresses import LONGEST_URL, ForbiddenAddress, read_url
from batch.core.items import Items, read_items
from batch.core.signing import InvalidSecret, read_secret
from batch.kinds import KINDS
from batch.kinds.greeks import GreeksParamsSerializer
from batch.models import Job
from batch.sending import site_policy
from batch.services import Submission
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.keys import MAX_KEY_LENGTH
from timeframes.core.sessions import parse_instant


class WindowSerializer(StrictSerializer):
    min = serializers.FloatField(required=False, min_value=0.0)
    max = serializers.FloatField(required=False, min_value=0.0)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "min" in attrs and "max" in attrs and attrs["min"] > attrs["max"]:
            raise serializers.ValidationError({"max": "must not be below min"})
        return attrs


class SelectorSerializer(StrictSerializer):
    """A rule that stands for items: the options quoted at as_of that fit it."""

    underlying = serializers.CharField(
        required=False, max_length=MAX_KEY_LENGTH, help_text="Key (NSE@NIFTY) or symbol (NIFTY); absent: all."
    )
    exchange = serializers.CharField(
        required=False, max_length=MAX_KEY_LENGTH, help_text="Without an underlying: which exchange's options."
    )
    expiries = serializers.ListField(child=serializers.DateField(), required=False, help_text="Absent or empty: all.")
    strike = WindowSerializer(required=False, help_text="Closed window of strikes.")
    moneyness = WindowSerializer(required=False, help_text="Closed window of strike / forward: 0.95 to 1.05.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "expiries" in attrs:  # as it is kept with the job
            attrs["expiries"] = [expiry.isoformat() for expiry in attrs["expiries"]]
        return attrs


class ItemSerializer(serializers.Serializer):
    """For the schema only: 100,000 items are read by `read_items`, which refuses a bad one alone."""

    instrument_key = serializers.CharField()
    custom_id = serializers.CharField(required=False, help_text="Yours; given back with the answer.")
    price = serializers.FloatField(required=False, help_text="Instead of the quoted price.")
    underlying_price = serializers.FloatField(required=False, help_text="Spot, instead of the forward found.")
    volatility = serializers.FloatField(required=False, help_text="Decimal; the Greeks and price at this volatility.")
    rate = serializers.FloatField(required=False)
    dividend_yield = serializers.FloatField(required=False)


class WebhookSerializer(StrictSerializer):
    url = serializers.CharField(max_length=LONGEST_URL, help_text="https, and http where it is allowed; a public host.")
    secret = serializers.CharField(write_only=True, help_text="whsec_ and the base64 of 24 to 64 random bytes.")

    def validate_url(self, url: str) -> str:
        try:
            read_url(url, site_policy())
        except ForbiddenAddress as error:
            raise serializers.ValidationError(str(error)) from error
        return url

    def validate_secret(self, secret: str) -> str:
        try:
            read_secret(secret)
        except InvalidSecret as error:
            raise serializers.ValidationError(str(error)) from error
        return secret


class GreeksSubmissionSerializer(StrictSerializer):
    """What both doors take. After validation: kind, params (complete), as_of, and items or selector."""

    items = serializers.ListField(child=ItemSerializer(), required=False, help_text="Objects, or bare instrument keys.")
    selector = SelectorSerializer(required=False)
    params = GreeksParamsSerializer(required=False)
    as_of = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="ISO instant; without an offset in the exchange's zone; a date alone means that session's close. "
        "Default: the newest quote of the selection.",
    )
    reuse = serializers.BooleanField(
        default=True, help_text="false: compute anew, even where an earlier job of yours had the same inputs."
    )
    webhook = WebhookSerializer(required=False, help_text="Told when the job has ended; makes it a job, however small.")
    dry_run = serializers.BooleanField(default=False, help_text="true: validate and estimate; nothing is kept.")

    def to_internal_value(self, data: Any) -> Any:
        """A hundred thousand items don't go through a field each, and `params` belong to the kind.

        The items are taken out of the request's data: a request is in a reference cycle (DRF's request, parser and
        view know each other), and what it holds would stay until the garbage collector comes by.
        """
        if not isinstance(data, dict):
            raise serializers.ValidationError({"body": "must be a JSON object"})
        self.raw_items, self.raw_params = data.pop("items", None), data.get("params")
        rest = {name: value for name, value in data.items() if name != "params"}
        attrs: dict[str, Any] = super().to_internal_value(rest)
        return attrs

    def take(self) -> Submission:
        """What was submitted, once: the serializer is in a cycle too."""
        submission: Submission = self.submission
        del self.submission
        return submission

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        kind = KINDS[attrs.get("kind", "greeks")]
        selector = attrs.get("selector")
        if (self.raw_items is None) == (selector is None):
            raise serializers.ValidationError({"items": "give either items or selector"})
        params = kind.params_serializer(data={} if self.raw_params is None else self.raw_params)
        if not params.is_valid():
            raise serializers.ValidationError({"params": params.errors})
        items: Items | None = None
        if selector is not None:
            kind.check_selector(selector)
        else:
            items = read_items(self.raw_items or [], kind.overrides, most=settings.BATCH_MAX_ITEMS)
        self.raw_items = None
        as_of: datetime | None = None
        if attrs.get("as_of"):
            as_of = parse_instant(attrs["as_of"], kind.exchange(items.keys if items else [], selector))
        self.submission = Submission(
            kind=kind,
            params=params.validated_data,
            as_of=as_of,
            items=items,
            selector=selector,
            reuse=attrs["reuse"],
            webhook=attrs.get("webhook"),
        )
        return attrs


# `async` is a keyword of Python: the field can't be written in the class body.
GreeksSubmissionSerializer._declared_fields["async"] = serializers.BooleanField(
    default=False, help_text="true: always a job, however few the items."
)


class JobSubmissionSerializer(GreeksSubmissionSerializer):
    kind = serializers.ChoiceField(list(KINDS))


class RequestCountsSerializer(serializers.Serializer):
    total = serializers.IntegerField()
    completed = serializers.IntegerField(help_text="Items with a value.")
    failed = serializers.IntegerField(help_text="Items with a reason instead.")


class JobSerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.get_username")
    done = serializers.SerializerMethodField(help_text="The status is final.")
    request_counts = RequestCountsSerializer(source="*")
    progress = serializers.SerializerMethodField(help_text="Part of the items that have their answer, 0 to 1.")
    eta_seconds = serializers.SerializerMethodField(help_text="At the rate so far; null where there is none yet.")
    duration_seconds = serializers.SerializerMethodField(help_text="From acceptance to the end, or until now.")
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
            "created_at",
            "started_at",
            "finished_at",
            "links",
        )

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
