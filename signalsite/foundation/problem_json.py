"""The document of an HTTP error (RFC 9457), for those who answer through Django and for those who answer before it."""

from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


def document(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """`errors`: one {"field", "detail"} for each wrong field."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    return body
