"""The shapes of answers, for the API schema only: the answers themselves are written from columns."""

from functools import cache

from rest_framework import serializers

from batch.jobs.serializers import RequestCountsSerializer
from signalsite.foundation.computations.contract import Computation
from signalsite.foundation.computations.requests import params_serializer, pascal, row_serializer


@cache
def answer_serializer(computation: Computation) -> type[serializers.Serializer]:
    """Return the shape of an immediate answer. The fields of the receipt come in addition."""
    fields = {
        "as_of": serializers.DateTimeField(),
        "params": params_serializer(computation)(help_text="Every parameter, with defaults filled in."),
        "request_counts": RequestCountsSerializer(),
        "data": row_serializer(computation)(many=True, help_text="In the order of the items."),
    }
    return type(f"{pascal(computation.name)}AnswerSerializer", (serializers.Serializer,), fields)


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
