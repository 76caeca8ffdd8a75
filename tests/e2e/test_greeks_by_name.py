"""`greeks` and `theta` at every door: what was asked for is there, in the same columns, and right."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet
from vollib.black import black
from vollib.black_scholes_merton import black_scholes_merton as merton

from batch.client import Client
from signals.greeks.core.conventions import FIRST_ORDER, HIGHER_ORDER
from signals.greeks.greek_columns import GREEKS
from tests.core.test_higher_corners import haug
from tests.e2e.conftest import AT, BATCH, manage, run, submit, succeed, wait

PREFIX = BATCH.removesuffix("/batch")
ALL = [*FIRST_ORDER, *HIGHER_ORDER]
SOME = ["theta", "charm", "vanna"]
HEAD = ["position", "custom_id", "instrument_key", "status", "reason", "retryable", "implied_volatility"]
WINDOW = {"underlying": "SIM@NIFTY", "moneyness": {"min": 0.99, "max": 1.01}}


@pytest.fixture(scope="module")
def keys(login: Callable[[str], httpx.Client]) -> list[str]:
    _, rows = run(login("alice"), selector=WINDOW, as_of=AT)
    return [row["instrument_key"] for row in rows if row["status"] == "ok"]


def ask(client: httpx.Client, door: str, items: list[Any], **params: Any) -> list[dict[str, Any]]:
    answer = client.post(f"{BATCH}/{door}", json={"items": items, "params": params, "as_of": AT})
    rows: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return rows


def contract(row: dict[str, Any]) -> tuple[float, float, bool]:
    *_, right, strike = row["instrument_key"].split("@")
    return float(strike), 1.0 if right == "call" else -1.0, row["model"] == "black76"


@pytest.mark.parametrize("model", ["bsm", "black76"])
def test_the_ten_are_haugs_and_theta_is_the_next_days(alice: httpx.Client, keys: list[str], model: str) -> None:
    items = [*keys[:20], {"instrument_key": keys[3], "volatility": 0.4, "custom_id": "mine"}]
    rows = ask(alice, "greeks", items, greeks=ALL, theta="next_day", model=model)
    assert len(rows) == 21
    for row in rows:
        assert list(row)[7:22] == ALL and row["status"] == "ok"
        strike, sign, futures = contract(row)
        volatility, underlying = row["implied_volatility"], row["underlying_used"]
        years, rate, carry = row["expiry_years"], row["rate"], row["dividend_yield"]
        exact = haug(volatility, underlying, strike, years, rate, carry, sign, futures)
        for name, value in exact.items():
            assert row[name] == pytest.approx(float(value), rel=1e-9, abs=1e-14), name
        flag, left = "c" if sign > 0 else "p", years - 1 / 365
        later = (
            black(flag, underlying, strike, left, rate, volatility)
            if futures
            else merton(flag, underlying, strike, left, rate, volatility, carry)
        )
        assert row["theta"] == pytest.approx(later - row["theoretical_price"], rel=1e-7, abs=1e-8)


def test_every_door_gives_the_same(alice: httpx.Client, keys: list[str], address: str, passwords: Any) -> None:
    params = {"greeks": SOME, "theta": "next_day"}
    (row,) = ask(alice, "greeks", keys[:1], **params)
    path = f"{PREFIX}/instruments/{keys[0]}/greeks"
    for query in ("greeks=theta,charm,vanna", "greeks=theta&greeks=charm,vanna"):
        found = alice.get(f"{path}?{query}&theta=next_day&as_of={AT.replace('+', '%2B')}").raise_for_status().json()
        assert found["greeks"] == row and found["params"]["greeks"] == SOME
    with Client(address, username="alice", password=passwords["alice"]) as client:
        assert client.instrument_greeks(keys[0], as_of=AT, params=params)["greeks"] == row
        assert client.greeks(keys[:1], as_of=AT, params=params).data == [row]
    job, rows = run(alice, items=keys, params=params, as_of=AT, reuse=False)
    assert job["params"]["greeks"] == SOME and rows[0] == row
    assert list(row)[: len(HEAD) + 3] == [*HEAD, "theta", "vanna", "charm"]  # in the order of the declaration
    again = wait(alice, submit(alice, items=keys, params=params, as_of=AT))
    assert again["reused_from"] == job["id"]
    assert wait(alice, submit(alice, items=keys, as_of=AT))["reused_from"] != job["id"]


def test_default_answers_have_what_they_had(alice: httpx.Client, keys: list[str]) -> None:
    (row,) = ask(alice, "greeks", keys[:1])
    assert list(row)[: len(HEAD) + 6] == [*HEAD, *FIRST_ORDER, "theoretical_price"]
    assert not set(HIGHER_ORDER) & set(row)
    (named,) = ask(alice, "greeks", keys[:1], greeks=list(FIRST_ORDER), theta="instantaneous")
    assert named == row
    (cell,) = ask(alice, "greeks_grid", keys[:1], spot_shocks=[0], volatility_shocks=[0])
    assert not set(HIGHER_ORDER) & set(cell) and set(FIRST_ORDER) <= set(cell)


def test_exports_have_the_columns_of_their_job(alice: httpx.Client, keys: list[str]) -> None:
    job, rows = run(alice, items=[*keys[:50], "nonsense"], params={"greeks": SOME}, as_of=AT)
    link = job["links"]["export"]
    tables = {
        "ndjson": pa.Table.from_pylist([orjson.loads(line) for line in alice.get(link).content.splitlines()]),
        "parquet": parquet.read_table(io.BytesIO(alice.get(link, params={"format": "parquet"}).content)),
        "arrow": pa.ipc.open_stream(alice.get(link, params={"format": "arrow"}).content).read_all(),
    }
    for table in tables.values():
        assert table.drop_columns(["underlying", "expiry", "strike", "right"]).to_pylist() == rows
    text = alice.get(link, params={"format": "csv", "fields": "vanna,strike"}).text
    assert [row["vanna"] for row in csv.DictReader(io.StringIO(text))][:50] == [str(row["vanna"]) for row in rows[:50]]
    assert rows[50]["vanna"] is None and rows[50]["status"] == "bad_input"
    errors = alice.get(f"{BATCH}/jobs/{job['id']}/errors", params={"format": "ndjson"})
    assert orjson.loads(errors.content)["charm"] is None
    for name, words in (("delta", "greeks does not name it"), ("gama", "has no field 'gama'")):
        refused = alice.get(link, params={"fields": name})
        assert refused.status_code == 400 and words in refused.json()["errors"][0]["detail"]


def test_a_grid_has_them_in_each_cell(alice: httpx.Client, keys: list[str]) -> None:
    params = {"spot_shocks": [-0.05, 0.0], "volatility_shocks": [0.0, 0.1], "days_forward": [0, 400]}
    rows = ask(alice, "greeks_grid", keys[:2], **params, greeks=["vanna", "theta", "elasticity"], theta="next_day")
    for row in rows:
        assert "delta" not in row
        if row["expiry_years"] == 0:
            assert row["vanna"] is None and row["theta"] is None
            continue
        strike, sign, futures = contract(row)
        asked = (row["volatility"], row["underlying"], strike, row["expiry_years"], row["rate"], row["dividend_yield"])
        exact = haug(*asked, sign, futures)
        assert row["vanna"] == pytest.approx(float(exact["vanna"]), rel=1e-9, abs=1e-14)
        assert row["elasticity"] == pytest.approx(float(exact["elasticity"]), rel=1e-9)
    base = [row for row in rows if row["spot_shock"] == row["volatility_shock"] == row["days_forward"] == 0]
    greeks = ask(alice, "greeks", keys[:2], greeks=["theta"], theta="next_day")
    assert [row["theta"] for row in base] == pytest.approx([row["theta"] for row in greeks], rel=1e-9)


@pytest.mark.parametrize(
    ("greeks", "words"),
    [
        (["delta", "vana"], "must be one of delta, gamma, theta, vega, rho, vanna,"),
        (["lambda"], "elasticity"),
        (["delta", "delta"], '"delta" is named 2 times'),
        ([], "at least 1"),
        (["delta"] * 10_000, f"no more than {GREEKS.most}"),
        (["x" * 50_000], "must be one of"),
        ("delta", "Expected a list"),
        ({"delta": True}, "Expected a list"),
        ([["delta"]], "must be one of"),
        ([None], "null"),
        ([1e300, 10**18, True, "\u0000", '"', "\r\n"], "must be one of"),
        (None, "null"),
    ],
)
def test_what_is_wrong_is_said_by_name(alice: httpx.Client, keys: list[str], greeks: Any, words: str) -> None:
    for door in ("greeks", "greeks_grid"):
        answer = alice.post(f"{BATCH}/{door}", json={"items": keys[:1], "params": {"greeks": greeks}, "as_of": AT})
        assert answer.status_code == 400, answer.text
        errors = answer.json()["errors"]
        assert all(error["field"].startswith("params.greeks") for error in errors)
        assert words in errors[0]["detail"]
        assert len(answer.content) < 10_000
    job = {"kind": "greeks", "items": keys[:1], "params": {"greeks": greeks}}
    assert alice.post(f"{BATCH}/jobs", json=job).status_code == 400


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("greeks=vana", "greeks", "must be one of delta"),
        ("greeks=", "greeks", ""),
        ("greeks=delta,", "greeks", ""),
        ("greeks=delta,delta", "greeks", "named 2 times"),
        ("greeks=delta&greeks=delta", "greeks", "named 2 times"),
        ("greeks=" + ",".join(["delta"] * 300), "greeks", f"no more than {GREEKS.most}"),
        ("greeks=%00", "greeks", ""),
        ("greeks=[%22delta%22]", "greeks", "must be one of"),
        ("theta=tomorrow", "theta", "is not a valid choice"),
    ],
)
def test_queries_are_refused_by_name(alice: httpx.Client, keys: list[str], query: str, field: str, words: str) -> None:
    answer = alice.get(f"{PREFIX}/instruments/{keys[0]}/greeks?{query}")
    assert answer.status_code == 400, answer.text
    (error, *_) = answer.json()["errors"]
    assert error["field"].startswith(field) and words in error["detail"]


def test_commands(address: str, keys: list[str], tmp_path: Path) -> None:
    selection = ["--underlying", "SIM@NIFTY", "--moneyness", "0.99", "1.01", "--at", AT]
    whole, chosen = tmp_path / "whole.ndjson", tmp_path / "some.ndjson"
    given = ["--param", "greeks=theta,charm,vanna", "--param", "theta=next_day"]
    succeed("batch_greeks", *selection, *given, "--out", str(whole))
    options = ["--greeks", *SOME, "--theta", "next_day", "--fields", "vanna,charm"]
    succeed("compute", "greeks", *selection, *options, "--out", str(chosen))
    rows = [json.loads(line) for line in whole.read_text().splitlines()]
    assert {"theta", "charm", "vanna"} <= rows[0].keys() and "delta" not in rows[0]
    found = [json.loads(line) for line in chosen.read_text().splitlines()]
    assert found == [{"vanna": row["vanna"], "charm": row["charm"]} for row in rows]
    for arguments, words in (
        (["batch_greeks", *selection, "--param", "greeks=vana"], "params.greeks"),
        (["compute", "greeks", *selection, "--greeks", "vega", "--plot", str(tmp_path / "x.png")], "it needs delta"),
        (["compute", "greeks", *selection, "--greeks", "vana"], "invalid choice: 'vana'"),
        (
            ["batch_greeks", *selection, "--out", str(tmp_path / "x.csv"), "--fields", "vanna"],
            "greeks does not name it",
        ),
    ):
        done = manage(*arguments)  # before the job
        assert done.returncode != 0 and words in done.stderr
    said = succeed("explain", keys[0], "--at", AT, "--greeks", "delta", "theta", "elasticity", "--theta", "next_day")
    lines = {line.split()[0]: line.split() for line in said.splitlines() if line}
    assert lines["delta"][2] != "-" and lines["theta"][2] == lines["elasticity"][2] == "-"
    assert "gamma" not in lines and "implied_volatility" in lines


def test_the_schema_has_a_list_of_words(alice: httpx.Client) -> None:
    schema = alice.get("/api/schema", headers={"Accept": "application/json"}).json()
    field = schema["components"]["schemas"]["GreeksParamsRequest"]["properties"]["greeks"]
    assert (field["type"], field["minItems"], field["maxItems"], field["uniqueItems"]) == (
        "array",
        1,
        GREEKS.most,
        True,
    )
    row = schema["components"]["schemas"]["GreeksRow"]
    assert not set(ALL) & set(row["required"]) and "implied_volatility" in row["required"]
    (path,) = (path for path in schema["paths"] if path.endswith("/instruments/{instrument_key}/greeks"))
    (query,) = (each for each in schema["paths"][path]["get"]["parameters"] if each["name"] == "greeks")
    assert query["in"] == "query" and query["schema"]["type"] == "array"
