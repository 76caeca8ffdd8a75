"""Jobs through the real service: HTTP, Celery workers, PostgreSQL."""

import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from signals.greeks.core.py_vollib_reference import py_vollib_greeks
from tests.e2e.conftest import AT, BATCH, read, run, submit, wait

NIFTY = {"underlying": "SIM@NIFTY"}
VALUES = ("implied_volatility", "delta", "gamma", "theta", "vega", "rho", "theoretical_price")


@pytest.fixture(scope="session")
def chain(login: Callable[[str], httpx.Client]) -> list[dict[str, Any]]:
    """Return all simulated options with their answers, in the order of the chain."""
    job, rows = run(login("alice"), selector={"exchange": "SIM"})
    assert job["status"] == "completed"
    return rows


@pytest.fixture(scope="session")
def liquid(chain: list[dict[str, Any]]) -> dict[str, Any]:
    """A call near the money, a month out."""
    return next(
        row
        for row in chain
        if row["status"] == "ok" and "call" in row["instrument_key"] and 0.45 < row["delta"] < 0.55
        and row["expiry_years"] > 0.07
    )  # fmt: skip


def test_a_job_of_a_thousand_comes_back_whole_and_in_order(alice: httpx.Client, chain: list[dict[str, Any]]) -> None:
    keys = [row["instrument_key"] for row in chain][:1000][::-1]
    job = submit(alice, items=[{"instrument_key": key, "custom_id": f"#{n}"} for n, key in enumerate(keys)])
    assert job["status"] in ("validating", "in_progress")
    job = wait(alice, job)
    assert job["status"] == "completed"
    assert job["progress"] == 1.0 and job["eta_seconds"] == 0.0 and job["finished_at"] > job["started_at"]
    assert job["as_of"] == "2026-03-02T05:30:00Z"
    rows = read(alice, job, limit=300)
    assert [row["instrument_key"] for row in rows] == keys
    assert [row["custom_id"] for row in rows] == [f"#{n}" for n in range(1000)]
    assert [row["position"] for row in rows] == list(range(1000))
    completed = sum(row["status"] == "ok" for row in rows)
    assert job["request_counts"] == {"total": 1000, "completed": completed, "failed": 1000 - completed}
    assert completed > 900
    for row in rows:
        if row["status"] == "ok":
            assert row["reason"] is None and all(math.isfinite(row[name]) for name in VALUES)
        else:
            assert row["reason"] and all(row[name] is None for name in VALUES)


def test_py_vollib_finds_the_same_from_the_receipts(chain: list[dict[str, Any]]) -> None:
    compared = 0
    for row in chain[::7]:
        if row["status"] != "ok":
            continue
        *_, right, strike = row["instrument_key"].split("@")
        theirs = py_vollib_greeks(
            price=row["price_used"],
            underlying=row["underlying_used"],
            strike=float(strike),
            expiry_years=row["expiry_years"],
            rate=row["rate"],
            dividend_yield=row["dividend_yield"],
            sign=1.0 if right == "call" else -1.0,
            black76=row["model"] == "black76",
        )
        if isinstance(theirs, str) or row["vega"] < 1e-3:
            continue  # so deep in the money that the price barely depends on the volatility
        for name, value in theirs.items():
            assert row[name] == pytest.approx(value, rel=1e-6, abs=1e-9), (row["instrument_key"], name)
        compared += 1
    assert compared > 200


def test_results_can_be_filtered_by_status(alice: httpx.Client, chain: list[dict[str, Any]]) -> None:
    job, _ = run(alice, selector=NIFTY)
    failed = read(alice, job, status="failed", limit=7)
    assert len(failed) == job["request_counts"]["failed"] > 0
    assert {row["status"] for row in failed} == {row["status"] for row in read(alice, job)} - {"ok"}
    assert {row["status"] for row in read(alice, job, status="no_price")} == {"no_price"}


def test_while_a_job_runs_its_results_are_a_prefix(alice: httpx.Client, chain: list[dict[str, Any]]) -> None:
    keys = [row["instrument_key"] for row in chain]
    keys *= 30_000 // len(keys) + 1
    job = submit(alice, items=keys)
    seen, cursor, partial = 0, -1, 0
    while cursor is not None:
        page = alice.get(job["links"]["results"], params={"cursor": cursor, "limit": 1000}).json()
        assert [row["position"] for row in page["data"]] == list(range(seen, seen + len(page["data"])))
        partial += bool(page["data"]) and page["status"] == "in_progress"
        seen, cursor = seen + len(page["data"]), page["next_cursor"]
    assert seen == len(keys)
    assert partial


