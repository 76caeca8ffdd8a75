"""Jobs over HTTP."""

import uuid
from datetime import datetime
from typing import Any, ClassVar, cast

import orjson
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_orjson_renderer.renderers import ORJSONRenderer
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batch.jobs import selectors, services
from batch.jobs.answer_shapes import (
    EstimateSerializer,
    ReceiptSerializer,
    ResultsPageSerializer,
    StatisticsSerializer,
    answer_serializer,
)
from batch.jobs.estimates import estimate
from batch.jobs.etags import validators
from batch.jobs.examples import JOB_EXAMPLE, RESULTS_EXAMPLE, SELECTOR_EXAMPLE, items_example
from batch.jobs.idempotency import IDEMPOTENCY_KEY, json_response, once
from batch.jobs.models import Job
from batch.jobs.parsers import SubmissionView, in_each_form
from batch.jobs.serializers import JobSerializer, StatusWord
from batch.jobs.services import Submission
from batch.jobs.submissions import job_submission_serializer, read_job, submission_serializer
from batch.tasks import ring_chunks, ring_job
from signalsite.foundation.computations.contract import Computation
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.computations.requests import pascal
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Instant, Text, Whole
from signalsite.foundation.serializers import StrictSerializer

TAGS = ["batch"]
LAST_POSITION = 2**31 - 1
MOST_ROWS_AT_ONCE = 10_000  # as in a page of results
_ACCEPTED = OpenApiResponse(JobSerializer, "The job is kept; Location tells where to ask for it.")


def _owner(request: Request) -> User:
    return cast(User, request.user)  # the permission saw to it


def _submit(request: Request, submission: Submission, *, dry_run: bool) -> HttpResponse:
    if dry_run:
        return json_response(orjson.dumps(estimate(submission, now=timezone.now())))
    return _accepted(services.submit(_owner(request), submission))


def _accepted(job: Job) -> HttpResponse:
    transaction.on_commit(lambda: ring_job(job.pk))
    response = json_response(ORJSONRenderer().render(JobSerializer(job).data), status=202)
    response["Location"] = reverse("job", args=[job.pk])
    return response


class ComputationView(SubmissionView):
    """The address of one computation: a few items are answered at once, more become a job."""

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
            or items.total > settings.API_V2_BATCH_SIZE
            or items.total * self.computation.rows_per_item(submission.params) > MOST_ROWS_AT_ONCE
        ):
            return _submit(request, submission, dry_run=data["dry_run"])
        answer = services.answer_now(submission, next(items.chunks(items.total)), timezone.now())
        return json_response(services.answer_body(answer, submission.params))


def computation_view(computation: Computation) -> type[APIView]:
    """ComputationView of this one, with its schema."""
    described = extend_schema(
        tags=TAGS,
        request=in_each_form(submission_serializer(computation)),
        responses={
            200: PolymorphicProxySerializer(
                component_name=f"{pascal(computation.name)}AnswerOrEstimate",
                serializers=[answer_serializer(computation), EstimateSerializer],
                resource_type_field_name=None,
            ),
            202: _ACCEPTED,
        },
        examples=[items_example(computation)],
        parameters=[IDEMPOTENCY_KEY],
        summary=f"{computation.summary}: of up to API_V2_BATCH_SIZE instruments at once; of more, as a job",
    )
    view = type(f"{pascal(computation.name)}View", (ComputationView,), {"computation": computation})
    return extend_schema_view(post=described)(view)


class JobFilterSerializer(StrictSerializer):
    status = serializers.ChoiceField(Job.Status.choices, required=False)
    kind = serializers.ChoiceField(list(computations()), required=False)
    created_after = Instant(required=False)
    created_before = Instant(required=False)
    cursor = Text(required=False, max_length=500, help_text="From `next` or `previous` of a page.")
    limit = Whole(required=False, min_value=1, max_value=200)


