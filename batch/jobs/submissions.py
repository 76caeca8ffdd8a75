"""Validate submissions to the batch API."""

from datetime import datetime
from functools import cache
from itertools import chain, islice
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from batch.jobs.core.items import Given, read_given
from batch.jobs.core.portfolio_items import PortfolioReader
from batch.jobs.services import Submission, too_many_rows
from batch.webhooks.core.addresses import LONGEST_URL, ForbiddenAddress, read_url
from batch.webhooks.core.signing import InvalidSecret, read_secret
from signalsite.foundation.computations.columns import PORTFOLIO
from signalsite.foundation.computations.contract import Computation
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.computations.requests import item_field, params_serializer, pascal
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Day, Flag, Number, Several, Text
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.keys import MAX_KEY_LENGTH
from timeframes.core.sessions import parse_instant

LONGEST_SECRET = 100
LARGEST_PRICE = 1e12  # the limit of a strike's column, and of an item's prices
MOST_EXPIRIES = 10_000
KEYS_ASKED_FOR_ZONE = 100_000  # a second's work if none of them is a key


class WindowSerializer(StrictSerializer):
    """A closed window. Without min or max, it is open at that end."""

    min = Number(required=False, min_value=0.0, max_value=LARGEST_PRICE)
    max = Number(required=False, min_value=0.0, max_value=LARGEST_PRICE)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "min" in attrs and "max" in attrs and attrs["min"] > attrs["max"]:
            raise serializers.ValidationError({"max": "must not be below min"})
        return attrs