def one(client: httpx.Client, key: str, *, params: Any = None, as_of: str | None = None, **overrides: Any) -> Any:
    body = {"items": [{"instrument_key": key, **overrides}], "params": params or {}, "as_of": as_of}
    answer = client.post(f"{BATCH}/greeks", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"][0]


STATUSES = [
    ("ok", {}, {}, None),
    ("below_intrinsic", {"price": 4.9, "underlying_price": 1e6}, {}, None),
    ("above_maximum", {"price": 1e8}, {}, None),
    ("no_price", {}, {"price": "settle"}, None),
    ("no_price", {}, {"max_quote_age_seconds": 1}, "2026-03-02T05:30:07Z"),
    ("no_underlying", {"price": 100}, {"forward": "spot"}, "2026-02-20"),
    ("expired", {}, {}, "2031-01-01"),
    ("bad_input", {"price": -1}, {}, None),
    ("bad_input", {"rate": 7}, {}, None),
    ("bad_input", {"volatilty": 0.2}, {}, None),
]


@pytest.mark.parametrize(("status", "overrides", "params", "as_of"), STATUSES)
@pytest.mark.parametrize("door", ["request", "job"])
def test_every_status_comes_through_both_doors(
    alice: httpx.Client, liquid: dict[str, Any], status: str, overrides: Any, params: Any, as_of: str | None, door: str
) -> None:
    key = liquid["instrument_key"]
    if door == "request":
        row = one(alice, key, params=params, as_of=as_of, **overrides)
    else:
        _, (row,) = run(alice, items=[{"instrument_key": key, **overrides}], params=params, as_of=as_of)
    assert row["status"] == status
    assert (row["reason"] is None) == (status == "ok")
    assert row["retryable"] == (status in ("no_price", "no_underlying"))
    assert all((row[name] is None) == (status != "ok") for name in VALUES)


def test_a_price_of_exactly_the_intrinsic_value_has_no_time_value(alice: httpx.Client, liquid: dict[str, Any]) -> None:
    strike = float(liquid["instrument_key"].rsplit("@", 1)[1])
    row = one(alice, liquid["instrument_key"], price=100, underlying_price=strike + 100, rate=0, dividend_yield=0)
    assert row["status"] == "no_time_value"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("MOON@NIFTY@equity_options@2031-01-01@call@1", "no calendar of exchange 'MOON' is here"),
        ("SIM@NIFTY", "SIM@NIFTY is no option"),
        ("SIM@NIFTY@equity_options@2031-01-01@cal@1", "right 'cal' is neither call nor put"),
        ("SIM@NIFTY@equity_spot", "SIM@NIFTY@equity_spot is no option"),
        ("nonsense", "a key is EXCHANGE@SYMBOL"),
    ],
)
def test_a_bad_key_says_what_is_wrong_and_sinks_nothing_else(
    alice: httpx.Client, liquid: dict[str, Any], key: str, words: str
) -> None:
    job, rows = run(alice, items=[key, liquid["instrument_key"]])
    assert [row["status"] for row in rows] == ["bad_input", "ok"]
    assert words in rows[0]["reason"]
    assert job["request_counts"] == {"total": 2, "completed": 1, "failed": 1}


def test_a_job_of_bad_keys_only_still_answers_each(alice: httpx.Client) -> None:
    job, rows = run(alice, items=["x", "y"])
    assert (job["status"], [row["status"] for row in rows]) == ("completed", ["bad_input", "bad_input"])


def test_the_same_key_with_other_overrides_and_a_repeated_custom_id(
    alice: httpx.Client, liquid: dict[str, Any]
) -> None:
    key = liquid["instrument_key"]
    items = [
        {"instrument_key": key, "custom_id": "a", "volatility": 0.1},
        {"instrument_key": key, "custom_id": "b", "volatility": 0.2},
        {"instrument_key": key, "custom_id": "a", "volatility": 0.3},
    ]
    _, rows = run(alice, items=items)
    assert [row["implied_volatility"] for row in rows] == [0.1, 0.2, None]
    assert rows[1]["theoretical_price"] > rows[0]["theoretical_price"]
    assert rows[0]["iv_source"] == "override"
    assert rows[2]["status"] == "bad_input" and "repeated" in rows[2]["reason"]


def test_overrides_replace_what_the_market_says(alice: httpx.Client, liquid: dict[str, Any]) -> None:
    row = one(alice, liquid["instrument_key"], price=321, underlying_price=23_456, rate=0.05, dividend_yield=0.01)
    assert (row["price_used"], row["price_source"], row["price_age_seconds"]) == (321, "override", None)
    assert (row["underlying_used"], row["forward_source"]) == (23_456, "override")
    assert row["forward"] == pytest.approx(23_456 * math.exp(0.04 * row["expiry_years"]), rel=1e-12)
    assert (row["rate"], row["dividend_yield"]) == (0.05, 0.01)


