"""Answers with an ETag."""

import hashlib
from typing import Any, cast

import orjson
from django.http import HttpResponse
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from rest_framework.request import Request

VARY = ("Accept", "Accept-Encoding", "Authorization", "Cookie")


def conditional(request: Request, body: dict[str, Any]) -> HttpResponse:
    """Answer with an ETag of the body: 304 to a client that has it already."""
    return conditional_bytes(request, orjson.dumps(body))


def conditional_bytes(request: Request, content: bytes) -> HttpResponse:
    """Do the same with a body that is JSON already."""
    response = HttpResponse(content, content_type="application/json")
    etag = f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'
    response["ETag"] = etag
    patch_vary_headers(response, VARY)
    patch_cache_control(response, private=True, no_cache=True)
    return cast(HttpResponse, get_conditional_response(request._request, etag, None, response))


def page(request: Request, head: dict[str, Any], following: str | None, rows: Any) -> HttpResponse:
    """Answer with one page of a list: `head`, `next_cursor` and `data`, and a Link to the next page."""
    response = conditional(request, {**head, "next_cursor": following, "data": rows})
    if following is not None:
        query = request.query_params.copy()
        query["cursor"] = following
        response["Link"] = f'<{request.build_absolute_uri(request.path)}?{query.urlencode()}>; rel="next"'
    return response
