"""Parse submissions: JSON, NDJSON or Arrow. A large body is read from a file, slice by slice."""

import mmap
import os
from collections.abc import Callable
from typing import IO, Any

import pyarrow as pa
from drf_spectacular.types import OpenApiTypes
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batch.jobs.core.arrow_items import read_arrow
from batch.jobs.core.slices import read_json, read_ndjson
from signalsite.foundation.parsers import IN_MEMORY_BYTES, read_whole, spooled


class _SpooledParser(BaseParser):
    read: Callable[[IO[bytes]], Any]

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        """Read the body. Its file stays open, because items are read from it later; the view closes it."""
        file = parser_context["view"].body = spooled(stream, parser_context["request"])
        return type(self).read(file)


def _read_json(file: IO[bytes]) -> Any:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return read_whole(file) if size <= IN_MEMORY_BYTES else read_json(file, size)


class SubmissionParser(_SpooledParser):
    media_type = "application/json"
    read = staticmethod(_read_json)


class LinesParser(_SpooledParser):
    media_type = "application/x-ndjson"
    read = staticmethod(read_ndjson)


def _read_arrow(file: IO[bytes]) -> Any:
    """Map a large body into memory instead of reading it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size <= IN_MEMORY_BYTES:
        return read_arrow(pa.py_buffer(file.read()))
    return read_arrow(pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))


class ArrowParser(_SpooledParser):
    media_type = "application/vnd.apache.arrow.stream"
    read = staticmethod(_read_arrow)


class SubmissionView(APIView):
    """A view that takes submissions in all forms."""

    parser_classes = (SubmissionParser, LinesParser, ArrowParser)
    body: IO[bytes] | None = None

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        if self.body is not None:
            self.body.close()
        return super().finalize_response(request, response, *args, **kwargs)


def in_each_form(shape: Any) -> dict[str, Any]:
    """Return the request for the API schema. Only JSON has this shape: the other forms carry their items outside it."""
    forms = SubmissionView.parser_classes
    return {form.media_type: shape if form is SubmissionParser else OpenApiTypes.BINARY for form in forms}