class SelectorSerializer(StrictSerializer):
    """A rule that selects items: the options quoted at as_of that match it."""

    underlying = Text(
        required=False, max_length=MAX_KEY_LENGTH, help_text="Key (NSE@NIFTY) or symbol (NIFTY). Default: all."
    )
    exchange = Text(required=False, max_length=32, help_text="The exchange of the options, if there is no underlying.")
    expiries = Several(
        child=Day(),
        required=False,
        max_length=MOST_EXPIRIES,
        help_text="Absent or empty means all. Repetitions are ignored.",
    )
    strike = WindowSerializer(required=False, help_text="Closed window of strikes.")
    moneyness = WindowSerializer(required=False, help_text="Closed window of strike / forward: 0.95 to 1.05.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "expiries" in attrs:  # as stored with the job
            attrs["expiries"] = [expiry.isoformat() for expiry in attrs["expiries"]]
        return attrs


class WebhookSerializer(StrictSerializer):
    url = Text(max_length=LONGEST_URL, help_text="https, or http if the operator allows it. The host must be public.")
    secret = Text(
        write_only=True, max_length=LONGEST_SECRET, help_text="whsec_ and the base64 of 24 to 64 random bytes."
    )

    def validate_url(self, url: str) -> str:
        from batch.webhooks.sending import site_policy  # it imports httpx, and few submissions have a webhook

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


class SubmissionSerializer(StrictSerializer):
    """What all submissions have in common.

    `submission_serializer` adds the `params` and `items` of one computation. After validation, `take` returns the
    submission.
    """

    computation: ClassVar[Computation]

    selector = SelectorSerializer(required=False)
    as_of = Text(
        required=False,
        allow_null=True,
        max_length=40,
        help_text="ISO instant. Without an offset, it is in the time zone of the first valid key's exchange. A date "
        "means that session's close. Default: the newest quote of the selection.",
    )
    reuse = Flag(default=True, help_text="false: compute again, even if an earlier job of yours had the same inputs.")
    webhook = WebhookSerializer(
        required=False, help_text="Receives a message when the job ends. Makes any request a job."
    )
    dry_run = Flag(default=False, help_text="true: validate and estimate only; store nothing.")

    def to_internal_value(self, data: Any) -> Any:
        """Take items and params out of the data, which have their own validation.

        A hundred thousand items are too many for a field each. Taking them out of the request's data also frees their
        memory early: DRF's request, parser and view are a reference cycle, which only the garbage collector frees.
        """
        if not isinstance(data, dict):
            raise serializers.ValidationError({"body": "must be a JSON object"})
        self.raw_items, self.raw_params = data.pop("items", None), data.get("params", {})
        rest = {name: value for name, value in data.items() if name != "params"}
        attrs: dict[str, Any] = super().to_internal_value(rest)
        return attrs

    def take(self) -> Submission:
        """Return the submission, once: the serializer is in a reference cycle too, and must not hold it."""
        submission: Submission = self.submission
        del self.submission
        return submission

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        computation = self.computation
        selector = attrs.get("selector")
        if (self.raw_items is None) == (selector is None):
            raise serializers.ValidationError({"items": "give either items or selector"})
        params = params_serializer(computation)(data=self.raw_params)
        if not params.is_valid():
            raise serializers.ValidationError({"params": params.errors})
        items: Given | None = None
        if selector is not None:
            computation.check_selector(selector)
            selector |= computation.completed_selector(selector)
            if "expiries" in selector:
                selector["expiries"] = list(dict.fromkeys(selector["expiries"]))
        else:
            items = read_given(
                self.raw_items,
                computation.bounds,
                most=settings.BATCH_MAX_ITEMS,
                exchange=settings.DEFAULT_EXCHANGE,
                kind=computation.item_kind,
                reader=PortfolioReader if computation.item_kind is PORTFOLIO else None,
            )
        self.raw_items = None
        self._check_rows(params.validated_data, items, selector)
        as_of: datetime | None = None
        if attrs.get("as_of"):
            keys = chain.from_iterable(run.keys for run in items.runs()) if items else ()
            exchange = computation.exchange(islice(keys, KEYS_ASKED_FOR_ZONE), selector)
            as_of = parse_instant(attrs["as_of"], exchange)
        self.submission = Submission(
            computation=computation,
            params=params.validated_data,
            as_of=as_of,
            items=items,
            selector=selector,
            reuse=attrs["reuse"],
            webhook=attrs.get("webhook"),
        )
        return attrs

    def _check_rows(self, params: dict[str, Any], items: Given | None, selector: Any) -> None:
        """Raise InvalidInput if an item, or all of them, would have more rows than are allowed."""
        computation = self.computation
        if items is None:
            exchange = computation.exchange((), selector)
            rows = computation.rows_per_item_of(params, (f"{exchange}@",))
        else:
            rows = computation.rows_per_item_of(params, items.keys())
        if rows > computation.most_rows:
            raise InvalidInput("params", f"they ask for {rows} rows an item; {computation.most_rows} are allowed")
        if items is not None and (too_many := too_many_rows(items.total, rows)):
            raise InvalidInput("items", too_many)


@cache
def submission_serializer(computation: Computation) -> type[SubmissionSerializer]:
    """Return the serializer of the computation's own address."""
    items = Several(
        child=item_field(computation),
        required=False,
        min_length=1,
        max_length=settings.BATCH_MAX_ITEMS,
        help_text="Objects, or bare keys. An invalid item gets its own answer (`bad_input`).",
    )
    fields = {
        "computation": computation,
        "items": items,
        "params": params_serializer(computation)(required=False),
        "async": Flag(default=False, help_text="true: always make a job, even of a few items."),
        "__doc__": f"{computation.summary}: the items, the parameters and the instant.",
    }
    return type(f"{pascal(computation.name)}SubmissionSerializer", (SubmissionSerializer,), fields)


@cache
def job_submission_serializer(computation: Computation) -> type[SubmissionSerializer]:
    """Return the serializer for the address of jobs, where `kind` names the computation."""
    name, base = f"{pascal(computation.name)}JobSubmissionSerializer", submission_serializer(computation)
    return type(name, (base,), {"kind": KindField([computation.name]), "__doc__": base.__doc__})


@extend_schema_field(OpenApiTypes.STR)
class KindField(serializers.ChoiceField):
    """The name of a computation."""


class UnknownKindSerializer(SubmissionSerializer):
    """The serializer of an unknown kind. It reports that, and all other errors."""

    def get_fields(self) -> dict[str, Any]:
        """Return the fields of the first computation: their names are the same for all."""
        first = job_submission_serializer(next(iter(computations().values())))
        return {**first().get_fields(), "kind": KindField(list(computations()))}


def read_job(data: Any) -> SubmissionSerializer:
    """Return the validated serializer of a body that names its kind. Raises ValidationError or InvalidInput."""
    kind = data.get("kind") if isinstance(data, dict) else None
    computation = computations().get(kind) if isinstance(kind, str) else None
    chosen = UnknownKindSerializer if computation is None else job_submission_serializer(computation)
    serializer = chosen(data=data)
    serializer.is_valid(raise_exception=True)
    return serializer
