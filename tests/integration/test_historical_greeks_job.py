"""Jobs of historical Greeks: limits at the door, a selector that needs no quotes, the rows of the computation."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from batch.jobs.chunks import compute_chunk
from batch.jobs.preparation import prepare
from batch.jobs.results import read_layout, read_part
from batch.models import Job
from tests.integration.history_market import EXPIRIES, NAME, OPTIONS, STRIKES, option, store_market
from tests.integration.test_historical_greeks import compute

pytestmark = pytest.mark.django_db(transaction=True)
KIND = "/api/v2/signals/batch/historical_greeks"
CALL = option(EXPIRIES[1], "call", 1000)
AS_OF = datetime(2024, 1, 10, 12, tzinfo=UTC)
PARAMS = {"timeframe": "1m", "days": 2.0}


@pytest.fixture
def client() -> Client:
    store_market()
    client = Client()
    client.force_login(get_user_model().objects.create_user("caller"))
    return client


def post(client: Client, **body: Any) -> Any:
    answer = client.post(KIND, {"as_of": AS_OF.isoformat(), **body}, content_type="application/json")
    return answer.status_code, answer.json()


def rows_of(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = ("position", "custom_id", "instrument_key", "item")
    return [{name: value for name, value in row.items() if name not in names} for row in answers]


def test_an_answer_at_once_and_a_job_have_the_rows_of_the_computation(client: Client) -> None:
    keys = [CALL, "NSE@NOBODY@equity_options@2024-01-25@call@5", "nonsense", *OPTIONS[:4]]
    computed = compute(keys, AS_OF)
    wanted, failed = rows_of(computed), {row["item"] for row in computed if row["status"] != "ok"}
    assert {1, 2} <= failed < set(range(len(keys)))
    status, body = post(client, items=keys[:1], params={**PARAMS, "points": ["close"]})
    assert status == 200
    assert rows_of(body["data"]) == [row for row in wanted[: 12 * 4] if row["point"] == "close"]
    status, body = post(client, items=keys, params=PARAMS, **{"async": True})
    assert status == 202
    job = Job.objects.get(pk=body["id"])
    for chunk in prepare(job.pk):
        assert compute_chunk(chunk, worker="w", task_id="t")
    job.refresh_from_db()
    assert (job.status, job.completed, job.failed) == ("completed", len(keys) - len(failed), len(failed))
    parts = [read_part(job.pk, part) for part in read_layout(job.pk).parts]
    rows = [row for part in parts if part is not None for row in part.to_pylist()]
    assert rows_of(rows) == wanted
    assert [row["position"] for row in rows] == sorted(row["position"] for row in rows)
    _, again = post(client, items=keys, params=PARAMS, **{"async": True})
    prepare(again["id"])
    assert Job.objects.get(pk=again["id"]).reused_from_id == job.pk


def test_a_selector_needs_bars_and_no_quotes(client: Client) -> None:
    selector = {"underlying": NAME, "expiries": [str(EXPIRIES[1])], "moneyness": {"min": 0.99, "max": 1.01}}
    status, body = post(client, selector=selector, params=PARAMS, dry_run=True)
    assert (status, body["total"]) == (200, 2), body  # 1000 alone is within a percent of the forward
    _, body = post(client, selector={"underlying": NAME}, params=PARAMS, dry_run=True)
    assert body["total"] == len(OPTIONS) == 4 * len(STRIKES)
    _, body = post(client, selector={"underlying": NAME}, params=PARAMS, dry_run=True, as_of=None)
    assert body["total"] == len(OPTIONS)
    status, body = post(client, selector={"underlying": NAME}, params=PARAMS, dry_run=True, as_of="2023-01-05")
    assert status == 400 and body["errors"][0]["field"] == "selector"


def test_too_many_rows_are_refused_at_the_door(client: Client) -> None:
    status, body = post(client, items=[CALL], params={**PARAMS, "days": 365.0})
    assert status == 400 and body["errors"][0]["field"] == "params" and "100000 are allowed" in str(body)
    status, body = post(client, items=[CALL] * 1_100, params={**PARAMS, "days": 1.0}, dry_run=True)
    assert status == 400 and body["errors"][0]["field"] == "items" and "5000000 are allowed" in str(body)
    status, body = post(client, items=[CALL] * 1_000, params={**PARAMS, "days": 1.0}, dry_run=True)
    assert status == 200 and body["total"] == 1_000  # a thousand options by a day of minutes fit
    for days in (0, -1, 1e400, 36_601, "1" + "0" * 400):
        status, body = post(client, items=[CALL], params={**PARAMS, "days": days if days != 1e400 else "inf"})
        assert status == 400 and body["errors"][0]["field"].startswith("params"), body
    for as_of in ("0001-01-01", "9999-01-01", "x"):
        status, body = post(client, items=[CALL], params=PARAMS, as_of=as_of)
        assert status == 400 and body["errors"][0]["field"] == "as_of", body
