"""The address of each computation: it answers a few items at once, and makes more of them a job."""

from typing import ClassVar

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.jobs import services
from batch.jobs.answer_shapes import EstimateSerializer, answer_serializer
from batch.jobs.examples import items_example
from batch.jobs.idempotency import IDEMPOTENCY_KEY, json_response, once
from batch.jobs.parsers import SubmissionView, in_each_form
from batch.jobs.submissions import submission_serializer
from batch.jobs.submitting import ACCEPTED, TAGS, owner_of, submit
from signalsite.foundation.computations.contract import Computation
from signalsite.foundation.computations.requests import pascal

MOST_ROWS_AT_ONCE = 10_000  # as in a page of results


class ComputationView(SubmissionView):
    computation: ClassVar[Computation]

    def post(self, request: Request) -> HttpResponse:
        return once(request, self._answer)

    def _answer(self, request: Request) -> HttpResponse:
        serializer = submission_serializer(self.computation)(data=request.data)
        serializer.is_valid(raise_exception=True)
        data, submission = serializer.validated_data, serializer.take()
        items = submission.items
        if (
            data["async"]
            or data["dry_run"]
            or "webhook" in data
            or items is None
            or not self.computation.answers_at_once(submission.params)
            or items.total > settings.API_V2_BATCH_SIZE
            or items.total * self.computation.rows_per_item_of(submission.params, items.keys()) > MOST_ROWS_AT_ONCE
        ):
            return submit(request, submission, dry_run=data["dry_run"])
        submission = services.granted(owner_of(request), submission)
        answer = services.answer_now(submission, next(items.chunks(items.total)), timezone.now())
        return json_response(services.answer_body(answer, submission.params))


def computation_view(computation: Computation) -> type[APIView]:
    """Return the view of one computation, with its schema."""
    described = extend_schema(
        tags=TAGS,
        request=in_each_form(submission_serializer(computation)),
        responses={
            200: PolymorphicProxySerializer(
                component_name=f"{pascal(computation.name)}AnswerOrEstimate",
                serializers=[answer_serializer(computation), EstimateSerializer],
                resource_type_field_name=None,
            ),
            202: ACCEPTED,
        },
        examples=[items_example(computation)],
        parameters=[IDEMPOTENCY_KEY],
        summary=f"{computation.summary}: up to API_V2_BATCH_SIZE instruments at once; more as a job",
    )
    view = type(f"{pascal(computation.name)}View", (ComputationView,), {"computation": computation})
    return extend_schema_view(post=described)(view)
