"""Errors that the front answers before Django sees the request."""

from http import HTTPStatus

import orjson

from signalsite.foundation.errors import SignalServiceError
from signalsite.foundation.problem_json import CONTENT_TYPE, RETRY_AFTER_SECONDS, problem_document

Headers = list[tuple[bytes, bytes]]


class Refused(SignalServiceError):
    """Answer the request with this status and close its connection, without reading the rest."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        """Keyword arguments are headers, with underscores for dashes."""
        super().__init__(detail)
        self.status = status
        self.body = orjson.dumps(problem_document(status, detail))
        self.headers: Headers = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", str(len(self.body)).encode()),
            (b"connection", b"close"),
            *((name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()),
        ]

    def as_http(self, *added: tuple[bytes, bytes]) -> bytes:
        """Return the whole answer as bytes, for a connection without a complete request."""
        status = b"HTTP/1.1 %d %b\r\n" % (self.status, HTTPStatus(self.status).phrase.encode())
        return status + b"".join(b"%b: %b\r\n" % header for header in [*self.headers, *added]) + b"\r\n" + self.body


def bad_request(detail: str) -> Refused:
    return Refused(400, detail)


def not_signed_in(detail: str) -> Refused:
    return Refused(401, detail, WWW_Authenticate='Bearer realm="api"')


def too_slow(detail: str) -> Refused:
    return Refused(408, detail)


def body_too_large(limit: int) -> Refused:
    return Refused(413, f"the body is over {limit} bytes")


def headers_too_large(limit: int) -> Refused:
    return Refused(431, f"the request line and headers are over {limit} bytes")


def too_many_of_yours(detail: str) -> Refused:
    return Refused(429, detail, Retry_After=str(RETRY_AFTER_SECONDS))


def busy(detail: str) -> Refused:
    return Refused(503, detail, Retry_After=str(RETRY_AFTER_SECONDS))