def test_both_models_agree_on_the_volatility(alice: httpx.Client, liquid: dict[str, Any]) -> None:
    bsm, black76 = (one(alice, liquid["instrument_key"], params={"model": model}) for model in ("bsm", "black76"))
    assert (bsm["model"], black76["model"]) == ("bsm", "black76")
    assert bsm["implied_volatility"] == pytest.approx(black76["implied_volatility"], rel=1e-9)
    assert black76["underlying_used"] == black76["forward"] == bsm["forward"]
    assert black76["rho"] < 0 < bsm["rho"]


def test_the_volatility_index_stands_in_only_when_asked(alice: httpx.Client, liquid: dict[str, Any]) -> None:
    params = {"price": "settle", "fallback_volatility": "vix"}
    row = one(alice, liquid["instrument_key"], params=params)
    assert (row["status"], row["iv_source"]) == ("ok", "vix")
    assert 0.05 < row["implied_volatility"] < 0.5 and row["delta"] > 0
    assert "no usable settle price" in row["reason"]


def test_day_counts(alice: httpx.Client, liquid: dict[str, Any]) -> None:
    exact = one(alice, liquid["instrument_key"])["expiry_years"]
    whole = one(alice, liquid["instrument_key"], params={"day_count": "calendar_days"})["expiry_years"]
    assert whole * 365 == pytest.approx(round(whole * 365), abs=1e-9)
    assert exact * 365 == pytest.approx(whole * 365 + 14 / 72, abs=1e-9)  # 11:00 to 15:40


def test_named_forwards_are_strict_and_named(alice: httpx.Client, liquid: dict[str, Any]) -> None:
    found = {
        name: one(alice, liquid["instrument_key"], params={"forward": name}) for name in ("auto", "parity", "spot")
    }
    assert {name: row["forward_source"] for name, row in found.items()} == {
        "auto": "parity",
        "parity": "parity",
        "spot": "spot",
    }
    assert found["spot"]["forward"] == pytest.approx(found["parity"]["forward"], rel=0.01)


def test_an_answer_does_not_depend_on_the_door_or_the_chunk(
    alice: httpx.Client, chain: list[dict[str, Any]], liquid: dict[str, Any]
) -> None:
    alone = one(alice, liquid["instrument_key"], as_of=AT)
    assert {**alone, "position": liquid["position"]} == liquid


class TestSelector:
    def test_windows(self, alice: httpx.Client, liquid: dict[str, Any]) -> None:
        expiry = liquid["instrument_key"].split("@")[3]
        strike = float(liquid["instrument_key"].rsplit("@", 1)[1])
        underlying = {"underlying": "@".join(liquid["instrument_key"].split("@")[:2])}
        selector = {**underlying, "expiries": [expiry], "strike": {"min": strike - 100, "max": strike + 100}}
        _, rows = run(alice, selector=selector)
        found = {tuple(row["instrument_key"].split("@")[3:]) for row in rows}
        assert {each[0] for each in found} == {expiry}
        assert {float(each[2]) for each in found} == {strike - 100, strike, strike + 100}
        _, rows = run(alice, selector={**underlying, "expiries": [expiry], "moneyness": {"min": 0.99, "max": 1.01}})
        assert rows
        assert all(0.99 <= float(row["instrument_key"].rsplit("@", 1)[1]) / row["forward"] <= 1.01 for row in rows)

    @pytest.mark.parametrize(
        ("selector", "field"),
        [
            ({"underlying": "NOSUCH"}, "selector.underlying"),
            ({**NIFTY, "expiries": ["2001-01-01"]}, "selector.expiries[0]"),
            ({**NIFTY, "expiries": ["soon"]}, "selector.expiries[0]"),
            ({**NIFTY, "strike": {"min": 1, "max": 2}}, "selector.strike"),
            ({**NIFTY, "strike": {"min": 2, "max": 1}}, "selector.strike.max"),
            ({**NIFTY, "strikes": {}}, "selector.strikes"),
            ({"exchange": "LSE"}, "selector"),
        ],
    )
    def test_what_selects_nothing_is_refused_by_field(self, alice: httpx.Client, selector: Any, field: str) -> None:
        answer = alice.post(f"{BATCH}/jobs", json={"kind": "greeks", "selector": selector})
        assert answer.status_code == 400, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    def test_an_instant_without_quotes_fails_the_job_and_says_so(self, alice: httpx.Client) -> None:
        job = wait(alice, submit(alice, selector=NIFTY, as_of="2020-01-01"))
        assert job["status"] == "failed"
        assert "no option that was quoted shortly before 2020-01-01T18:30:00" in job["error"]
        assert read(alice, job) == []
