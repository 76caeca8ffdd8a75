"""What the address of a computation answers, for the schema: the answers themselves are written as columns."""

from functools import cache

from rest_framework import serializers

from batch.jobs.serializers import RequestCountsSerializer
from signalsite.foundation.computations.contract import Computation
from signalsite.foundation.computations.requests import params_serializer, pascal, row_serializer


@cache
def answer_serializer(computation: Computation) -> type[serializers.Serializer]:
    """What the computation's own address answers at once. What the items share stands beside, as in a receipt."""
    fields = {
        "as_of": serializers.DateTimeField(),
        "params": params_serializer(computation)(help_text="Every parameter with its default filled in."),
        "request_counts": RequestCountsSerializer(),
        "data": row_serializer(computation)(many=True, help_text="In the order of the items."),
    }
    return type(f"{pascal(computation.name)}AnswerSerializer", (serializers.Serializer,), fields)


class RefusedItemSerializer(serializers.Serializer):
    position = serializers.IntegerField()
    reason = serializers.CharField()


class EstimateSerializer(serializers.Serializer):
    """What a submission would be, which was not kept."""

    dry_run = serializers.BooleanField()
    kind = serializers.CharField()
    params = serializers.DictField()
    as_of = serializers.DateTimeField(allow_null=True)
    total = serializers.IntegerField()
    refused = RefusedItemSerializer(many=True, help_text="The first of the items that would be answered `bad_input`.")
    refused_count = serializers.IntegerField()
    chunk_size = serializers.IntegerField()
    chunks = serializers.IntegerField()
    estimated_seconds = serializers.FloatField()
    items_ahead = serializers.IntegerField(help_text="In the queue.")
