"""Requests that are tried again where that is harmless."""

import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from tempfile import TemporaryFile
from typing import Any

import httpx

from batch.client.errors import ApiError, ServiceUnreachable

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.2  # doubled each time, and up to as much again by chance, so that clients don't march in step
LONGEST_PAUSE_SECONDS = 30.0  # a service that asks for more is not waited for
PART_BYTES = 256 << 10
TRY_AGAIN = {429, 502, 503, 504}
# The request may or may not have arrived.
INTERRUPTED = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)


class Http:
    """Every request it sends can be repeated: a GET, or a POST that the service knows again or that changes nothing."""

    def __init__(
        self, address: httpx.URL, auth: httpx.Auth, timeout: float, transport: httpx.BaseTransport | None
    ) -> None:
        self._client = httpx.Client(base_url=address, auth=auth, timeout=timeout, transport=transport)

    def close(self) -> None:
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: "Mapping[str, Any] | Lines | None" = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, read, with a 2xx status. Raises ApiError, ServiceUnreachable."""
        content: str | Lines | None
        sent = dict(headers or {})
        if isinstance(body, Lines):
            content = body
            sent |= {"Content-Type": "application/x-ndjson", "Content-Length": str(body.size)}
        elif body is not None:
            content = as_json(body)
            sent["Content-Type"] = "application/json"
        else:
            content = None
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            asked = 0.0
            try:
                response = self._client.request(method, path, params=query, content=content, headers=sent)
                if response.is_success:
                    return response
                raise ApiError.of(response)
            except ApiError as error:
                asked = error.retry_after or 0.0
                if error.status not in TRY_AGAIN or attempt == ATTEMPTS or asked > LONGEST_PAUSE_SECONDS:
                    raise
            except INTERRUPTED as error:
                if attempt == ATTEMPTS:
                    raise ServiceUnreachable(f"{method} {path}: {type(error).__name__}: {error}") from error
            time.sleep(max(asked, pause * random.uniform(1, 2)))
            pause *= 2
        raise AssertionError("the last attempt returns or raises")


class Lines:
    """Values as lines of JSON, in a file until it is closed: they are sent, and sent again, from there."""

    def __init__(self, values: Iterable[Any]) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed with us
        try:
            self._file.writelines(as_json(value).encode() + b"\n" for value in values)
            self.size = self._file.tell()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        return iter(lambda: self._file.read(PART_BYTES), b"")


def as_json(value: Any) -> str:
    return json.dumps(value, default=_plain, allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """What JSON lacks: dates and instants as ISO text, numpy's scalars as Python's."""
    if isinstance(value, date):
        return value.isoformat()
    if callable(item := getattr(value, "item", None)):
        return item()
    raise TypeError(f"{value!r} can't be sent as JSON")
