"""Jobs over HTTP: list, submit, show, cancel and retry them."""

import uuid
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batch.jobs import selectors, services
from batch.jobs.answer_shapes import EstimateSerializer, StatisticsSerializer
from batch.jobs.examples import JOB_EXAMPLE, SELECTOR_EXAMPLE
from batch.jobs.idempotency import IDEMPOTENCY_KEY, once
from batch.jobs.models import Job
from batch.jobs.parsers import SubmissionView, in_each_form
from batch.jobs.serializers import JobSerializer
from batch.jobs.submissions import job_submission_serializer, read_job
from batch.jobs.submitting import ACCEPTED, TAGS, accept, owner_of, submit
from batch.tasks import enqueue_chunks
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Instant, Text, Whole
from signalsite.foundation.serializers import StrictSerializer


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
        """Refuse every bad cursor by name. DRF accepts a position that is no instant, and answers 404 to the others."""
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
        responses={200: EstimateSerializer, 202: ACCEPTED},
        examples=[JOB_EXAMPLE, SELECTOR_EXAMPLE],
        parameters=[IDEMPOTENCY_KEY],
        summary="Submit a job of up to BATCH_MAX_ITEMS items",
    )
    def post(self, request: Request) -> HttpResponse:
        return once(request, self._submit)

    def _submit(self, request: Request) -> HttpResponse:
        serializer = read_job(request.data)
        return submit(request, serializer.take(), dry_run=serializer.validated_data["dry_run"])


class JobView(APIView):
    @extend_schema(tags=TAGS, responses=JobSerializer, summary="One job: status, counts, progress, timings")
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        return Response(JobSerializer(selectors.get_job(owner_of(request), job_id)).data)


class CancelView(APIView):
    @extend_schema(tags=TAGS, request=None, responses={202: JobSerializer}, summary="Stop computing")
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        job = selectors.get_job_to_act_on(owner_of(request), job_id)
        enqueue_chunks(services.cancel(job))
        return Response(JobSerializer(selectors.get_job(owner_of(request), job_id)).data, status=202)


class RetryView(APIView):
    @extend_schema(
        tags=TAGS,
        request=None,
        responses={202: ACCEPTED, 409: None},
        parameters=[IDEMPOTENCY_KEY],
        summary="Retry failed items",
    )
    def post(self, request: Request, job_id: uuid.UUID) -> HttpResponse:
        job = selectors.get_job_to_act_on(owner_of(request), job_id)
        return once(request, lambda _: accept(services.retry(job)))


class StatisticsView(APIView):
    @extend_schema(tags=TAGS, responses=StatisticsSerializer, summary="Jobs, items, timings and the queue")
    def get(self, request: Request) -> Response:
        return Response(selectors.statistics(request.user))
