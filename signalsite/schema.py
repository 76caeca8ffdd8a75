"""The OpenAPI document: its components, and the errors of every operation."""

from functools import cache
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from moneyness.instrument_service.views import ANSWERS as INSTRUMENT_SERVICE_ANSWERS
from realtime.snapshot.chain_shapes import chain_components
from realtime.snapshot.shapes import live_components
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.openapi import components
from signalsite.foundation.problem_json import CONTENT_TYPE, problem_document

Operation = dict[str, Any]
PROBLEM = "#/components/schemas/Problem"
_EXAMPLES: dict[int, tuple[str, str, list[dict[str, str]] | None]] = {
    # status: when, an example's detail, and its errors
    400: (
        "The request is malformed; `errors` names each field that is wrong.",
        'params.forward: "futures" is not a valid choice.',
        [{"field": "params.forward", "detail": '"futures" is not a valid choice.'}],
    ),
    401: (
        "No token or password, or one that is wrong, expired or revoked.",
        "Given token not valid for any token type",
        None,
    ),
    403: (
        "The account may not do this, or a browser's session sent no CSRF token.",
        "You do not have permission to perform this action.",
        None,
    ),
    404: ("There is no such thing, or not for this account.", "Not found.", None),
    405: ("The address does not take this method; `Allow` names those it takes.", 'Method "PUT" not allowed.', None),
    406: ("None of the media types offered is in `Accept`.", "Could not satisfy the request Accept header.", None),
    408: ("The body did not come in time.", "0 bytes of the body have come in 10 s or more", None),
    409: ("What is asked cannot be done in the state that things are in.", "the job has not ended", None),
    412: (
        "It is not the version that `If-Match` names: somebody has changed it since.",
        "nifty-5m is at version 3: read it again",
        None,
    ),
    413: ("The body is too large, as sent or unpacked.", "the body is over 67108864 bytes", None),
    415: (
        "The body's media type or content coding is not taken.",
        'Unsupported media type "text/csv" in request.',
        None,
    ),
    422: (
        "The `Idempotency-Key` belongs to another submission.",
        "this Idempotency-Key belongs to another request; use a new key for a new submission",
        None,
    ),
    429: (
        "Too many at once or too often; `Retry-After` says when to come back.",
        "100 jobs are open; wait for one to end or cancel one",
        None,
    ),
    431: ("The headers are too large.", "the request line and headers are over 32768 bytes", None),
    500: ("An error of ours.", "an error of ours; the log tells more", None),
    503: (
        "Storage or a slot is not available; `Retry-After` says when to try again.",
        "storage is not available, try again",
        None,
    ),
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "enum": ["about:blank"]},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong, in a sentence."},
        "request_id": {"type": "string", "description": "The answer's X-Request-ID, which the log has too."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {
                    "field": {"type": "string", "description": "A path in the body, such as items[3]; or a parameter."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def with_declared_components(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the components that follow from structs and dataclasses, and that serializers and views refer to."""
    receipts = [kind for each in computations().values() for kind in each.receipts.values()]
    shapes = components([*receipts, *INSTRUMENT_SERVICE_ANSWERS])
    result["components"]["schemas"] |= live_components() | chain_components() | shapes
    return result


def without_aliases(endpoints: list[tuple[str, ...]], **_: Any) -> list[tuple[str, ...]]:
    """Leave out /api/v2/, an alias of /api/v2/signals/."""
    return [each for each in endpoints if not each[0].startswith("/api/v2/") or each[0].startswith("/api/v2/signals/")]


def with_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add to every operation its possible errors, each with a schema and an example.

    Most follow from the operation: it has a body, a login or an identifier. Views declare only conflicts, as a
    response 409.
    """
    result["components"]["schemas"]["Problem"] = _PROBLEM_SCHEMA
    result["components"]["responses"] = {_name(status): _response(status) for status in _EXAMPLES}
    for path in result["paths"].values():
        for operation in path.values():
            for status in _statuses(operation):
                operation["responses"][str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
            operation["responses"] = dict(sorted(operation["responses"].items()))
    return result


def _statuses(operation: Operation) -> list[int]:
    parameters = operation.get("parameters", [])
    found = [400, 401, 405, 406, 429, 431, 500, 503]
    if "requestBody" in operation:
        found += [408, 413, 415]
    if operation.get("security"):
        found += [403]
    if any(each["in"] == "path" for each in parameters):
        found += [404]
    if any(each["name"] == "Idempotency-Key" for each in parameters):
        found += [422]
    return found + [int(status) for status in operation["responses"] if int(status) in _EXAMPLES]


def _name(status: int) -> str:
    return "".join(word for word in HTTPStatus(status).phrase.title() if word.isalpha())


def _response(status: int) -> dict[str, Any]:
    when, detail, errors = _EXAMPLES[status]
    content = {
        "schema": {"$ref": PROBLEM},
        "example": {**problem_document(status, detail, errors), "request_id": "2f1c09d4b7a8e653"},
    }
    return {"description": when, "content": {CONTENT_TYPE: content}}


class _Named(DefaultContentNegotiation):
    """Also negotiates by `?format=json` and `?format=yaml`."""

    settings = SimpleNamespace(URL_FORMAT_OVERRIDE="format")  # type: ignore[assignment]  # the only setting that is used


@cache
def document() -> dict[str, Any]:
    """Return the document, made once per process: it takes a quarter of a second, and anyone may ask."""
    found: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return found


class SchemaView(SpectacularAPIView):
    content_negotiation_class = _Named

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(document())
