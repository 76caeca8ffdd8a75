"""Configurations over HTTP: list, create, check, show, replace, pause, resume and delete them."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import orjson
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from signals.configs import examples, selectors, services
from signals.configs.core.canonical import to_json
from signals.configs.models import Configuration
from signals.configs.parsers import ConfigurationParser, refused
from signals.configs.serializers import (
    CheckedSerializer,
    ConfigurationPageSerializer,
    ConfigurationSerializer,
    ConfigurationsQuerySerializer,
    ConfigurationSummarySerializer,
)
from signals.configs.shapes import ConfigurationDocumentSerializer
from signalsite.foundation.conditional import conditional_bytes, page
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.serializers import read_query

TAGS = ["configurations"]
PREFIX = "v2_signals_configs"
IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The ETag of the version that you have read: where there is another by now, the answer is 412.",
)
_TAG = re.compile(r'"v([1-9][0-9]{0,9})-[0-9a-f]{16}"', re.ASCII)
_CURSOR = re.compile(r"([0-9]{1,17})-([0-9a-f]{32})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class PreconditionFailed(APIException):
    """The configuration is not the version that If-Match names."""

    status_code = status.HTTP_412_PRECONDITION_FAILED


class ConfigurationsAPIView(APIView):
    parser_classes = [ConfigurationParser]

    def handle_exception(self, exc: Exception) -> Response:
        """Name every field of a document that was refused, and tell who sent If-Match that it did not match."""
        if isinstance(exc, services.InvalidConfiguration):
            exc = refused(exc.faults)
        elif isinstance(exc, services.Changed) and "If-Match" in self.request.headers:
            exc = PreconditionFailed(str(exc))
        return super().handle_exception(exc)


class ConfigurationsView(ConfigurationsAPIView):
    @extend_schema(
        tags=TAGS,
        parameters=[ConfigurationsQuerySerializer],
        responses=ConfigurationPageSerializer,
        operation_id=f"{PREFIX}_list",
        summary="Your configurations, the newest first",
        description="Who may view configurations in the admin sees everybody's.",
    )
    def get(self, request: Request) -> HttpResponse:
        asked = read_query(ConfigurationsQuerySerializer, request)
        limit, cursor = asked.pop("limit"), asked.pop("cursor", None)
        after = None if cursor is None else _read_cursor(cursor)
        rows = selectors.page_of(request.user, selectors.Wanted(**asked), after=after, limit=limit + 1)
        following = _cursor(rows[limit - 1]) if len(rows) > limit else None
        return page(request, {}, following, ConfigurationSummarySerializer(rows[:limit], many=True).data)

    @extend_schema(
        tags=TAGS,
        request=ConfigurationDocumentSerializer,
        responses={201: ConfigurationSerializer, 409: None},
        examples=[examples.SENT, examples.SHORT],
        operation_id=f"{PREFIX}_create",
        summary="Create a configuration",
        description="409 where you have one of this name.",
    )
    def post(self, request: Request) -> HttpResponse:
        made, _ = services.save(
            request.user,
            request.data,
            origin=Configuration.Origin.API,
            now=timezone.now(),
            expected=services.NONE_YET,
        )
        answer = shown(request, made)
        answer.status_code = status.HTTP_201_CREATED
        answer["Location"] = reverse("configuration", args=[made.pk])
        return answer


class ValidateView(ConfigurationsAPIView):
    @extend_schema(
        tags=TAGS,
        request=ConfigurationDocumentSerializer,
        responses=CheckedSerializer,
        examples=[examples.SENT, examples.SHORT],
        operation_id=f"{PREFIX}_validate",
        summary="Check a configuration, and store nothing",
        description="The answer has every default filled in. 400 names every field that is wrong.",
    )
    def post(self, request: Request) -> Response:
        document = services.check(request.user, request.data)
        return Response({"document": to_json(document), "next_due": services.first_due(document, timezone.now())})


class ConfigurationView(ConfigurationsAPIView):
    @extend_schema(
        tags=TAGS,
        responses=ConfigurationSerializer,
        operation_id=f"{PREFIX}_retrieve",
        summary="A configuration",
    )
    def get(self, request: Request, config_id: uuid.UUID) -> HttpResponse:
        return shown(request, visible(request, config_id))

    @extend_schema(
        tags=TAGS,
        parameters=[IF_MATCH],
        request=ConfigurationDocumentSerializer,
        responses={200: ConfigurationSerializer, 409: None, 412: None},
        examples=[examples.SENT, examples.SHORT],
        operation_id=f"{PREFIX}_replace",
        summary="Replace a configuration's document",
        description="An equal one makes no version. The name stays, and may be left out.",
    )
    def put(self, request: Request, config_id: uuid.UUID) -> HttpResponse:
        found = to_act_on(request, config_id)
        found, _ = services.rewrite(
            found,
            request.data,
            origin=Configuration.Origin.API,
            now=timezone.now(),
            expected=expected_version(request, found),
        )
        return shown(request, found)

    @extend_schema(
        tags=TAGS,
        parameters=[IF_MATCH],
        responses={204: None, 409: None, 412: None},
        operation_id=f"{PREFIX}_delete",
        summary="Delete a configuration with its versions and runs",
        description="What it gave is kept for CONFIG_RESULTS_KEEP_DAYS.",
    )
    def delete(self, request: Request, config_id: uuid.UUID) -> Response:
        found = to_act_on(request, config_id, selectors.DELETE)
        services.delete(found, now=timezone.now(), expected=expected_version(request, found))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PauseView(ConfigurationsAPIView):
    active = False

    @extend_schema(
        tags=TAGS,
        request=None,
        responses={200: ConfigurationSerializer, 409: None},
        operation_id=f"{PREFIX}_pause",
        summary="Pause a configuration",
    )
    def post(self, request: Request, config_id: uuid.UUID) -> HttpResponse:
        found = to_act_on(request, config_id)
        return shown(
            request,
            services.set_active(found, self.active, origin=Configuration.Origin.API, now=timezone.now()),
        )


class ResumeView(PauseView):
    active = True

    @extend_schema(
        tags=TAGS,
        request=None,
        responses={200: ConfigurationSerializer, 409: None},
        operation_id=f"{PREFIX}_resume",
        summary="Resume a configuration",
        description="Due moments that passed meanwhile are not made up for.",
    )
    def post(self, request: Request, config_id: uuid.UUID) -> HttpResponse:
        return super().post(request, config_id)


def visible(request: Request, config_id: uuid.UUID) -> Configuration:
    """Return a configuration that the caller may see. Raises Http404."""
    found = selectors.visible_to(request.user).filter(pk=config_id).first()
    if found is None:
        raise Http404
    return found


def to_act_on(request: Request, config_id: uuid.UUID, permission: str = selectors.CHANGE) -> Configuration:
    """Return a configuration that the caller may change. Raises Http404, PermissionDenied."""
    found = visible(request, config_id)
    if not selectors.may_act_on(request.user, found, permission):
        raise PermissionDenied
    return found


def shown(request: Request, configuration: Configuration) -> HttpResponse:
    """Answer with a configuration and its ETag, which names the version for If-Match."""
    content = orjson.dumps(ConfigurationSerializer(configuration).data, default=str)
    digest = uuid.uuid5(uuid.NAMESPACE_OID, content.decode()).hex[:16]
    etag = f'"v{configuration.version}-{digest}"'
    if request.method == "GET":
        return conditional_bytes(request, content, etag)
    return HttpResponse(content, content_type="application/json", headers={"ETag": etag})  # If-Match was of what it was


def expected_version(request: Request, configuration: Configuration) -> int | None:
    """Return the version that If-Match names, None without the header. Raises PreconditionFailed."""
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return None
    versions = {found[1] for each in given.split(",") if (found := _TAG.fullmatch(each.strip()))}
    if str(configuration.version) not in versions:
        raise PreconditionFailed(f"{configuration.name} is at version {configuration.version}: read it again")
    return configuration.version


def _cursor(row: Configuration) -> str:
    return f"{(row.created_at - _EPOCH) // _MICROSECOND}-{row.pk.hex}"


def _read_cursor(text: str) -> tuple[datetime, uuid.UUID]:
    if (found := _CURSOR.fullmatch(text)) is None:
        raise InvalidInput("cursor", "not a cursor that a page of this list gave")
    return _EPOCH + int(found[1]) * _MICROSECOND, uuid.UUID(hex=found[2])
