"""What configurations were: their versions, and what differs between two."""

import uuid
from typing import Any

from django.http import Http404, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from signals.configs import examples, selectors
from signals.configs.core.canonical import in_order
from signals.configs.core.difference import differences
from signals.configs.models import Configuration
from signals.configs.serializers import (
    ConfigurationVersionPageSerializer,
    ConfigurationVersionSerializer,
    ConfigurationVersionSummarySerializer,
    DifferenceQuerySerializer,
    DifferenceRowSerializer,
    DifferenceSerializer,
    VersionsQuerySerializer,
)
from signals.configs.views import PREFIX, TAGS, ConfigurationsAPIView, visible
from signalsite.foundation.conditional import conditional, page
from signalsite.foundation.errors import Conflict, InvalidInput
from signalsite.foundation.serializers import read_query
from signalsite.foundation.stored_json import Unreadable


class VersionsView(ConfigurationsAPIView):
    @extend_schema(
        tags=TAGS,
        parameters=[VersionsQuerySerializer],
        responses=ConfigurationVersionPageSerializer,
        operation_id=f"{PREFIX}_versions",
        summary="Versions of a configuration, the newest first",
    )
    def get(self, request: Request, config_id: uuid.UUID) -> HttpResponse:
        found = visible(request, config_id)
        asked = read_query(VersionsQuerySerializer, request)
        rows = selectors.versions_page(found, before=asked.get("cursor"), limit=asked["limit"] + 1)
        following = str(rows[asked["limit"] - 1].number) if len(rows) > asked["limit"] else None
        data = ConfigurationVersionSummarySerializer(rows[: asked["limit"]], many=True).data
        return page(request, {}, following, data)


class VersionView(ConfigurationsAPIView):
    @extend_schema(
        tags=TAGS,
        responses=ConfigurationVersionSerializer,
        operation_id=f"{PREFIX}_versions_retrieve",
        summary="A version of a configuration",
    )
    def get(self, request: Request, config_id: uuid.UUID, number: int) -> HttpResponse:
        found = selectors.version_numbered(visible(request, config_id), min(number, 2**31 - 1))
        if found is None:
            raise Http404
        return conditional(request, ConfigurationVersionSerializer(found).data)


class DifferenceView(ConfigurationsAPIView):
    @extend_schema(
        tags=TAGS,
        parameters=[DifferenceQuerySerializer],
        responses={200: DifferenceSerializer, 409: None},
        examples=[examples.DIFFERENCE],
        operation_id=f"{PREFIX}_difference",
        summary="What differs between two versions",
        description="409 where one of them cannot be read.",
    )
    def get(self, request: Request, config_id: uuid.UUID) -> HttpResponse:
        found = visible(request, config_id)
        asked = read_query(DifferenceQuerySerializer, request)
        to = asked.get("to", found.version)
        since = asked.get("from", max(to - 1, 1))
        after = _document(found, to, "to")
        rows = differences(_document(found, since, "from"), after)
        data = DifferenceRowSerializer(rows, many=True).data
        return conditional(request, {"before": since, "after": to, "data": data})


def _document(configuration: Configuration, number: int, field: str) -> Any:
    found = selectors.version_numbered(configuration, number)
    if found is None:
        raise InvalidInput(field, f"there is no version {number}; the newest is {configuration.version}")
    if isinstance(found.document, Unreadable):
        raise Conflict(f"version {number} is {found.document}")
    return in_order(found.document)
