"""What exports of a range share: a stream of tables, in the reader's format and coding."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections, connections
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from batch.exports.asgi import SLOT
from batch.exports.formats import FORMATS, Format
from batch.exports.negotiation import CODINGS, NoneAcceptable, choose_coding, choose_format
from signalsite.foundation.computations.columns import Column

Part = Mapping[str, Sequence[Any] | np.ndarray]
"""Columns of equal length by name, with NaN and None for null."""


def format_field() -> serializers.Field:
    return serializers.ChoiceField(list(FORMATS), required=False, help_text="Takes precedence over the Accept header.")


Columns = Sequence[Column] | Callable[[], Sequence[Column]]
"""The columns of a file, or how to find them: then a thread of exports does, before the first byte."""


def file_response(
    request: Request, wanted: str, name: str, columns: Columns, parts: Callable[[Format], Iterator[Part]]
) -> HttpResponseBase:
    """Answer with a file of these columns. `wanted`: the format that the query names, empty for none.

    `parts` is called for GET only. Each part is sent before the next is read.
    """
    chosen = choose_format(request._request, wanted)
    coding = choose_coding(request.headers.get("Accept-Encoding"), ("identity",) if chosen.compressed else CODINGS)
    if coding is None:
        raise NoneAcceptable(f"available content codings: {', '.join(CODINGS)}; parquet has none")
    response: HttpResponseBase = HttpResponse()
    if request.method != "HEAD":
        response = _stream(request, _encoded(columns, parts(chosen), chosen, coding))
    response["Content-Type"] = chosen.content_type
    response["Content-Disposition"] = f'attachment; filename="{name.replace("/", "-")}.{chosen.name}"'
    response["X-Accel-Buffering"] = "no"  # nginx would buffer the first bytes
    if coding != "identity":
        response["Content-Encoding"] = coding
    if isinstance(request._request, ASGIRequest):
        connections.close_all()  # sending may take long
    return response


def _encoded(columns: Columns, parts: Iterator[Part], format_: Format, coding: str) -> Iterator[bytes]:
    """Yield the file's bytes, a piece for each part."""
    import pyarrow as pa  # which only exports need

    from batch.exports.codings import Outlet, encoder
    from batch.exports.writers import WRITERS
    from signalsite.foundation.computations.arrow import schema

    fields = schema(columns() if callable(columns) else columns)
    outlet = Outlet()
    body = encoder(coding, outlet)
    writer = WRITERS[format_.name](body, fields)
    for part in parts:
        close_old_connections()  # back to the pool, because the reader may be slow
        arrays = [pa.array(part[field.name], field.type, from_pandas=True) for field in fields]
        if len(arrays[0]):
            writer.write(pa.Table.from_arrays(arrays, schema=fields))
            body.flush()
            yield outlet.take()
    writer.close()
    body.close()
    yield outlet.take()


def _stream(request: Request, parts: Iterator[bytes]) -> StreamingHttpResponse:
    from batch.exports.stream import over_threads

    if not isinstance(request._request, ASGIRequest):  # under WSGI, a slow reader holds a thread
        return StreamingHttpResponse(parts)
    if slot := request._request.scope.get(SLOT):
        slot.claim(cast(User, request.user).pk)
    streamed: AsyncIterator[bytes] = over_threads(parts)
    return StreamingHttpResponse(streamed)
