"""All HTTP errors as application/problem+json (RFC 9457), which names the wrong fields."""

import logging
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from signalsite.foundation.errors import Conflict, DataAccessError, InvalidInput, LimitExceeded, StorageTooSlow
from signalsite.foundation.problem_json import CONTENT_TYPE, MOST_ERRORS, RETRY_AFTER_SECONDS, problem_document

logger = logging.getLogger(__name__)


def problem(
    status: int, detail: str, *, errors: list[dict[str, str]] | None = None, headers: dict[str, str] | None = None
) -> Response:
    return Response(problem_document(status, detail, errors), status=status, content_type=CONTENT_TYPE, headers=headers)


class ProblemsUnderApi(MiddlewareMixin):
    """Turns Django's error pages under /api/ into problem documents.

    These are unknown addresses, bad hosts, missing CSRF tokens, methods that a plain view refuses, and bugs. It comes
    before the other middleware, so that it sees their answers.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        status = response.status_code
        if status < 400 or not request.path.startswith("/api/") or response.get("Content-Type") == CONTENT_TYPE:
            return response
        headers = {name: value for name, value in response.items() if name not in _OF_THE_PAGE}
        body = problem_document(
            status, _DETAILS.get(status, HTTPStatus(status).description or HTTPStatus(status).phrase)
        )
        problem = HttpResponse(orjson.dumps(body), content_type=CONTENT_TYPE, status=status, headers=headers)
        problem["Content-Length"] = str(len(problem.content))
        problem.cookies = response.cookies
        return problem


STORAGE_FAILED = (OperationalError, InterfaceError, DataAccessError)
_OF_THE_PAGE = ("Content-Type", "Content-Length", "Content-Encoding", "Content-Language")
_DETAILS = {
    400: "the request is malformed, or its Host is none of this service's",
    403: "forbidden, or the CSRF token is missing or wrong",
    404: "there is nothing at this address; /api/schema lists what there is",
    405: "this address does not take this method",
    500: "an error of ours; the log tells more",
}


def flat_errors(detail: Any, path: str = "") -> list[dict[str, str]]:
    """Flatten DRF's nested errors to one row per wrong field."""
    if isinstance(detail, dict):
        return [row for name, inner in detail.items() for row in flat_errors(inner, _join(path, name))]
    if isinstance(detail, list):
        return [
            row
            for index, inner in enumerate(detail)
            for row in flat_errors(inner, f"{path}[{index}]" if isinstance(inner, dict | list) else path)
        ]
    return [{"field": path or "body", "detail": str(detail)}]


def _join(path: str, name: str | int) -> str:
    if isinstance(name, int):  # DRF keys the errors of a list by index
        return f"{path}[{name}]"
    if name == "non_field_errors":
        return path
    return f"{path}.{name}" if path else name


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. It returns None for a bug, which Django logs and answers with 500."""
    if isinstance(error, STORAGE_FAILED):
        logger.error("storage did not answer: %s", error, exc_info=error)
    answer = problem_of(error)
    if answer is not None:
        set_rollback()
    return answer


def problem_of(error: Exception) -> Response | None:
    """Return the answer to an error, or None when it is a bug."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, InvalidInput):
        return problem(400, str(error), errors=[{"field": error.field, "detail": str(error)}])
    if isinstance(error, Conflict):
        return problem(409, str(error))
    if isinstance(error, LimitExceeded):
        return problem(429, str(error), headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    if isinstance(error, STORAGE_FAILED):
        said = str(error) if isinstance(error, StorageTooSlow) else "storage is not available, try again"
        return problem(503, said, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(error, exceptions.ValidationError):
        errors = flat_errors(error.detail)
        wrong_fields = "; ".join(f"{row['field']}: {row['detail']}" for row in errors[:MOST_ERRORS])
        return problem(400, wrong_fields, errors=errors)
    detail = error.detail
    if isinstance(detail, dict):  # simplejwt nests its message
        detail = detail.get("detail", detail)
    return problem(error.status_code, str(detail), headers=headers)
