"""The Idempotency-Key header: answer a repeated submission with the first response."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from batch.jobs.core.items import check_count
from batch.jobs.core.slices import Lists
from signalsite.foundation.errors import InvalidInput

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
HOURS = 24
MAX_LENGTH = 255
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": "^[ -~]+$"},
    location=OpenApiParameter.HEADER,
    description=f"A key that you make up for each submission. Within {HOURS} hours, the same submission under the same "
    f"key gets the first response again, with `{REPLAYED}: true`. A different submission under that key gets a 422.",
)


class KeyUsedOtherwise(APIException):
    status_code = 422


# An expired key counts as new. Of simultaneous submissions, PostgreSQL lets one insert; the others wait for its commit.
_TAKE = """
INSERT INTO batch_idempotencykey AS kept (owner_id, key, request_digest, status_code, body, location)
VALUES (%(owner)s, %(key)s, %(digest)s, 0, '', '')
ON CONFLICT (owner_id, key) DO UPDATE SET request_digest = EXCLUDED.request_digest, created_at = now()
    WHERE kept.created_at < now() - make_interval(hours => %(hours)s)
RETURNING id
"""
_READ = "SELECT request_digest, status_code, body, location FROM batch_idempotencykey WHERE owner_id = %s AND key = %s"
_KEEP = "UPDATE batch_idempotencykey SET status_code = %s, body = %s, location = %s WHERE id = %s"


def json_response(body: str | bytes, *, status: int = 200) -> HttpResponse:
    return HttpResponse(body, status=status, content_type="application/json")


def once(request: Request, answer: Callable[[Request], HttpResponse]) -> HttpResponse:
    """Return `answer(request)`, or the stored response of the request's key. An exception leaves the key unused.

    The key, the response and everything that `answer` stores are one transaction.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return answer(request)
    if not 0 < len(key) <= MAX_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidInput(HEADER, f"{HEADER} must be 1 to {MAX_LENGTH} printable ASCII characters")
    digest = request_digest(request)
    owner = request.user.pk
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE, {"owner": owner, "key": key, "digest": digest, "hours": HOURS})
        taken = cursor.fetchone()
        if taken is None:
            cursor.execute(_READ, (owner, key))
            return _replay(*cursor.fetchone(), digest=digest)
        response = answer(request)
        location = response.headers.get("Location", "")
        cursor.execute(_KEEP, (response.status_code, response.content.decode(), location, taken[0]))
    return response


def request_digest(request: Request) -> str:
    """Return the digest of method, path and body. Spacing and the order of fields do not matter."""
    data, items = request.data, None
    if isinstance(data, dict) and isinstance(data.get("items"), Lists):
        items, mark = data["items"], uuid4().hex
        check_count(len(items), settings.BATCH_MAX_ITEMS)  # before reading them all
        data = {**data, "items": mark}
    whole = _canonical([request.method, request.path, data])
    if items is None:
        return hashlib.blake2b(whole, digest_size=16).hexdigest()
    before, after = whole.split(orjson.dumps(mark))
    digest, separator = hashlib.blake2b(before, digest_size=16), b"["
    for some in items:
        digest.update(separator + _canonical(some)[1:-1])
        separator = b","
    digest.update(b"]" + after)
    return digest.hexdigest()


def _canonical(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:  # orjson reads four times as deep as it writes
        raise InvalidInput("body", "the body is nested too deeply") from error


def _replay(kept_digest: str, status: int, body: str, location: str, *, digest: str) -> HttpResponse:
    if kept_digest != digest:
        raise KeyUsedOtherwise(f"this {HEADER} belongs to another request; use a new key for a new submission")
    response = json_response(body, status=status)
    response[REPLAYED] = "true"
    if location:
        response["Location"] = location
    return response
