"""Chains over HTTP: jobs of underlyings as answers at once, files that equal pages, and forty hostile callers."""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson
import pytest
from pyarrow import parquet

from tests.e2e.conftest import AT, BATCH, run, submit, wait

V2 = "/api/v2/signals"
NAME = "SIM@NIFTY"


@pytest.mark.parametrize("what", ["summary", "levels", "deltas", "strikes", "term"])
def test_a_job_and_an_answer_at_once_are_one(alice: httpx.Client, what: str) -> None:
    items = [{"underlying": NAME, "custom_id": "first"}, "SIM@NOBODY", "nonsense"]
    asked = {"items": items, "as_of": AT, "params": {"what": what, "expiries": 2}}
    answer = alice.post(f"{BATCH}/moneyness", json=asked)
    assert answer.status_code == 200, answer.text
    job, rows = run(alice, kind="moneyness", reuse=False, **asked)
    assert answer.json()["data"] == rows and answer.json()["params"] == job["params"]
    assert job["request_counts"] == {"total": 3, "completed": 1, "failed": 2}
    own = [row for row in rows if row["position"] == 0]
    assert {row["status"] for row in own} == {"ok"} and own[0]["custom_id"] == "first"
    assert [row["status"] for row in rows if row["position"] > 0] == ["no_chain", "bad_input"]
    file = alice.get(job["links"]["export"], params={"format": "parquet"}).raise_for_status().content
    assert parquet.read_table(io.BytesIO(file)).to_pylist() == rows
    assert rows[0].keys() >= {"position", "custom_id", "underlying", "status", "chain_as_of"}


def test_all_underlyings_of_a_day_and_of_a_range(alice: httpx.Client) -> None:
    job, rows = run(alice, kind="moneyness", selector={"exchange": "SIM"}, as_of=AT, params={"expiries": 1})
    found = {row["underlying"] for row in rows}
    assert NAME in found and len(found) > 1 and job["request_counts"]["failed"] == 0
    again = wait(alice, submit(alice, kind="moneyness", selector={"exchange": "SIM"}, as_of=AT, params={"expiries": 1}))
    assert again["reused_from"] in (job["id"], job["reused_from"])
    params = {"start_date": AT[:10], "end_date": AT[:10], "at_time": "15:00", "expiries": 1}
    job, rows = run(alice, kind="moneyness", items=[NAME], params=params)
    assert len(rows) == 1 and rows[0]["chain_as_of"].endswith("09:30:00+00:00")


def test_the_past_over_http_is_the_batch_row(alice: httpx.Client) -> None:
    (row,) = alice.post(f"{BATCH}/moneyness", json={"items": [NAME], "as_of": AT, "params": {"expiries": 1}}).json()[
        "data"
    ]
    atm = alice.get(f"{V2}/realtime/moneyness/{NAME}/atm-iv", params={"as_of": AT})
    assert atm.status_code == 200 and atm.headers["ETag"]
    assert (
        atm.json()["atm_implied_volatility"] == row["atm_implied_volatility"] and atm.json()["expiry"] == row["expiry"]
    )
    analytics = alice.get(f"{V2}/realtime/analytics/{NAME}", params={"as_of": AT}).json()
    for name in ("max_pain", "gamma_exposure", "put_call_ratio_open_interest", "risk_reversal_25", "expected_move"):
        assert analytics[name] == row[name], name
    history = {"timeframe": "1d", "start_time": AT[:10], "end_time": AT[:10], "source": "computed"}
    answer = alice.get(f"{V2}/historical/moneyness/{NAME}/atm-iv/history", params=history)
    assert answer.status_code == 200 and answer.json()["data"][0]["close"] > 0


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"what": "all"}, "params.what"),
        ({"expiries": 0}, "params.expiries"),
        ({"expiries": 10**400}, "params.expiries"),
        ({"start_date": "0001-01-01"}, "params.start_date"),
        ({"start_date": "2026-01-01\x00"}, "params.start_date"),
        ({"start_date": "2026-01-01", "end_date": "2026-12-01"}, "params.end_date"),
        ({"at_time": "25:00"}, "params.at_time"),
        ({"deltas": [0.0]}, "params.deltas.0"),
        ({"tenors": []}, "params.tenors"),
        ({"levels": 3}, "params.levels"),
    ],
)
def test_parameters_that_cannot_be(alice: httpx.Client, params: dict[str, Any], field: str) -> None:
    body = orjson.dumps({"items": [NAME], "params": params}) if 10**400 not in params.values() else None
    content = body or b'{"items":["SIM@NIFTY"],"params":{"expiries":1' + b"0" * 400 + b"}}"  # which no float holds
    answer = alice.post(f"{BATCH}/moneyness", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    if body is not None:
        assert answer.json()["errors"][0]["field"].replace("[", ".").replace("]", "") == field
    for selector in ({"underlying": NAME, "strike": {"min": 1}}, {"exchange": "MOON"}):
        assert alice.post(f"{BATCH}/moneyness", json={"selector": selector}).status_code == 400


def test_forty_hostile_callers(alice: httpx.Client, address: str) -> None:
    names = [NAME, "SIM@NOBODY", "A" * 5_000, "%00", "BTC%2FUSDT", "'%22%5C;--", "%F0%9F%98%80", "..%2F..%2F"]
    queries = ["", f"?as_of={AT}", "?as_of=0001-01-01", f"?as_of={'9' * 400}", "?expiry=2026-13-01", "?delta=1e999"]
    history = f"?timeframe=1d&start_time=1901-01-01&end_time={AT[:10]}"
    paths = [
        f"{V2}/realtime/moneyness/{name}/{end}{query}"
        for name in names
        for end in ("atm-iv", "greeks/ATM", "otm-delta")
        for query in queries
    ]
    paths += [
        f"{V2}/realtime/{kind}/{name}{query}"
        for kind in ("smile", "analytics", "term-structure", "surface")
        for name in names
        for query in queries[:4]
    ]
    paths += [
        f"{V2}/historical/moneyness/{name}/{end}{history}"
        for name in names
        for end in ("greeks/ATM", "atm-iv/history", "atm-iv/rank")
    ]

    limits = httpx.Limits(max_connections=40)
    health = httpx.Client(base_url=address)
    with httpx.Client(base_url=address, headers=alice.headers, timeout=60, limits=limits) as client, health:

        def ask(path: str) -> tuple[str, int]:
            return path, client.get(path).status_code

        slowest = 0.0
        with ThreadPoolExecutor(40) as callers:
            answers = [callers.submit(ask, path) for path in paths]
            while not all(each.done() for each in answers):
                begun = time.monotonic()
                assert health.get("/health").status_code == 200
                slowest = max(slowest, time.monotonic() - begun)
                time.sleep(0.1)
    statuses = dict(each.result() for each in answers)
    assert set(statuses.values()) <= {200, 400, 404}, {p: s for p, s in statuses.items() if s not in (200, 400, 404)}
    assert len(set(statuses.values())) == 3 and slowest < 1.0
