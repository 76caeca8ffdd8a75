"""An option that no table has, and T of the caller's own: one answer through every door that takes items."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from batch.client import Client
from tests.e2e.conftest import AT, BATCH, manage, read, run, submit, succeed, wait

KEY = "SIM@NIFTY@equity_options@2026-03-30@call@24001"
TERMS: dict[str, Any] = {
    "underlying": "NIFTY",
    "exchange": "SIM",
    "expiry": "2026-03-30",
    "strike": 24001,
    "option_type": "call",
}
GIVEN = {"volatility": 0.2, "expiry_years": 0.1}
ROW = ("status", "reason", "retryable", "implied_volatility", "delta", "gamma", "theta", "vega", "rho")
RECEIPT = (
    "theoretical_price",
    "underlying_used",
    "forward",
    "forward_source",
    "forward_strikes",
    "expiry_years",
    "model",
)
BY_TERMS, BY_KEY = {**TERMS, **GIVEN}, {"instrument_key": KEY, **GIVEN}


def numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("instrument_key", *ROW, *RECEIPT)}


@pytest.fixture(scope="module")
def answered(login: Any) -> dict[str, Any]:
    """The synchronous answer by key, which all others must equal."""
    answer = login("alice").post(f"{BATCH}/greeks", json={"items": [BY_KEY], "as_of": AT})
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["data"]
    assert (row["status"], row["iv_source"], row["forward_source"]) == ("ok", "override", "parity")
    assert (row["expiry_years"], row["instrument_key"]) == (0.1, KEY)
    (forward,) = answer.json()["forwards"]
    assert (forward["expiry"], forward["forward"]) == ("2026-03-30", row["forward"])
    return numbers(row)


def test_it_is_not_in_the_tables(alice: httpx.Client) -> None:
    assert alice.get(f"/api/v2/signals/instruments/{KEY}").status_code == 404


@pytest.mark.parametrize("item", [BY_KEY, BY_TERMS, {**BY_TERMS, "underlying": "SIM@NIFTY", "strike": 24001.0}])
def test_at_once_and_as_a_job(alice: httpx.Client, answered: dict[str, Any], item: dict[str, Any]) -> None:
    (row,) = alice.post(f"{BATCH}/greeks", json={"items": [item], "as_of": AT}).raise_for_status().json()["data"]
    assert numbers(row) == answered
    job, (row,) = run(alice, items=[item], as_of=AT, reuse=False)
    assert numbers(row) == answered and job["request_counts"]["completed"] == 1
    again, rows = run(alice, items=[item], as_of=AT)
    assert again["reused_from"] and [numbers(each) for each in rows] == [answered]
    other, (row,) = run(alice, items=[{**item, "expiry_years": 0.11}], as_of=AT)
    assert other["reused_from"] != again["reused_from"] and row["delta"] != answered["delta"]


def test_as_lines_and_as_columns(alice: httpx.Client, answered: dict[str, Any]) -> None:
    head = {"kind": "greeks", "as_of": AT, "reuse": False}
    lines = b"\n".join(map(orjson.dumps, (head, BY_TERMS, BY_KEY)))
    items = [{**BY_TERMS, "instrument_key": None}, {**dict.fromkeys(BY_TERMS), **BY_KEY}]
    table = pa.Table.from_pylist(items).replace_schema_metadata({"submission": orjson.dumps(head)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    bodies = {"application/x-ndjson": lines, "application/vnd.apache.arrow.stream": sink.getvalue().to_pybytes()}
    for type_, body in bodies.items():
        answer = alice.post(f"{BATCH}/jobs", content=body, headers={"Content-Type": type_})
        assert answer.status_code == 202, answer.text
        rows = read(alice, wait(alice, answer.json()))
        assert [numbers(row) for row in rows] == [answered, answered], type_


def test_the_client(alice: httpx.Client, address: str, answered: dict[str, Any]) -> None:
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    with Client(address, token=lambda: token) as client:
        assert [numbers(row) for row in client.greeks([BY_TERMS, BY_KEY], as_of=AT).data] == [answered, answered]


def test_one_instruments_address(alice: httpx.Client, answered: dict[str, Any]) -> None:
    found = alice.get(f"/api/v2/signals/instruments/{KEY}/greeks", params={"as_of": AT, **GIVEN}).raise_for_status()
    assert numbers(found.json()["greeks"]) == answered
    bare = alice.get(f"/api/v2/signals/instruments/{KEY}/greeks", params={"as_of": AT}).raise_for_status().json()
    assert (bare["greeks"]["status"], bare["greeks"]["retryable"]) == ("no_price", True)
    assert "no file or feed has listed this contract" in bare["greeks"]["reason"]


@pytest.mark.parametrize("item", [BY_KEY, BY_TERMS])
def test_the_commands(address: str, answered: dict[str, Any], item: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(item)
    for place, command in enumerate(
        (["batch_greeks", "--item"], ["compute", "greeks", "--item"], ["compute", "greeks"])
    ):
        out = tmp_path / f"{place}.parquet"
        assert "1 with a value" in succeed(*command, text, "--at", AT, "--out", str(out))
        (row,) = parquet.read_table(out).to_pylist()
        assert numbers(row) == answered
        assert (row["underlying"], row["expiry"], row["strike"], row["right"]) == (
            *("SIM@NIFTY", "2026-03-30", 24001.0, "call"),
        )
    said = succeed("explain", text, "--at", AT)
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line}
    assert f"{KEY} (not listed: its terms are those of the key)" in said
    for name in ("implied_volatility", "delta", "gamma", "theta", "vega", "rho"):
        assert float(lines[name][0]) == pytest.approx(answered[name], rel=1e-11), name
        assert float(lines[name][0]) == pytest.approx(float(lines[name][1]), rel=1e-8), name
    assert "0.1 years" in said and "36.5 days" in said and "None" not in said


def test_a_grid_starts_from_it(alice: httpx.Client, answered: dict[str, Any]) -> None:
    params = {"spot_shocks": [0.0], "volatility_shocks": [0.0], "days_forward": [0.0, 36.5]}
    rows = alice.post(f"{BATCH}/greeks_grid", json={"items": [BY_TERMS], "params": params, "as_of": AT}).json()["data"]
    assert [row["expiry_years"] for row in rows] == [0.1, 0.0]
    assert rows[0]["delta"] == pytest.approx(answered["delta"], rel=1e-12)
    assert rows[0]["price"] == answered["theoretical_price"]


def test_quotes_say_that_nothing_is_known(alice: httpx.Client) -> None:
    items = [TERMS, "SIM@NIFTY", {**TERMS, "strike": 24000}, {**TERMS, "volatility": 0.2}]
    unlisted, underlying, listed, override = alice.post(f"{BATCH}/quotes", json={"items": items, "as_of": AT}).json()[
        "data"
    ]
    assert (unlisted["status"], unlisted["retryable"]) == ("no_quote", True)
    assert unlisted["reason"] == f"no instrument {KEY} is known"
    assert (underlying["status"], listed["status"]) == ("bad_input", "ok")
    assert override["status"] == "bad_input" and "unknown field 'volatility'" in override["reason"]


def test_a_retry_asks_again_for_what_may_come(alice: httpx.Client) -> None:
    job, (row,) = run(alice, items=[TERMS], as_of=AT, reuse=False)
    assert (row["status"], row["retryable"]) == ("no_price", True)
    again = wait(alice, alice.post(job["links"]["retry"]).raise_for_status().json())
    assert (again["retry_of"], again["request_counts"]["total"]) == (job["id"], 1)


def hostile() -> Iterator[tuple[dict[str, Any], str]]:
    for name in ("underlying", "expiry", "strike", "option_type"):
        yield {name: None}, f"{name} is missing"
    for name in (*TERMS,):
        for odd in (True, [], {"a": {"b": []}}, "", " ", "\0", 'a"\n', "x" * 5_000, 1e308, -1):
            yield {name: odd}, f"{name} must be"
    yield {"exchange": "NSE", "underlying": "SIM@NIFTY"}, "exchange must be that of the underlying, 'SIM'"
    yield {"instrument_key": KEY}, "an item has instrument_key, or underlying, expiry, strike and option_type, not both"
    yield {"option_type": "CE"}, "option_type must be call or put"
    for years in (0, -1, 100.1, 1e308):
        yield {"expiry_years": years}, "expiry_years must be over 0 and at most 100"
    for odd in ("0.1", True, [0.1]):
        yield {"expiry_years": odd}, "expiry_years must be a number"
    yield {"exchange": "MOON", "expiry_years": None}, "no calendar of exchange 'MOON' is here"


def test_each_bad_field_is_refused_alone(alice: httpx.Client) -> None:
    wrong = list(hostile())
    assert len(wrong) > 60
    items = [each for bad, _ in wrong for each in ({**BY_TERMS, **bad}, BY_TERMS)]
    job = wait(alice, submit(alice, items=items, as_of=AT))
    rows = read(alice, job)
    for (bad, words), row, good in zip(wrong, rows[::2], rows[1::2], strict=True):
        assert (row["status"], row["retryable"], good["status"]) == ("bad_input", False, "ok"), (bad, row)
        assert row["reason"].startswith(words) and len(row["reason"]) < 300, (bad, row)
    some = alice.post(f"{BATCH}/greeks", json={"items": items[:100], "as_of": AT}).raise_for_status().json()["data"]
    assert some == rows[:100]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["batch_greeks", "--item", "{"], "not JSON"),
        (["batch_greeks", "--item", '{"a": NaN}'], "NaN is no number of JSON"),
        (["batch_greeks", "--item", "[" * 100_000], "0 with a value"),
        (["compute", "greeks", KEY, "--underlying", "SIM@NIFTY"], "not both"),
        (["batch_greeks", "--item", KEY, "--underlying", "SIM@NIFTY"], "not both"),
    ],
)
def test_commands_refuse_with_the_reason(address: str, arguments: list[str], words: str) -> None:
    done = manage(*arguments)
    assert words in done.stderr + done.stdout and "Traceback" not in done.stderr
