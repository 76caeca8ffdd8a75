"""How submissions are validated and read, before anything is stored."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client

from signals.instruments.services import register_instruments
from timeframes.core.keys import parse_key
from timeframes.models import Quote

pytestmark = pytest.mark.django_db
QUOTED = datetime(2026, 12, 1, 5, tzinfo=UTC)
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


@pytest.mark.parametrize(
    ("door", "head"), [("jobs", {"kind": "greeks"}), ("jobs", {"kind": "grks"}), ("jobs", {}), ("greeks", {})]
)
def test_an_unknown_field_is_told_the_known_ones_and_each_of_them_is_known(
    client: Client, door: str, head: dict[str, Any]
) -> None:
    def refused(**body: Any) -> dict[str, str]:
        answer = client.post(f"/api/v2/signals/batch/{door}", {**head, **body}, content_type="application/json")
        assert answer.status_code == 400
        return {error["field"]: error["detail"] for error in answer.json()["errors"]}

    said = refused(spurious=1)["spurious"]
    known = said.removeprefix("unknown field; known are ").split(", ")
    common = {"items", "params", "selector", "as_of", "reuse", "webhook", "dry_run", "async"}
    assert set(known) == common | ({"kind"} if door == "jobs" else set())
    bad = refused(**{name: [[]] for name in known})  # none of them takes this
    assert not any("unknown field" in detail for detail in bad.values()), bad


SPOT = "DERIBIT@BTC@crypto_spot"  # an exchange in UTC


@pytest.mark.parametrize(
    ("before", "as_of"),
    [
        (0, "2026-11-20T12:00:00+00:00"),
        (50_000, "2026-11-20T12:00:00+00:00"),  # in an earlier slice than the first key
        (100_000, "2026-11-20T06:30:00+00:00"),  # beyond the limit: DEFAULT_EXCHANGE applies
    ],
)
def test_the_zone_of_as_of_is_that_of_the_first_readable_key(client: Client, before: int, as_of: str) -> None:
    answer = post_lines(
        client, [b'"no key"'] * before + [b'"%b"' % SPOT.encode()], as_of="2026-11-20T12:00", dry_run=True
    )
    assert answer.status_code == 200, answer.content
    assert json.loads(answer.content)["as_of"] == as_of


@pytest.fixture
def options() -> None:
    keys = [f"NSE@NIFTY@equity_options@2026-12-29@call@{strike}" for strike in (25000, 26000, 27000)]
    register_instruments({key: parse_key(key) for key in keys})
    for key in keys:
        Quote.objects.create(instrument_key=key, time=QUOTED, last=100.0, source="test")


@pytest.mark.usefixtures("options")
class TestADryRunOfASelector:
    def estimate(self, client: Client, **body: Any) -> Any:
        submission = {"selector": {"exchange": "NSE"}, "kind": "greeks", "dry_run": True, **body}
        return client.post(JOBS, submission, content_type="application/json").json()

    def test_an_allowed_one_is_estimated(self, client: Client) -> None:
        assert self.estimate(client)["total"] == 3

    def test_one_of_too_many_options_is_refused_in_the_words_of_the_job(self, client: Client, settings: Any) -> None:
        settings.BATCH_MAX_ITEMS = 2
        said = "the selector stands for 3 options; 2 are allowed"
        assert self.estimate(client)["errors"] == [{"field": "selector", "detail": said}]

    def test_one_of_too_many_rows_too(self, client: Client, settings: Any) -> None:
        settings.BATCH_MAX_ROWS = 5
        params = {"spot_shocks": [0.0, 0.1], "volatility_shocks": [0.0], "days_forward": [0.0]}
        said = "3 items of up to 2 rows each are 6 rows; 5 are allowed"
        found = self.estimate(client, kind="greeks_grid", params=params)
        assert found["errors"] == [{"field": "selector", "detail": said}]

    def test_one_of_nothing_too(self, client: Client) -> None:
        (error,) = self.estimate(client, as_of="2026-11-01T12:00:00Z")["errors"]
        assert error["field"] == "selector" and "the newest quote is of 2026-12-01T05:00:00" in error["detail"]
