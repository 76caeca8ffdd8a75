"""Submissions read from a file in slices, and their cost. `make bench ONLY=batch` measures the full size."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import pyarrow as pa
import pytest

from batch.client import Client
from bench.service import peak_memory
from tests.e2e.conftest import BATCH, read, run, wait
from tests.e2e.test_export_costs import web_process

COUNT = 60_000  # 4 MB, in about twenty slices
LINES = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}
ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}
_TABLE = pa.schema({"instrument_key": pa.string(), "custom_id": pa.string(), "volatility": pa.float64()})


@pytest.fixture(scope="module")
def items(login: Callable[[str], httpx.Client]) -> list[dict[str, Any]]:
    _, rows = run(login("alice"), selector={"exchange": "SIM"})
    keys = [row["instrument_key"] for row in rows]
    return [{"instrument_key": keys[n % len(keys)], "custom_id": f"own-{n}"} for n in range(COUNT)]


def as_json(items: list[Any], **head: Any) -> bytes:
    return json.dumps({"kind": "greeks", "items": items, "reuse": False, **head}).encode()


def as_lines(items: list[Any], **head: Any) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in ({"kind": "greeks", "reuse": False, **head}, *items))


def post(client: httpx.Client, body: bytes, headers: dict[str, str], **more: str) -> httpx.Response:
    return client.post(f"{BATCH}/jobs", content=body, headers={**headers, **more})


def jobs(client: httpx.Client) -> int:
    return int(client.get(f"{BATCH}/statistics").json()["jobs"]["total"])


def as_arrow(items: list[Any], **head: Any) -> bytes:
    schema = _TABLE.with_metadata({"submission": json.dumps({"kind": "greeks", "reuse": False, **head})})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_pylist(items, schema))
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("form", ["json", "gzip", "lines"])
def test_each_form_is_answered_item_by_item(alice: httpx.Client, items: list[dict[str, Any]], form: str) -> None:
    flawed = [*items]
    flawed[7] = {"instrument_key": 7, "custom_id": "bad"}
    flawed[50_000] = {**flawed[50_000], "custom_id": "own-3"}  # in another slice
    flawed[50_001] = {**flawed[50_001], "price": 10**200}
    if form == "lines":
        answer = post(alice, as_lines(flawed), LINES)
    elif form == "gzip":
        answer = post(alice, gzip.compress(as_json(flawed), 1), JSON, **{"Content-Encoding": "gzip"})
    else:
        answer = post(alice, as_json(flawed), JSON)
    assert answer.status_code == 202, answer.text
    job = wait(alice, answer.json())
    rows = read(alice, job, limit=10_000)
    assert [row["position"] for row in rows] == list(range(COUNT))
    assert all(
        row["instrument_key"] == item["instrument_key"] and row["custom_id"] == item["custom_id"]
        for row, item in zip(rows, flawed, strict=True)
        if row["position"] != 7
    )
    refused = {row["position"]: row["reason"] for row in rows if row["status"] == "bad_input"}
    assert refused.keys() == {7, 50_000, 50_001}
    assert "custom_id 'own-3' is repeated" in refused[50_000] and "price must be" in refused[50_001]


def test_an_arrow_stream_is_answered_item_by_item(alice: httpx.Client, items: list[dict[str, Any]]) -> None:
    flawed = [*items]
    flawed[7] = {"custom_id": "bad"}
    flawed[50_000] = {**flawed[50_000], "volatility": -1.0}
    answer = post(alice, as_arrow(flawed), ARROW)
    assert answer.status_code == 202, answer.text
    rows = read(alice, wait(alice, answer.json()), limit=10_000)
    assert [row["custom_id"] for row in rows] == [item["custom_id"] for item in flawed]
    assert [row["position"] for row in rows if row["status"] == "bad_input"] == [7, 50_000]
    cut = post(alice, as_arrow(items)[:2_000_000], ARROW)
    assert cut.status_code == 400 and cut.json()["errors"][0]["field"] == "body"


def test_the_same_submission_has_one_answer_however_it_is_written(
    alice: httpx.Client, items: list[dict[str, Any]]
) -> None:
    before = jobs(alice)
    key = {"Idempotency-Key": "large"}
    first = post(alice, as_json(items, as_of=None), JSON, **key)
    turned = json.dumps(
        {"as_of": None, "reuse": False, "items": [dict(reversed(item.items())) for item in items], "kind": "greeks"},
        indent=1,
    )
    again = post(alice, turned.encode(), JSON, **key)
    lines = post(alice, as_lines(items, as_of=None), LINES, **key)
    arrow = post(alice, as_arrow(items, as_of=None), ARROW, **key)
    other = post(alice, as_json([*items[:-1], items[0]], as_of=None), JSON, **key)
    assert [answer.status_code for answer in (first, again, lines, arrow, other)] == [202] * 4 + [422]
    assert first.content == again.content == lines.content == arrow.content
    assert jobs(alice) == before + 1
    wait(alice, first.json())


@pytest.mark.parametrize(
    ("spoil", "field", "words"),
    [
        (lambda body: body[:-2_000_000], "body", "ends within items"),
        (lambda body: body.replace(b"own-50000", b"own-\xff", 1), "body", "not JSON"),
        (lambda body: body.replace(b'"own-50000"', b"nothing", 1), "body", "not JSON"),
        (lambda body: body.replace(b'"own-50000"', b"1" + b"0" * 400, 1), "body", "not JSON"),
        (
            lambda body: body.replace(b'"own-50000"}', b'"own-50000"}, 7', 1),
            "items[50001]",
            "an item is a key as a string",
        ),
        (lambda body: body.replace(b'"own-50000"', b'"' + b"x" * (5 << 20) + b'"', 1), "items[50000]", "4194304 bytes"),
        (lambda body: body[:-1] + b', "items": []}', "items", "given twice"),
        (lambda body: body[:-1] + b', "as_of": "' + b"x" * (3 << 20) + b'"}', "body", "all but the items"),
    ],
)
def test_a_body_that_cannot_be_read_leaves_nothing(
    alice: httpx.Client,
    items: list[dict[str, Any]],
    spoil: Callable[[bytes], bytes],
    field: str,
    words: str,
) -> None:
    before = jobs(alice)
    answer = post(alice, spoil(as_json(items)), JSON)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["errors"][0]["field"] == field and words in answer.text
    assert jobs(alice) == before


def test_a_dry_run_reads_all_and_keeps_nothing(alice: httpx.Client, items: list[dict[str, Any]]) -> None:
    before = jobs(alice)
    told = post(alice, as_lines([*items, {"instrument_key": ""}], dry_run=True), LINES).json()
    assert (told["total"], told["refused_count"], told["refused"][0]["position"]) == (COUNT + 1, 1, COUNT)
    assert jobs(alice) == before


def test_a_large_job_can_be_tried_again(alice: httpx.Client, items: list[dict[str, Any]]) -> None:
    first = post(alice, as_json(items, params={"price": "settle"}), JSON)  # which the simulated market lacks
    job = wait(alice, first.json())
    assert job["request_counts"]["failed"] == COUNT
    again = wait(alice, alice.post(job["links"]["retry"]).raise_for_status().json())
    assert again["request_counts"]["total"] == sum(
        row["retryable"] for row in read(alice, job, limit=10_000, status="failed")
    )


@pytest.mark.parametrize("table", [False, True])
def test_the_client_sends_what_comes_one_by_one(
    address: str, alice: httpx.Client, items: list[dict[str, Any]], table: bool
) -> None:
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    some = [{**item, "volatility": 0.2} if place % 2 else item for place, item in enumerate(items[:30_000])]
    with Client(address, token=token) as client:
        job = client.submit(pa.Table.from_pylist(some, _TABLE) if table else (item for item in some), reuse=False)
        rows = list(client.results(job))
    assert [(row["custom_id"], row["instrument_key"]) for row in rows] == [
        (item["custom_id"], item["instrument_key"]) for item in some
    ]
    assert {row["iv_source"] for row in rows[1::2]} <= {"override", None} and rows[1]["iv_source"] == "override"


def test_the_web_process_does_not_hold_what_it_reads(
    alice: httpx.Client, address: str, items: list[dict[str, Any]]
) -> None:
    many = [{**items[n % COUNT], "custom_id": f"of many-{n}"} for n in range(5 * COUNT)]
    body = as_json(many)  # 30 MB
    web = web_process(address)
    assert post(alice, as_json(items, dry_run=True), JSON).status_code == 200
    with peak_memory(web) as peak:
        answer = post(alice, body, JSON)
    alice.post(answer.raise_for_status().json()["links"]["cancel"]).raise_for_status()
    assert peak[-1] - peak[0] < 50
