"""The document of an HTTP error (RFC 9457), for answers of Django and for those before it."""

from http import HTTPStatus
from typing import Any

from signalsite.foundation.log_context import request_id

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5  # where nothing better is known
MOST_ERRORS = 100  # in one answer
LONGEST_FIELD, LONGEST_DETAIL = 200, 1000  # characters, since these may repeat a caller's input


def problem_document(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """Return the document. `errors` has one {"field", "detail"} per wrong field; a field is a path: items[3].rate."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _cut(detail, LONGEST_DETAIL),
    }
    if known := request_id.get():
        body["request_id"] = known
    if errors:
        body["errors"] = [
            {"field": _cut(row["field"], LONGEST_FIELD), "detail": _cut(row["detail"], LONGEST_DETAIL)}
            for row in errors[:MOST_ERRORS]
        ]
    return body


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
