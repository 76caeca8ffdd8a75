"""Runs and results of configurations over HTTP."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.http import Http404, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batch.configs import selectors, starting
from batch.configs.examples import RESULTS_EXAMPLE, RUNS_EXAMPLE
from batch.configs.serializers import (
    ConfigurationResultPageSerializer,
    ConfigurationResultsQuerySerializer,
    ConfigurationRunPageSerializer,
    ConfigurationRunSerializer,
    ConfigurationRunsQuerySerializer,
)
from batch.configs.tasks import enqueue
from signals.configs.models import Configuration
from signalsite.foundation.conditional import page
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.serializers import read_query
from timeframes.core.grid import instant, microseconds
from timeframes.core.keys import parse_key

TAGS = ["configs"]
PREFIX = "v2_signals_configs"


class ConfigurationRunsView(APIView):
    @extend_schema(
        tags=TAGS,
        parameters=[ConfigurationRunsQuerySerializer],
        responses=ConfigurationRunPageSerializer,
        examples=[RUNS_EXAMPLE],
        operation_id=f"{PREFIX}_runs",
        summary="Scheduled runs of a configuration, the newest first: state, lateness, duration, error",
    )
    def get(self, request: Request, config_id: uuid.UUID) -> HttpResponse:
        found = selectors.get_configuration(request.user, config_id)
        asked = read_query(ConfigurationRunsQuerySerializer, request)
        limit, before = asked["limit"], asked.get("cursor")
        rows = selectors.runs_page(
            found, state=asked.get("state"), before=None if before is None else instant(before), limit=limit + 1
        )
        following = str(microseconds(rows[limit - 1].due)) if len(rows) > limit else None
        return page(request, {}, following, [dict(ConfigurationRunSerializer(each).data) for each in rows[:limit]])


class ConfigurationResultsView(APIView):
    @extend_schema(
        tags=TAGS,
        parameters=[ConfigurationResultsQuerySerializer],
        responses=ConfigurationResultPageSerializer,
        examples=[RESULTS_EXAMPLE],
        operation_id=f"{PREFIX}_results",
        summary="What a configuration gave, the newest first: of its schedule, of ticks, of back-tests",
    )
    def get(self, request: Request, config_id: uuid.UUID) -> HttpResponse:
        found = selectors.get_configuration(request.user, config_id)
        asked = read_query(ConfigurationResultsQuerySerializer, request)
        limit, cursor = asked["limit"], asked.get("cursor")
        after = None if cursor is None else selectors.read_result_cursor(cursor)
        rows = selectors.results_page(found.pk, replace(results_asked(asked), after=after), limit + 1)
        following = selectors.result_cursor(rows[limit - 1]) if len(rows) > limit else None
        return page(request, {}, following, rows[:limit])


class RunNowView(APIView):
    @extend_schema(
        tags=TAGS,
        request=None,
        responses={202: ConfigurationRunSerializer, 409: None},
        operation_id=f"{PREFIX}_run",
        summary="Run a configuration once, now, beside its schedule",
        description="409 while it is not active, and while a run of it waits.",
    )
    def post(self, request: Request, config_id: uuid.UUID) -> Response:
        found = selectors.get_configuration_to_run(request.user, config_id)
        try:
            made, work = starting.start_now(found.pk)
        except Configuration.DoesNotExist as error:  # deleted meanwhile
            raise Http404 from error
        enqueue(work)
        return Response(ConfigurationRunSerializer(made).data, status=202)


def results_asked(query: Mapping[str, Any]) -> selectors.ResultsAsked:
    """Read the filters of a valid query (ConfigurationResultsRangeSerializer). Raises InvalidInput."""
    return selectors.ResultsAsked(
        instrument=_key(query["instrument"]) if "instrument" in query else None,
        source=query.get("source"),
        start=query.get("start_time"),
        end=query.get("end_time"),
    )


def _key(text: str) -> str:
    try:
        return str(parse_key(text))
    except InvalidInput as error:
        raise InvalidInput("instrument", str(error)) from error
