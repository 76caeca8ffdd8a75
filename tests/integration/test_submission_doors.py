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
