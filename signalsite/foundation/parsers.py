"""Parsers of request bodies."""

import logging
import zlib
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import orjson
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from signalsite.foundation.bodies import body_limit

GZIP = 16 + zlib.MAX_WBITS
IN_MEMORY_BYTES = 1 << 20  # a larger body is a file
PART_BYTES = 256 << 10
logger = logging.getLogger(__name__)


class BodyTooLarge(APIException):
    status_code = 413


class UnknownEncoding(APIException):
    status_code = 415


class NoRoom(APIException):
    status_code = 503
    wait = 4  # Retry-After: 5
    default_detail = "there is no room for a temporary file, try again"


class LimitedJSONParser(BaseParser):
    """Parses JSON with orjson, which refuses NaN, infinity and very deep nesting. The body may be gzip.

    The limit of the URL applies to the body as sent and as unpacked."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        with spooled(stream, parser_context["request"]) as file:
            return read_whole(file)


def read_whole(file: IO[bytes]) -> Any:
    try:
        return orjson.loads(file.read())
    except orjson.JSONDecodeError as error:
        raise ParseError(f"body: not JSON: {error}") from error


def spooled(stream: IO[bytes], request: Any) -> IO[bytes]:
    """Return the unpacked body, at its beginning: in memory when small, else in a file that is deleted when closed."""
    limit = body_limit(request.resolver_match.func)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip"):
        raise UnknownEncoding(f"Content-Encoding {encoding!r} is neither gzip nor identity")
    parts = iter(lambda: stream.read(PART_BYTES), b"")
    file = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
    try:
        size = 0
        for part in _unpacked(parts, limit) if encoding == "gzip" else parts:
            size += len(part)
            if size > limit:
                raise BodyTooLarge(f"the body is over {limit} bytes")
            file.write(part)
        file.seek(0)
    except OSError as error:
        file.close()
        logger.error("no temporary file: %s", error)
        raise NoRoom from error
    except BaseException:
        file.close()
        raise
    return file


def _unpacked(parts: Iterator[bytes], limit: int) -> Iterator[bytes]:
    unpacking = zlib.decompressobj(GZIP)
    packed = 0
    try:
        for part in parts:
            packed += len(part)
            if packed > limit:
                raise BodyTooLarge(f"the body is over {limit} bytes")
            while part and not unpacking.eof:
                yield unpacking.decompress(part, PART_BYTES)
                part = unpacking.unconsumed_tail
        yield unpacking.flush()
    except zlib.error as error:
        raise ParseError(f"body: not gzip: {error}") from error
    if not unpacking.eof:
        raise ParseError("body: the gzip stream is cut short")
