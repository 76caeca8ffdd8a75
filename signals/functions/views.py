"""Functions over HTTP: ours, one's own with their versions, the dry run, and the log."""

from typing import Any, cast

import orjson
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import permissions, status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from signals.functions import services
from signals.functions.core.internal import Argument, InternalFunction
from signals.functions.core.registry import INTERNAL
from signals.functions.dry_run_serializers import DryRunAnswerSerializer, DryRunSerializer
from signals.functions.dry_runs import ReadStored, dry_run
from signals.functions.models import FunctionVersion, UserFunction
from signals.functions.running import FunctionRefused
from signals.functions.sandbox.starter import SandboxUnavailable
from signals.functions.selectors import PERMISSION, functions_of, runs_of
from signals.functions.serializers import (
    DescriptionSerializer,
    FunctionListSerializer,
    FunctionSerializer,
    InternalListSerializer,
    RunPageSerializer,
    RunSerializer,
    RunsQuerySerializer,
    UploadSerializer,
    VersionListSerializer,
    VersionSerializer,
    VersionSourceSerializer,
    VersionUploadSerializer,
    most_functions,
)
from signalsite.foundation.conditional import conditional, page
from signalsite.foundation.serializers import read_query

TAGS = ["functions"]
PREFIX = "v2_signals_functions"


class Unavailable(APIException):
    """Users' functions do not run on this machine."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE


class MayUseFunctions(permissions.BasePermission):
    message = "your account may not upload and run functions; staff can give it the permission signals.add_userfunction"

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user and request.user.has_perm(PERMISSION))


class FunctionsAPIView(APIView):
    permission_classes = [permissions.IsAuthenticated, MayUseFunctions]

    def handle_exception(self, exc: Exception) -> Response:
        """Name the source's lines in the answer to a source that was refused."""
        if isinstance(exc, FunctionRefused):
            lines = [each.message if each.line is None else f"line {each.line}: {each.message}" for each in exc.faults]
            exc = ValidationError({"source": lines})
        elif isinstance(exc, SandboxUnavailable):
            exc = Unavailable(str(exc))
        return super().handle_exception(exc)


class InternalFunctionsView(APIView):
    @extend_schema(
        tags=TAGS,
        responses=InternalListSerializer,
        operation_id=f"{PREFIX}_internal",
        summary="Internal functions, with parameters, formulas and sources",
    )
    def get(self, request: Request) -> HttpResponse:
        return conditional(request, {"data": [_internal(each) for each in INTERNAL.values()]})


class FunctionsView(FunctionsAPIView):
    @extend_schema(
        tags=TAGS, responses=FunctionListSerializer, operation_id=f"{PREFIX}_list", summary="Your functions, by name"
    )
    def get(self, request: Request) -> HttpResponse:
        rows = FunctionSerializer(functions_of(request.user), many=True).data
        return conditional(request, {"limit": most_functions(), "data": rows})

    @extend_schema(
        tags=TAGS,
        request=UploadSerializer,
        responses={201: VersionSourceSerializer},
        operation_id=f"{PREFIX}_create",
        summary="Upload a function",
        description="The source is compiled in the sandbox first. Errors name its lines.",
    )
    def post(self, request: Request) -> Response:
        given = _checked(UploadSerializer, request)
        made = services.create(cast(User, request.user), **given, now=timezone.now())
        return _made(made, status.HTTP_201_CREATED)


