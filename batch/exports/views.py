"""Export the results of an ended job as one stream (docs/exports.md)."""

import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast

from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.exports.asgi import SLOT
from batch.exports.formats import FORMATS, Format
from batch.exports.negotiation import CODINGS, ErrorsAsProblems, NoneAcceptable, choose_coding, choose_format
from batch.exports.responses import STREAM
from batch.jobs.etags import validators_of
from batch.jobs.models import Job
from batch.jobs.selectors import get_job
from batch.jobs.serializers import StatusWord
from batch.jobs.stored import readable_params
from signalsite.foundation.computations.columns import Column
from signalsite.foundation.computations.files import choose_columns, split_names
from signalsite.foundation.computations.registry import find
from signalsite.foundation.serializers import StrictSerializer

TAGS = ["batch"]
_VERSION = 3  # part of the ETag: increase it when the same rows give other bytes
_RESPONSES: dict[Any, Any] = {
    **STREAM,
    304: OpenApiResponse(description="Unchanged since the ETag or date of the request."),
    409: OpenApiResponse(description="The job has not ended yet (see Retry-After), or its computation is gone."),
}


class NotEnded(APIException):
    status_code = 409
    default_detail = "the job has not ended; export it later, or read the results so far"
    wait = 1  # Retry-After: 2


class FileQuerySerializer(StrictSerializer):
    format = serializers.ChoiceField(
        list(FORMATS), required=False, help_text="Takes precedence over the Accept header."
    )
    fields = serializers.CharField(  # type: ignore[assignment]  # the metaclass takes it away from the class
        required=False,
        max_length=1_000,
        help_text="The columns wanted, in this order, with commas between them. Default: all of the kind.",
    )


class ExportQuerySerializer(FileQuerySerializer):
    status = StatusWord()


class ExportView(APIView):
    content_negotiation_class = ErrorsAsProblems

    @extend_schema(
        tags=TAGS, parameters=[ExportQuerySerializer], responses=_RESPONSES, summary="All results of an ended job"
    )
    def get(self, request: Request, job_id: uuid.UUID) -> HttpResponseBase:
        query = ExportQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        return _export(request, job_id, **query.validated_data)


class ErrorsView(APIView):
    content_negotiation_class = ErrorsAsProblems

    @extend_schema(
        tags=TAGS,
        parameters=[FileQuerySerializer],
        responses=_RESPONSES,
        summary="All results that are not ok",
    )
    def get(self, request: Request, job_id: uuid.UUID) -> HttpResponseBase:
        query = FileQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        return _export(request, job_id, **query.validated_data, status="failed")


def _export(
    request: Request, job_id: uuid.UUID, *, status: str = "", format: str = "", fields: str | None = None
) -> HttpResponseBase:
    owner = cast(User, request.user)  # the permission saw to it
    job = get_job(owner, job_id)
    chosen = choose_format(request._request, format)
    coding = choose_coding(request.headers.get("Accept-Encoding"), ("identity",) if chosen.compressed else CODINGS)
    if coding is None:
        raise NoneAcceptable(f"available content codings: {', '.join(CODINGS)}; parquet has none")
    # Before the first byte: an unknown computation must be a 409, not a broken 200.
    columns = choose_columns(find(job.kind), readable_params(job.params), [] if fields is None else split_names(fields))
    names = [column.name for column in columns]
    validators = validators_of(job, "export", _VERSION, chosen.name, coding, status, names)
    if validators is None:
        raise NotEnded
    response: HttpResponseBase | None = validators.answer(request._request)
    if response is None:
        response = HttpResponse()
        if request.method != "HEAD":
            response = _stream(request, owner, _parts(job, chosen, coding, columns, status))
        validators.mark(response)
        response["Content-Type"] = chosen.content_type
        name = "-".join(filter(None, (job.kind, str(job.pk), status)))
        response["Content-Disposition"] = f'attachment; filename="{name}.{chosen.name}"'
        response["X-Accel-Buffering"] = "no"  # nginx would buffer the first bytes
        if coding != "identity":
            response["Content-Encoding"] = coding
    if isinstance(request._request, ASGIRequest):
        # Sending may take long, so this request's thread returns its connection to the pool now.
        connections.close_all()
    return response


def _parts(job: Job, format_: Format, coding: str, columns: Sequence[Column], status: str) -> Iterator[bytes]:
    from batch.exports.stream import encoded  # imports pyarrow, which only exports need

    return encoded(job, format_, coding, columns, status)


def _stream(request: Request, owner: User, parts: Iterator[bytes]) -> StreamingHttpResponse:
    from batch.exports.stream import over_threads

    if not isinstance(request._request, ASGIRequest):  # under WSGI, a slow reader holds a thread
        return StreamingHttpResponse(parts)
    if slot := request._request.scope.get(SLOT):
        slot.claim(owner.pk)
    streamed: AsyncIterator[bytes] = over_threads(parts)
    return StreamingHttpResponse(streamed)
