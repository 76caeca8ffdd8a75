"""Quotes and grids of Greeks in real jobs: pages, filters, exports, retry, reuse, receipts and numbers."""

import io
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from signals.greeks.core.py_vollib_reference import py_vollib_greeks
from tests.e2e.conftest import AT, BATCH, read, run, submit, wait

Login = Callable[[str], httpx.Client]
SHOCKS = {"spot_shocks": [-0.1, 0.0, 0.07], "volatility_shocks": [-0.02, 0.0, 0.1], "days_forward": [0, 5.5, 400]}
GREEKS = ("delta", "gamma", "theta", "vega", "rho")


@pytest.fixture(scope="module")
def keys(login: Login) -> list[str]:
    _, rows = run(login("alice"), selector={"underlying": "SIM@NIFTY"}, as_of=AT)
    return [row["instrument_key"] for row in rows if row["status"] == "ok"]


def table(client: httpx.Client, job: dict[str, Any], format_: str, **query: str) -> pa.Table:
    content = client.get(job["links"]["export"], params={"format": format_, **query}).raise_for_status().content
    if format_ == "ndjson":
        return pa.Table.from_pylist([orjson.loads(line) for line in content.splitlines()])
    if format_ == "parquet":
        return parquet.read_table(io.BytesIO(content))
    if format_ == "arrow":
        return pa.ipc.open_stream(content).read_all()
    return csv.read_csv(io.BytesIO(content))


def rows_without(key_columns: Sequence[str], found: pa.Table) -> list[dict[str, Any]]:
    assert found.column_names[3:7] == list(key_columns)
    return found.drop_columns(key_columns).to_pylist()


@pytest.fixture(scope="module")
def items(keys: list[str]) -> list[Any]:
    spot = {"instrument_key": "SIM@NIFTY@equity_spot", "custom_id": "spot"}
    return [keys[0], spot, "SIM@NIFTY@equity_futures@2026-03-30", "nonsense", keys[-1]]


