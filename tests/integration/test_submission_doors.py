"""What submissions are refused for, and read as, before anything of them is kept."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client

pytestmark = pytest.mark.django_db
JOBS = "/api/v2/signals/batch/jobs"


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_user("caller"))
    return client


def post_lines(client: Client, items: Sequence[bytes], key: str | None = None, **head: Any) -> HttpResponse:
    body = b"\n".join((json.dumps({"kind": "greeks", **head}).encode(), *items))
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(JOBS, body, content_type="application/x-ndjson", headers=headers)  # type: ignore[return-value]


def test_too_many_items_are_refused_before_one_is_read(client: Client, settings: Any) -> None:
    settings.BATCH_MAX_ITEMS = 10
    answer = post_lines(client, [b"no JSON"] * 11, key="mine")
    assert answer.status_code == 400
    assert json.loads(answer.content)["errors"] == [
        {"field": "items", "detail": "items must hold 1 to 10 items, not 11"}
    ]


SPOT = "DERIBIT@BTC@crypto_spot"  # an exchange whose day is UTC's


@pytest.mark.parametrize(
    ("before", "as_of"),
    [
        (0, "2026-11-20T12:00:00+00:00"),
        (50_000, "2026-11-20T12:00:00+00:00"),  # of an earlier slice than the first key
        (100_000, "2026-11-20T06:30:00+00:00"),  # nobody reads further: DEFAULT_EXCHANGE's
    ],
)
def test_the_zone_of_as_of_is_that_of_the_first_readable_key(client: Client, before: int, as_of: str) -> None:
    answer = post_lines(
        client, [b'"no key"'] * before + [b'"%b"' % SPOT.encode()], as_of="2026-11-20T12:00", dry_run=True
    )
    assert answer.status_code == 200, answer.content
    assert json.loads(answer.content)["as_of"] == as_of
