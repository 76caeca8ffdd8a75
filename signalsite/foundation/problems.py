"""Every HTTP error in one shape: application/problem+json (RFC 9457), with the fields that are wrong by name."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from signalsite.foundation.errors import Conflict, DataAccessError, InvalidInput, LimitExceeded
from signalsite.foundation.problem_json import CONTENT_TYPE, document

logger = logging.getLogger(__name__)
RETRY_AFTER_SECONDS = 5


def problem(
    status: int, detail: str, *, errors: list[dict[str, str]] | None = None, headers: dict[str, str] | None = None
) -> Response:
    """`errors`: one {"field", "detail"} a wrong field, `field` being its path in the body, such as items[3].rate."""
    return Response(document(status, detail, errors), status=status, content_type=CONTENT_TYPE, headers=headers)


def flat_errors(detail: Any, path: str = "") -> list[dict[str, str]]:
    """DRF's nested errors as one row a wrong field."""
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
    if isinstance(name, int):  # DRF keys the errors of a list by place
        return f"{path}[{name}]"
    if name == "non_field_errors":
        return path
    return f"{path}.{name}" if path else name


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook. What is not ours, DRF's or the database's failing is a bug: None lets Django log and answer 500."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, InvalidInput):
        set_rollback()
        return problem(400, str(error), errors=[{"field": error.field, "detail": str(error)}])
    if isinstance(error, Conflict):
        set_rollback()
        return problem(409, str(error))
    if isinstance(error, LimitExceeded):
        set_rollback()
        return problem(429, str(error), headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    if isinstance(error, OperationalError | InterfaceError | DataAccessError):
        logger.error("storage did not answer: %s", error, exc_info=error)
        return problem(503, "storage is not available, try again", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(error, exceptions.ValidationError):
        errors = flat_errors(error.detail)
        return problem(400, "; ".join(f"{row['field']}: {row['detail']}" for row in errors), errors=errors)
    detail = error.detail
    if isinstance(detail, dict):  # simplejwt wraps its message
        detail = detail.get("detail", detail)
    return problem(error.status_code, str(detail), headers=headers)