@pytest.fixture(scope="module")
def grid(login: Login, keys: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    items = [
        keys[0],
        "nonsense",
        {"instrument_key": keys[len(keys) // 2], "custom_id": "mid", "volatility": 0.2},
        {"instrument_key": keys[1], "volatility": -1},
        keys[-1],
    ]
    return run(login("alice"), kind="greeks_grid", items=items, params=SHOCKS, as_of=AT)


class TestQuotes:
    def test_both_doors_say_what_is_stored_of_any_instrument(self, alice: httpx.Client, items: list[Any]) -> None:
        job, rows = run(alice, kind="quotes", items=items, as_of=AT, reuse=False)
        assert (job["kind"], job["params"]) == ("quotes", {"max_quote_age_seconds": 86400.0})
        assert job["request_counts"] == {"total": 5, "completed": 4, "failed": 1}
        answer = alice.post(f"{BATCH}/quotes", json={"items": items, "as_of": AT})
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"] == rows
        assert answer.json()["request_counts"] == job["request_counts"]
        option, spot, future, nonsense, _ = rows
        assert (option["market"], option["price_source"]) == ("two_sided", "mid")
        assert option["price"] == pytest.approx((option["bid"] + option["ask"]) / 2)
        assert option["age_seconds"] >= 0 and option["quote_time"].endswith("+00:00")
        assert spot["custom_id"] == "spot" and spot["price"] > 0 and future["price"] > spot["price"] * 0.9
        assert (nonsense["status"], nonsense["price"], nonsense["market"]) == ("bad_input", None, None)
        (greeks,) = alice.post(f"{BATCH}/greeks", json={"items": items[:1], "as_of": AT}).json()["data"]
        assert (greeks["price_used"], greeks["price_age_seconds"]) == (option["price"], option["age_seconds"])

    def test_why_there_is_no_price_and_a_retry_of_what_may_come(self, alice: httpx.Client, items: list[Any]) -> None:
        later = "2026-03-04T11:00:00+05:30"
        job, rows = run(alice, kind="quotes", items=items, as_of=later, params={"max_quote_age_seconds": 60})
        assert [row["status"] for row in rows] == ["stale", "stale", "stale", "bad_input", "stale"]
        assert rows[0]["bid"] > 0 and rows[0]["price"] is None and rows[0]["age_seconds"] >= 2 * 86400
        assert "60 s are allowed" in rows[0]["reason"]
        assert [row["retryable"] for row in rows] == [True, True, True, False, True]
        assert [row["position"] for row in read(alice, job, status="stale")] == [0, 1, 2, 4]
        again = alice.post(job["links"]["retry"]).json()
        assert (again["retry_of"], again["request_counts"]["total"], again["kind"]) == (job["id"], 4, "quotes")
        _, rows = run(alice, kind="quotes", items=items[:1], as_of="2020-01-01")
        assert (rows[0]["status"], rows[0]["retryable"], rows[0]["bid"]) == ("no_quote", True, None)

    def test_a_selector_reuse_and_every_export(self, alice: httpx.Client) -> None:
        selector = {"underlying": "SIM@NIFTY", "moneyness": {"min": 0.98, "max": 1.02}}
        job, rows = run(alice, kind="quotes", selector=selector, as_of=AT)
        _, greeks = run(alice, kind="greeks", selector=selector, as_of=AT)
        assert [row["instrument_key"] for row in rows] == [row["instrument_key"] for row in greeks]
        again = wait(alice, submit(alice, kind="quotes", selector=selector, as_of=AT))
        assert again["reused_from"] in (job["id"], job["reused_from"])
        found = {each: table(alice, job, each) for each in ("ndjson", "parquet", "arrow")}
        assert found["parquet"].to_pylist() == found["arrow"].to_pylist() == found["ndjson"].to_pylist()
        assert rows_without(("underlying", "expiry", "strike", "right"), found["arrow"]) == rows
        assert table(alice, job, "csv").column("price").to_pylist() == [row["price"] for row in rows]
        assert found["arrow"].schema.field("settle").type == pa.float64()  # although the simulator has none

    @pytest.mark.parametrize(
        ("item", "words"),
        [({"volatility": 0.2}, "unknown field 'volatility'"), ({"price": 1}, "unknown field 'price'")],
    )
    def test_it_takes_no_override(self, alice: httpx.Client, keys: list[str], item: Any, words: str) -> None:
        (row,) = alice.post(f"{BATCH}/quotes", json={"items": [{"instrument_key": keys[0], **item}]}).json()["data"]
        assert row["status"] == "bad_input" and words in row["reason"]


class TestGrid:
    def test_a_grid_each_and_one_row_for_an_item_without_a_base(self, grid: Any) -> None:
        job, rows = grid
        assert [row["position"] for row in rows] == [0] * 27 + [1] + [2] * 27 + [3] + [4] * 27
        assert job["request_counts"] == {"total": 5, "completed": 3, "failed": 2}
        axes = [(row["spot_shock"], row["volatility_shock"], row["days_forward"]) for row in rows[:27]]
        assert axes == list(itertools.product(*SHOCKS.values()))
        for row in (rows[27], rows[55]):
            assert (row["status"], row["spot_shock"], row["price"]) == ("bad_input", None, None)
        assert "volatility must be over 0" in rows[55]["reason"]
        assert {row["custom_id"] for row in rows[28:55]} == {"mid"}

    def test_its_numbers_are_py_vollibs(self, grid: Any) -> None:
        _, rows = grid
        compared = 0
        for row in rows:
            if row["status"] != "ok":
                continue
            *_, right, strike = row["instrument_key"].split("@")
            sign = 1.0 if right == "call" else -1.0
            assert row["underlying"] == row["base_underlying"] * (1 + row["spot_shock"])
            assert row["volatility"] == row["base_volatility"] + row["volatility_shock"]
            assert row["profit_and_loss"] == pytest.approx(row["price"] - row["base_price"], abs=1e-9)
            if row["days_forward"] == 400:  # past expiry
                assert row["expiry_years"] == 0
                assert row["price"] == max(sign * (row["underlying"] - float(strike)), 0.0)
                assert [row[name] for name in GREEKS] == [None] * 5 and "has expired by then" in row["reason"]
                continue
            if row["price"] < 1.0 or row["vega"] < 1e-6:  # it hardly depends on the volatility that py_vollib implies
                continue
            theirs = py_vollib_greeks(
                price=row["price"],
                underlying=row["underlying"],
                strike=float(strike),
                expiry_years=row["expiry_years"],
                rate=row["rate"],
                dividend_yield=row["dividend_yield"],
                sign=sign,
                black76=row["model"] == "black76",
            )
            if isinstance(theirs, str):
                continue
            assert theirs["implied_volatility"] == pytest.approx(row["volatility"], rel=1e-5)
            for name in GREEKS:
                assert row[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-7), (name, row)
            compared += 1
        assert compared >= 25

    def test_without_shocks_it_is_the_base(self, alice: httpx.Client, keys: list[str]) -> None:
        params = {"spot_shocks": [0], "volatility_shocks": [0]}
        answer = alice.post(f"{BATCH}/greeks_grid", json={"items": keys[:5], "params": params, "as_of": AT})
        greeks = alice.post(f"{BATCH}/greeks", json={"items": keys[:5], "as_of": AT}).json()
        assert answer.json()["forwards"] == greeks["forwards"]
        for row, base in zip(answer.json()["data"], greeks["data"], strict=True):
            assert row["volatility"] == base["implied_volatility"] and abs(row["profit_and_loss"]) < 1e-9
            for name in GREEKS:
                assert row[name] == pytest.approx(base[name], rel=1e-12)

    def test_pages_filters_and_every_export(self, alice: httpx.Client, grid: Any) -> None:
        job, rows = grid
        assert read(alice, job, limit=10) == rows
        assert read(alice, job, status="failed") == [rows[27], rows[55]]
        found = {each: table(alice, job, each) for each in ("ndjson", "parquet", "arrow")}
        assert found["parquet"].to_pylist() == found["arrow"].to_pylist() == found["ndjson"].to_pylist()
        assert rows_without(("underlying_key", "expiry", "strike", "right"), found["arrow"]) == rows
        assert table(alice, job, "csv").column("price").to_pylist() == [row["price"] for row in rows]
        assert len(table(alice, job, "arrow", status="bad_input")) == 2

    def test_reuse_and_receipt(self, alice: httpx.Client, grid: Any) -> None:
        job, _ = grid
        asked = {"items": ["nonsense"], "params": {**SHOCKS, "days_forward": [1]}, "as_of": AT}
        first = wait(alice, submit(alice, kind="greeks_grid", **asked))
        again = wait(alice, submit(alice, kind="greeks_grid", **asked))
        assert again["reused_from"] in (first["id"], first["reused_from"])
        other = wait(alice, submit(alice, kind="greeks_grid", **{**asked, "params": SHOCKS}))
        assert other["reused_from"] is None
        receipt = alice.get(f"{job['links']['self']}/receipt").json()
        assert receipt["forwards"] and all(each["underlying"] == "SIM@NIFTY" for each in receipt["forwards"])

    def test_a_volatility_that_is_shocked_away_has_no_price(self, alice: httpx.Client, keys: list[str]) -> None:
        params = {"spot_shocks": [0], "volatility_shocks": [-5, 0]}
        answer = alice.post(f"{BATCH}/greeks_grid", json={"items": keys[:1], "params": params, "as_of": AT}).json()
        assert [row["status"] for row in answer["data"]] == ["no_volatility", "ok"]
        assert answer["data"][0]["price"] is None
        assert answer["request_counts"] == {"total": 1, "completed": 0, "failed": 1}

    def test_more_rows_than_a_page_become_a_job(self, alice: httpx.Client, keys: list[str]) -> None:
        params = {"spot_shocks": [n / 1000 for n in range(100)], "volatility_shocks": [0, 0.01], "days_forward": [0, 1]}
        answer = alice.post(f"{BATCH}/greeks_grid", json={"items": keys[:26], "params": params, "as_of": AT})
        assert answer.status_code == 202
        job = wait(alice, answer.json())
        rows = read(alice, job)
        assert len(rows) == 26 * 400 and {row["status"] for row in rows} <= {"ok"}
        assert all(math.isfinite(row["price"]) for row in rows)

    @pytest.mark.parametrize("door", ["jobs", "greeks_grid"])
    @pytest.mark.parametrize(
        ("params", "field"),
        [
            ({"spot_shocks": [10**18]}, "params.spot_shocks[0]"),
            ({"spot_shocks": [0.1, "0.1"]}, "params.spot_shocks[1]"),
            ({"spot_shocks": [[0.1]]}, "params.spot_shocks[0]"),
            ({"spot_shocks": [None]}, "params.spot_shocks[0]"),
            ({"spot_shocks": [-1]}, "params.spot_shocks[0]"),
            ({"spot_shocks": []}, "params.spot_shocks"),
            ({"spot_shocks": None}, "params.spot_shocks"),
            ({"spot_shocks": 0.1}, "params.spot_shocks"),
            ({"spot_shocks": {"0": 0.1}}, "params.spot_shocks"),
            ({"spot_shocks": [0.0] * 250_000}, "params.spot_shocks"),
            ({"spot_shocks": [0.0] * 1_000_000}, "body"),
            ({"volatility_shocks": [True]}, "params.volatility_shocks[0]"),
            ({"days_forward": [-1]}, "params.days_forward[0]"),
            ({"days_forward": [1e300]}, "params.days_forward[0]"),
            ({"spot_shocks": [0.0] * 40, "volatility_shocks": [0.0] * 26}, "params"),
        ],
    )
    def test_lists_of_shocks_are_bounded(self, alice: httpx.Client, door: str, params: Any, field: str) -> None:
        body = {"items": ["SIM@NIFTY@equity_spot"], "params": params} | (
            {"kind": "greeks_grid"} if door == "jobs" else {}
        )
        answer = alice.post(f"{BATCH}/{door}", json=body)
        assert answer.status_code == 400, answer.text[:300]
        assert {error["field"] for error in answer.json()["errors"]} == {field}
        assert len(answer.content) < 20_000

    def test_a_job_of_too_many_rows_is_refused_at_the_door(self, alice: httpx.Client) -> None:
        params = {"spot_shocks": [0.0] * 100, "volatility_shocks": [0.0] * 10, "days_forward": [0.0]}
        answer = alice.post(f"{BATCH}/jobs", json={"kind": "greeks_grid", "items": ["x"] * 5001, "params": params})
        assert answer.status_code == 400
        assert answer.json()["errors"] == [
            {
                "field": "items",
                "detail": "5001 items of up to 1000 rows each are 5001000 rows; 5000000 are allowed",
            }
        ]
