"""The results and the receipt of a job over HTTP."""

import uuid
from typing import Any, cast

import orjson
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.jobs import selectors
from batch.jobs.answer_shapes import ReceiptSerializer, ResultsPageSerializer
from batch.jobs.etags import validators_of
from batch.jobs.examples import RESULTS_EXAMPLE
from batch.jobs.idempotency import json_response
from batch.jobs.models import Job
from batch.jobs.serializers import StatusWord
from batch.jobs.submitting import TAGS, owner_of
from signalsite.foundation.fields import Whole
from signalsite.foundation.serializers import StrictSerializer

LAST_POSITION = 2**31 - 1


class ReceiptView(APIView):
    @extend_schema(
        tags=TAGS,
        responses=ReceiptSerializer,
        summary="What a job's items share: for each expiry the forward, its bid and ask, and the excluded strikes",
    )
    def get(self, request: Request, job_id: uuid.UUID) -> HttpResponse:
        return json_response(orjson.dumps(selectors.read_receipt(owner_of(request), job_id)))


class ResultsQuerySerializer(StrictSerializer):
    cursor = Whole(
        required=False, default=-1, min_value=-1, max_value=LAST_POSITION, help_text="`next_cursor` of a page."
    )
    limit = Whole(required=False, default=1000, min_value=1, max_value=10_000)
    status = StatusWord()


class ResultsView(APIView):
    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Drop the view's reference to its response.

        DRF's request and view refer to each other, and the view to its response. Without this, the megabytes of a page
        stay until the garbage collector runs.
        """
        answer = super().dispatch(request, *args, **kwargs)
        del self.response
        return answer

    @extend_schema(
        tags=TAGS,
        parameters=[ResultsQuerySerializer, OpenApiParameter("job_id", OpenApiTypes.UUID, "path")],
        responses=ResultsPageSerializer,
        examples=[RESULTS_EXAMPLE],
        summary="Results in the order of the request. While the job runs, those before the first gap",
    )
    def get(self, request: Request, job_id: uuid.UUID) -> HttpResponse:
        query = ResultsQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        after, limit = query.validated_data["cursor"], query.validated_data["limit"]
        status = query.validated_data.get("status", "")
        job = selectors.get_job(owner_of(request), job_id)
        validators = validators_of(job, "results", request.build_absolute_uri(), after, limit, status)
        if validators and (unchanged := validators.answer(request._request)):
            return cast(HttpResponse, unchanged)
        page, reached = selectors.read_results(job, after=after, limit=limit, status=status)
        response = _page(request, job, page.lists, reached)
        if validators:
            validators.mark(response)
        return response


def _page(request: Request, job: Job, lists: list[bytes], reached: int | None) -> HttpResponse:
    """Return the page's response. The rows are megabytes, so they are copied only once."""
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