class FunctionView(FunctionsAPIView):
    @extend_schema(
        tags=TAGS, responses=FunctionSerializer, operation_id=f"{PREFIX}_retrieve", summary="One of your functions"
    )
    def get(self, request: Request, name: str) -> HttpResponse:
        return conditional(request, FunctionSerializer(_own(request, name)).data)

    @extend_schema(
        tags=TAGS,
        request=DescriptionSerializer,
        responses=FunctionSerializer,
        operation_id=f"{PREFIX}_update",
        summary="Describe a function anew",
    )
    def patch(self, request: Request, name: str) -> Response:
        function = _own(request, name)
        services.describe(function, _checked(DescriptionSerializer, request)["description"])
        return Response(FunctionSerializer(function).data)

    @extend_schema(
        tags=TAGS,
        responses={204: None},
        operation_id=f"{PREFIX}_delete",
        summary="Delete a function with its versions",
        description="Jobs that still run it fail, and say so.",
    )
    def delete(self, request: Request, name: str) -> Response:
        services.delete(_own(request, name), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class VersionsView(FunctionsAPIView):
    @extend_schema(
        tags=TAGS,
        responses=VersionListSerializer,
        operation_id=f"{PREFIX}_versions",
        summary="Versions of a function, the newest first",
    )
    def get(self, request: Request, name: str) -> HttpResponse:
        versions = _own(request, name).versions.select_related("function").defer("source").order_by("-number")
        return conditional(request, {"data": VersionSerializer(versions, many=True).data})

    @extend_schema(
        tags=TAGS,
        request=VersionUploadSerializer,
        responses={200: VersionSourceSerializer, 201: VersionSourceSerializer},
        operation_id=f"{PREFIX}_versions_create",
        summary="Upload a version of a function",
        description="200 and the newest version where that has this very source.",
    )
    def post(self, request: Request, name: str) -> Response:
        function = _own(request, name)
        source = _checked(VersionUploadSerializer, request)["source"]
        version, new = services.add_version(function, source=source, now=timezone.now())
        return _made(version, status.HTTP_201_CREATED if new else status.HTTP_200_OK)


class VersionView(FunctionsAPIView):
    @extend_schema(
        tags=TAGS,
        responses=VersionSourceSerializer,
        operation_id=f"{PREFIX}_versions_retrieve",
        summary="A version of a function, with its source",
    )
    def get(self, request: Request, name: str, number: int) -> HttpResponse:
        function = _own(request, name)
        found = function.versions.select_related("function").filter(number=min(number, 2**31 - 1)).first()
        if found is None:
            raise Http404
        return conditional(request, VersionSourceSerializer(found).data)


class DryRunView(FunctionsAPIView):
    read_stored: ReadStored | None = None  # of the room above, which the addresses give

    @extend_schema(
        tags=TAGS,
        request=DryRunSerializer,
        responses=DryRunAnswerSerializer,
        operation_id=f"{PREFIX}_dry_run",
        summary="Try a function on sample data or on a stored instrument, and time it",
        description="A source that does not compile is a 400 that names its lines. An error of the call is part of the "
        "answer. Stores nothing but a row of the log.",
    )
    def post(self, request: Request) -> HttpResponse:
        given = _checked(DryRunSerializer, request)
        assert self.read_stored is not None
        answer = dry_run(cast(User, request.user), given, now=timezone.now(), read_stored=self.read_stored)
        return HttpResponse(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), content_type="application/json")


class RunsView(FunctionsAPIView):
    @extend_schema(
        tags=TAGS,
        parameters=[RunsQuerySerializer],
        responses=RunPageSerializer,
        operation_id=f"{PREFIX}_runs",
        summary="The log of your uploads and runs, the newest first",
    )
    def get(self, request: Request) -> HttpResponse:
        asked = read_query(RunsQuerySerializer, request)
        rows = runs_of(request.user, asked.get("function"), asked.get("cursor"), asked["limit"] + 1)
        following = str(rows[asked["limit"] - 1].pk) if len(rows) > asked["limit"] else None
        return page(request, {}, following, RunSerializer(rows[: asked["limit"]], many=True).data)


def _checked(kind: Any, request: Request) -> dict[str, Any]:
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _own(request: Request, name: str) -> UserFunction:
    found = functions_of(request.user).filter(name=name).first()
    if found is None:
        raise Http404
    return found


def _made(version: FunctionVersion, code: int) -> Response:
    address = reverse("function-version", args=[version.function.name, version.number])
    return Response(VersionSourceSerializer(version).data, status=code, headers={"Location": address})


def _internal(function: InternalFunction) -> dict[str, Any]:
    return {
        "name": function.name,
        "version": function.version,
        "summary": function.summary,
        "formula": function.formula,
        "reference": function.source,
        "needs": list(function.needs),
        "params": [_argument(each) for each in function.arguments],
        "outputs": dict(function.outputs),
    }


def _argument(argument: Argument) -> dict[str, Any]:
    bounds = (None, None) if argument.choices else (float(argument.lowest), float(argument.highest))
    return {
        "name": argument.name,
        "default": argument.default,
        "minimum": bounds[0],
        "maximum": bounds[1],
        "whole": argument.whole,
        "choices": list(argument.choices),
        "help": argument.help,
    }
