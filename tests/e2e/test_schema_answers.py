"""The types that the OpenAPI document gives to answers: every answer has one, and real answers have no more members."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.conf import settings
from jsonschema import Draft202012Validator

from signalsite.foundation.redis import client as redis_client
from tests.e2e.conftest import BATCH, run

LIVE = "/api/v2/signals/realtime"
UNDERLYING = "NSE@SCHEMATYPES"
SPOT = f"{UNDERLYING}@equity_spot"
KEY = "SIM@NIFTY@equity_options@2026-03-30@call@24000"


@pytest.fixture(scope="module")
def schema(address: str) -> dict[str, Any]:
    return httpx.get(f"{address}/api/schema", params={"format": "json"}).raise_for_status().json()


@pytest.fixture(scope="module")
def market(address: str) -> str:
    """Ticks of a spot and of three strikes, priced by the consumer. Returns a call's key."""
    redis, now = redis_client(settings.REDIS_URL), datetime.now(UTC)
    expiry = (now + timedelta(days=40)).date().isoformat()
    options = [f"{UNDERLYING}@equity_options@{expiry}@{side}@{n}" for side in ("call", "put") for n in (90, 100, 110)]
    prices = dict(zip([SPOT, *options], (100.0, 11.2, 4.1, 0.9, 0.8, 3.6, 10.4), strict=True))
    for key, price in prices.items():
        tick = {"instrument_key": key, "ltt": now.isoformat(), "ltp": str(price), "state": "U", "oi": "10"}
        redis.xadd(f"tick_stream:{UNDERLYING}", {**tick, "bid": str(price - 0.05), "ask": str(price + 0.05)})
    return options[1]


def checked(answer: Any, schema: dict[str, Any], typed: dict[str, Any], *, closed: tuple[str, ...] = ()) -> None:
    """Hold an answer to its type. The `closed` components may have no members that they do not name."""
    components = {
        name: {**each, **({"additionalProperties": False} if name in closed else {})}
        for name, each in schema["components"]["schemas"].items()
    }
    document = _without_nullable({**typed, "components": {"schemas": components}})
    errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(document).iter_errors(answer)]
    assert errors == []


def _without_nullable(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` as JSON Schema knows it."""
    if isinstance(schema, list):
        return [_without_nullable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {name: _without_nullable(value) for name, value in schema.items() if name != "nullable"}
    return {"anyOf": [rest, {"type": "null"}]} if schema.get("nullable") is True else rest


def typed_answers(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path} {status}", answer["content"]["application/json"])
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
        if "application/json" in answer.get("content", {})
    ]


def test_every_answer_is_a_named_component(schema: dict[str, Any]) -> None:
    answers = typed_answers(schema)
    assert len(answers) > 15
    for name, answer in answers:
        reference = answer["schema"]["$ref"].removeprefix("#/components/schemas/")
        found = schema["components"]["schemas"][reference]
        assert found.keys() & {"properties", "oneOf", "anyOf"}, name


def test_the_examples_of_answers_are_of_their_type(schema: dict[str, Any]) -> None:
    seen = 0
    for _, answer in typed_answers(schema):
        for example in answer.get("examples", {}).values():
            checked(example["value"], schema, answer["schema"])
            seen += 1
    assert seen >= 4


def test_live_answers_have_the_members_that_the_document_names(
    schema: dict[str, Any], alice: httpx.Client, market: str
) -> None:
    live = ("LiveChain", "LiveStrike", "LiveInstruments", "LiveInstrument", "NoLiveInstrument", "LiveGreeks")
    one: dict[str, Any] = {}
    deadline = time.monotonic() + 30
    while (one.get("greeks") or {}).get("status") != "ok":
        assert time.monotonic() < deadline, one
        time.sleep(0.2)
        one = alice.get(f"{LIVE}/greeks/{market}").json()
    checked(one, schema, {"$ref": "#/components/schemas/LiveInstrument"}, closed=live)
    assert one["greeks"].keys() == schema["components"]["schemas"]["LiveGreeks"]["properties"].keys()
    many = alice.get(f"{LIVE}/greeks", params={"keys": f"{market},{SPOT},NSE@NONE@equity_spot"}).raise_for_status()
    assert [each.get("status") for each in many.json()["data"]] == [None, None, "not_found"]
    checked(many.json(), schema, {"$ref": "#/components/schemas/LiveInstruments"}, closed=live)
    chain = alice.get(f"{LIVE}/chain/{UNDERLYING}").raise_for_status().json()
    assert [each["strike"] for each in chain["strikes"]] == [90, 100, 110] and chain["spot"]["tick"]
    checked(chain, schema, {"$ref": "#/components/schemas/LiveChain"}, closed=live)


def test_batch_answers_have_the_members_that_the_document_names(schema: dict[str, Any], alice: httpx.Client) -> None:
    job, _ = run(alice, items=[KEY, "nonsense"])
    page = alice.get(job["links"]["results"]).json()
    checked(page, schema, {"$ref": "#/components/schemas/ResultsPage"}, closed=("ResultsPage",))
    for row in page["data"]:
        checked(row, schema, {"$ref": "#/components/schemas/GreeksRow"}, closed=("GreeksRow",))
    _, (row,) = run(alice, items=[KEY], params={"greeks": ["vanna", "elasticity"]})
    assert "delta" not in row and row["vanna"] is not None
    checked(row, schema, {"$ref": "#/components/schemas/GreeksRow"}, closed=("GreeksRow",))
    receipt = alice.get(f"{job['links']['self']}/receipt").json()
    assert receipt["forwards"]
    checked(receipt, schema, {"$ref": "#/components/schemas/Receipt"}, closed=("Receipt", "ForwardReceipt"))
    statistics = alice.get(f"{BATCH}/statistics").json()
    checked(
        statistics, schema, {"$ref": "#/components/schemas/Statistics"}, closed=("Statistics", "Queue", "JobTotals")
    )
    checked(job, schema, {"$ref": "#/components/schemas/Job"}, closed=("Job",))
    at_once = alice.post(f"{BATCH}/greeks", json={"items": [KEY]}).json()
    checked(at_once, schema, {"$ref": "#/components/schemas/GreeksAnswer"}, closed=("GreeksAnswer", "ForwardReceipt"))
