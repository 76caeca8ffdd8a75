"""Reading a request's body."""

import zlib
from typing import IO, Any

import orjson
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from signalsite.foundation.bodies import body_limit

GZIP = 16 + zlib.MAX_WBITS


class BodyTooLarge(APIException):
    status_code = 413


class UnknownEncoding(APIException):
    status_code = 415


class LimitedJSONParser(BaseParser):
    """JSON by orjson (which refuses NaN, infinity and very deep nesting), plain or gzip, of at most what its address
    accepts: as it comes and as it is unpacked."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        request = parser_context["request"]
        limit = body_limit(request.resolver_match.func)
        body = _within(stream.read(limit + 1), limit)
        encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding == "gzip":
            body = _unpack(body, limit)
        elif encoding not in ("identity", ""):
            raise UnknownEncoding(f"Content-Encoding {encoding!r} is neither gzip nor identity")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"body: not JSON: {error}") from error


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise BodyTooLarge(f"the body is over {limit} bytes")
    return body


def _unpack(body: bytes, limit: int) -> bytes:
    unpacking = zlib.decompressobj(GZIP)
    try:
        unpacked = _within(unpacking.decompress(body, limit + 1), limit)
    except zlib.error as error:
        raise ParseError(f"body: not gzip: {error}") from error
    if not unpacking.eof:
        raise ParseError("body: the gzip stream is cut short")
    return unpacked
