"""Reading a request's body."""

from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser


class BodyTooLarge(APIException):
    status_code = 413


class LimitedJSONParser(BaseParser):
    """JSON by orjson (which refuses NaN and infinity), of at most BATCH_MAX_BODY_BYTES."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        limit: int = settings.BATCH_MAX_BODY_BYTES
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge(f"the body is over {limit} bytes")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"body: not JSON: {error}") from error
