"""Requests to the service: signed, and tried again where that is harmless."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Protocol

from .credentials import Credentials, Token
from .effects import Effect, Flow, Interrupted, Open, Pause, Send
from .errors import ApiError, ServiceUnreachable
from .http import Reply, Request

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.2  # doubled each time, plus up to as much again at random, so that clients don't march in step
LONGEST_PAUSE_SECONDS = 30.0  # the client does not wait for a service that asks for more
TRY_AGAIN = {429, 502, 503, 504}
NDJSON = "application/x-ndjson"


class Spooled(Protocol):
    """A body that is kept in a file and can be sent again from there."""

    media_type: str
    size: int

    def __iter__(self) -> Iterator[bytes]: ...


class Service:
    """Every request it sends can be repeated: a GET, or a POST that the service recognizes or that changes nothing."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | Spooled | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Flow[Reply]:
        """Return the reply, read, with a 2xx status. Raises ApiError, ServiceUnreachable."""
        sent = dict(headers or {})
        content: Any = None
        if isinstance(body, Mapping):
            content = as_json(body).encode()
            sent["Content-Type"] = "application/json"
        elif body is not None:
            content = body
            sent |= {"Content-Type": body.media_type, "Content-Length": str(body.size)}
        return self._attempts(Request(method, path, query or {}, sent, content), Send)

    def open(self, path: str, *, query: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Flow[Reply]:
        """Return the reply of a GET, its body left to Read."""
        return self._attempts(Request("GET", path, query, headers or {}), Open)

    def _attempts(self, request: Request, effect: Callable[[Request], Effect]) -> Flow[Reply]:
        for attempt in range(1, ATTEMPTS + 1):
            asked = 0.0
            try:
                reply = yield from self._signed(request, effect)
                if reply.ok:
                    return reply
                raise reply.error()
            except ApiError as error:
                asked = error.retry_after or 0.0
                if error.status not in TRY_AGAIN or attempt == ATTEMPTS or asked > LONGEST_PAUSE_SECONDS:
                    raise
            except Interrupted as error:
                if attempt == ATTEMPTS:
                    raise ServiceUnreachable(f"{request.method} {request.path}: {error}") from error.__cause__
            yield Pause(max(asked, backoff(attempt)))
        raise AssertionError("the last attempt returns or raises")

    def _signed(self, request: Request, effect: Callable[[Request], Effect]) -> Flow[Reply]:
        token = yield from self.credentials.token()
        reply: Reply = yield effect(_with_token(request, token))
        if reply.status == 401 and self.credentials.renewable:
            token = yield from self.credentials.renew(token)
            reply = yield effect(_with_token(request, token))
        return reply


def backoff(attempt: int) -> float:
    """Return the seconds to pause after so many attempts."""
    return float(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(1, 2))


def as_json(value: Any) -> str:
    return json.dumps(value, default=_plain, allow_nan=False, separators=(",", ":"))


def _with_token(request: Request, token: Token) -> Request:
    return replace(request, headers={**request.headers, "Authorization": f"Bearer {token.text}"})


def _plain(value: Any) -> Any:
    """Dates and instants as ISO text, numpy's scalars as Python's: JSON has neither."""
    if isinstance(value, date):
        return value.isoformat()
    if callable(item := getattr(value, "item", None)):
        return item()
    raise TypeError(f"{value!r} can't be sent as JSON")
