"""CORS headers on every answer, from any source: Django, an export, the event loop or a refusal.

django-cors-headers decides what they are. It runs here, in front of everything, because many answers never reach
Django's middleware, and because live reads reuse the headers of earlier answers, which came from other origins.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from signalsite.front.bodies import Receive
from signalsite.front.pages import Scope, Send
from signalsite.front.refusals import Headers

Application = Callable[[Scope, Receive, Send], Awaitable[None]]

KNOWN_ORIGINS = 256
_library = CorsMiddleware(lambda request: HttpResponse())


class Cors:
    """Wraps the application. Answers preflights, and adds the headers to all other answers."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        added = cors_headers(scope["path"], scope["headers"])
        if not added:
            await self._application(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and _named(scope["headers"], b"access-control-request-method") is not None:
            allowed = _decided("OPTIONS", _named(scope["headers"], b"origin"))
            start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0"), *allowed]}
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return

        async def send_with_headers(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        await self._application(scope, receive, send_with_headers)


def cors_headers(path: str, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return what an answer to this request needs; nothing where CORS is off or the path is no part of the API."""
    if not settings.CORS_ALLOWED_ORIGINS or not re.match(settings.CORS_URLS_REGEX, path):
        return []
    return _decided("GET", _named(headers, b"origin"))


@lru_cache(KNOWN_ORIGINS)
def _decided(method: str, origin: bytes | None) -> Headers:
    request = HttpRequest()
    request.method, request.path_info = method, "/api/"  # any path that CORS_URLS_REGEX matches
    if origin is not None:
        request.META["HTTP_ORIGIN"] = origin.decode("latin-1")
    if method == "OPTIONS":
        request.META["HTTP_ACCESS_CONTROL_REQUEST_METHOD"] = "POST"  # any: the answer lists all that are allowed
    response = _library(request)
    assert isinstance(response, HttpResponse)
    return [
        (name.lower().encode(), value.encode("latin-1"))
        for name, value in response.items()
        if name.lower() not in ("content-type", "content-length")
    ]


def _named(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    return next((value for name, value in headers if name == wanted), None)
