"""The shapes of answers, for the API schema only: the answers themselves are written from columns."""

from functools import cache

from rest_framework import serializers

from batch.jobs.models import Job
from batch.jobs.serializers import RequestCountsSerializer
from signalsite.foundation.computations.contract import Computation
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.computations.requests import (
    declared_field,
    params_serializer,
    pascal,
    receipt_fields,
    row_schemas,
    row_serializer,
)


@cache
def answer_serializer(computation: Computation) -> type[serializers.Serializer]:
    """Return the shape of an immediate answer. The fields of the receipt come in addition."""
    fields = {
        "as_of": serializers.DateTimeField(),
        "params": params_serializer(computation)(help_text="Every parameter, with defaults filled in."),
        "request_counts": RequestCountsSerializer(),
        **receipt_fields(computation),
        "data": row_serializer(computation)(many=True, help_text="In the order of the items."),
    }
    return type(f"{pascal(computation.name)}AnswerSerializer", (serializers.Serializer,), fields)


ReceiptSerializer = type(
    "ReceiptSerializer",
    (serializers.Serializer,),
    {
        "__doc__": "What the items of a job share; each computation has its own lists.",
        "job_id": serializers.UUIDField(),
        "as_of": serializers.DateTimeField(allow_null=True),
        **{
            name: field
            for each in computations().values()
            for name, field in receipt_fields(each, required=False).items()
        },
    },
)


class ResultsPageSerializer(serializers.Serializer):
    """A page of results; the rows have the columns of the job's computation."""

    job_id = serializers.UUIDField()
    status = serializers.ChoiceField(Job.Status.choices)
    next_cursor = serializers.IntegerField(allow_null=True, help_text="`cursor` of the next page; null after the last.")
    data = declared_field(row_schemas(computations().values()))  # type: ignore[assignment]  # a field, not the property


class JobTotalsSerializer(serializers.Serializer):
    total = serializers.IntegerField()
    by_status = serializers.DictField(child=serializers.IntegerField())


class QueueSerializer(serializers.Serializer):
    """The queue that all users share."""

    pending_chunks = serializers.IntegerField()
    running_chunks = serializers.IntegerField()
    waiting_items = serializers.IntegerField()


class StatisticsSerializer(serializers.Serializer):
    """Jobs that you may see, and the queue."""

    jobs = JobTotalsSerializer()
    items = RequestCountsSerializer()
    mean_job_seconds = serializers.FloatField(allow_null=True)
    items_per_second = serializers.FloatField(allow_null=True)
    queue = QueueSerializer()


class RefusedItemSerializer(serializers.Serializer):
    position = serializers.IntegerField()
    reason = serializers.CharField()


class EstimateSerializer(serializers.Serializer):
    """The answer to a dry run."""

    dry_run = serializers.BooleanField()
    kind = serializers.CharField()
    params = serializers.DictField()
    as_of = serializers.DateTimeField(allow_null=True)
    total = serializers.IntegerField()
    refused = RefusedItemSerializer(many=True, help_text="The first items that would be answered `bad_input`.")
    refused_count = serializers.IntegerField()
    chunk_size = serializers.IntegerField()
    chunks = serializers.IntegerField()
    estimated_seconds = serializers.FloatField()
    items_ahead = serializers.IntegerField(help_text="Items in the queue before these.")