class JobPagination(CursorPagination):
    ordering = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200

    def decode_cursor(self, request: Request) -> Any:
        """DRF's own lets a position through that is no instant, and calls any other bad cursor a page not found."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                datetime.fromisoformat(str(cursor.position))
        except (NotFound, ValueError) as error:
            raise InvalidInput("cursor", "not a cursor that a page of this list gave") from error
        return cursor


class JobsView(SubmissionView, ListAPIView):
    serializer_class = JobSerializer
    pagination_class = JobPagination

    def get_queryset(self) -> QuerySet[Job]:
        filters = JobFilterSerializer(data=self.request.query_params.dict())
        filters.is_valid(raise_exception=True)
        chosen = filters.validated_data
        jobs = selectors.jobs_visible_to(self.request.user)
        lookups = {
            "status": "status",
            "kind": "kind",
            "created_after": "created_at__gt",
            "created_before": "created_at__lt",
        }
        return jobs.filter(**{lookup: chosen[name] for name, lookup in lookups.items() if name in chosen})

    @extend_schema(tags=TAGS, parameters=[JobFilterSerializer], summary="Your jobs, newest first")
    def get(self, request: Request) -> Response:
        return super().get(request)

    @extend_schema(
        tags=TAGS,
        request=in_each_form(
            PolymorphicProxySerializer(
                component_name="JobSubmission",
                serializers={name: job_submission_serializer(each) for name, each in computations().items()},
                resource_type_field_name="kind",
            )
        ),
        responses={200: EstimateSerializer, 202: _ACCEPTED},
        examples=[JOB_EXAMPLE, SELECTOR_EXAMPLE],
        parameters=[IDEMPOTENCY_KEY],
        summary="Submit a job of up to BATCH_MAX_ITEMS items",
    )
    def post(self, request: Request) -> HttpResponse:
        return once(request, self._submit)

    def _submit(self, request: Request) -> HttpResponse:
        serializer = read_job(request.data)
        return _submit(request, serializer.take(), dry_run=serializer.validated_data["dry_run"])


class JobView(APIView):
    @extend_schema(tags=TAGS, responses=JobSerializer, summary="One job: status, counts, progress, timings")
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        return Response(JobSerializer(selectors.get_job(_owner(request), job_id)).data)


class ReceiptView(APIView):
    @extend_schema(
        tags=TAGS,
        responses=ReceiptSerializer,
        summary="What a job's items share: of each expiry the forward, its bid and ask, and the strikes left out",
    )
    def get(self, request: Request, job_id: uuid.UUID) -> HttpResponse:
        return json_response(orjson.dumps(selectors.read_receipt(_owner(request), job_id)))


class CancelView(APIView):
    @extend_schema(tags=TAGS, request=None, responses={202: JobSerializer}, summary="Stop computing")
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        job = selectors.get_job_to_act_on(_owner(request), job_id)
        ring_chunks(services.cancel(job))
        return Response(JobSerializer(selectors.get_job(_owner(request), job_id)).data, status=202)


class RetryView(APIView):
    @extend_schema(
        tags=TAGS,
        request=None,
        responses={202: _ACCEPTED, 409: None},
        parameters=[IDEMPOTENCY_KEY],
        summary="Try failed items again",
    )
    def post(self, request: Request, job_id: uuid.UUID) -> HttpResponse:
        job = selectors.get_job_to_act_on(_owner(request), job_id)
        return once(request, lambda _: _accepted(services.retry(job)))


class ResultsQuerySerializer(StrictSerializer):
    cursor = Whole(
        required=False, default=-1, min_value=-1, max_value=LAST_POSITION, help_text="`next_cursor` of a page."
    )
    limit = Whole(required=False, default=1000, min_value=1, max_value=10_000)
    status = StatusWord()


class ResultsView(APIView):
    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """DRF's request and view know each other, and the view its answer: until the garbage collector comes by, the
        last pages' megabytes would stay."""
        answer = super().dispatch(request, *args, **kwargs)
        del self.response
        return answer

    @extend_schema(
        tags=TAGS,
        parameters=[ResultsQuerySerializer, OpenApiParameter("job_id", OpenApiTypes.UUID, "path")],
        responses=ResultsPageSerializer,
        examples=[RESULTS_EXAMPLE],
        summary="Results in the order of the request; while the job runs, as far as they are complete",
    )
    def get(self, request: Request, job_id: uuid.UUID) -> HttpResponse:
        query = ResultsQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        after, limit = query.validated_data["cursor"], query.validated_data["limit"]
        status = query.validated_data.get("status", "")
        job = selectors.get_job(_owner(request), job_id)
        final = validators(job, "results", request.build_absolute_uri(), after, limit, status)
        if final and (unchanged := final.answer(request._request)):
            return cast(HttpResponse, unchanged)
        page, reached = selectors.read_results(job, after=after, limit=limit, status=status)
        response = _page(request, job, page.lists, reached)
        if final:
            final.mark(response)
        return response


class StatisticsView(APIView):
    @extend_schema(tags=TAGS, responses=StatisticsSerializer, summary="Jobs, items, timings and the queue")
    def get(self, request: Request) -> Response:
        return Response(selectors.statistics(request.user))


def _page(request: Request, job: Job, lists: list[bytes], reached: int | None) -> HttpResponse:
    """The rows are megabytes: they are copied once."""
    following = "null" if reached is None else str(reached)
    parts: list[bytes | memoryview] = [
        f'{{"job_id":"{job.pk}","status":"{job.status}","next_cursor":{following},"data":['.encode()
    ]
    for rows in lists:
        parts += (memoryview(rows)[1:-1], b",")
    parts[-1 if lists else len(parts) :] = [b"]}"]
    response = json_response(b"".join(parts))
    if reached is not None:
        query = request.query_params.copy()
        query["cursor"] = str(reached)
        response["Link"] = f'<{request.build_absolute_uri(request.path)}?{query.urlencode()}>; rel="next"'
    return response
