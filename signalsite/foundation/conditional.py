"""Answers with an ETag."""

import hashlib
from typing import Any, cast

import orjson
from django.http import HttpResponse, QueryDict
from django.utils.cache import get_conditional_response, patch_vary_headers
from rest_framework.request import Request

VARY = ("Accept", "Accept-Encoding", "Authorization", "Cookie")
CACHE_CONTROL = "private, no-cache"


def conditional(request: Request, body: dict[str, Any]) -> HttpResponse:
    """Answer with an ETag of the body: 304 to a client that has it already."""
    return conditional_bytes(request, orjson.dumps(body, default=str))


def conditional_bytes(request: Request, content: bytes, etag: str = "") -> HttpResponse:
    """Do the same with a body that is JSON already. `etag`: of this body, where it is known."""
    etag = etag or f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'
    response = HttpResponse(content, content_type="application/json")
    response["ETag"] = etag
    patch_vary_headers(response, VARY)
    response["Cache-Control"] = CACHE_CONTROL
    return cast(HttpResponse, get_conditional_response(request._request, etag, None, response))


def page(request: Request, head: dict[str, Any], following: str | None, rows: Any) -> HttpResponse:
    """Answer with one page of a list: `head`, `next_cursor` and `data`, and a Link to the next page."""
    content = orjson.dumps({**head, "next_cursor": following, "data": rows}, default=str)
    return page_of(request, content, "", following)


def page_of(request: Request, content: bytes, etag: str, following: str | None) -> HttpResponse:
    """Answer with a page whose JSON exists already. `etag`: as in conditional_bytes."""
    response = conditional_bytes(request, content, etag)
    if following is not None:
        response["Link"] = link(request.build_absolute_uri(request.path), request.query_params, following)
    return response


def link(address: str, parameters: QueryDict, following: str) -> str:
    query = parameters.copy()
    query["cursor"] = following
    return f'<{address}?{query.urlencode()}>; rel="next"'
