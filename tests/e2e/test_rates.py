"""A desk imports the day's curve and dividends: every entry point uses them and names them."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import AT, BATCH, manage, run, submit, succeed, wait

TIDY = "from signals.models import *; [each.objects.all().delete() for each in (ZeroRate, Dividend, DatedYield)]"
KEYS = ["forward", "rate", "rate_source", "dividend_yield", "dividend_source", "dividend_value", "implied_volatility"]


@pytest.fixture(scope="module")
def facts(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The curve of the simulated market's day and a dividend of its NIFTY; gone again for the other tests."""
    folder = tmp_path_factory.mktemp("facts")
    rates, dividends = folder / "rates.csv", folder / "dividends.csv"
    rates.write_text("date,7 days,3m,1y\n2026-03-02,5.1,5.4,5.9\n2026-02-27,9,9,x\n")
    dividends.write_text("underlying,ex_date,amount\nSIM@NIFTY,2026-03-09,120\nSIM@NIFTY,2026-09-09,80\n")
    try:
        told = succeed("import_rates", str(rates), "--preset", "fbil-tbill", "--rejects", str(folder / "rejects.csv"))
        assert "loaded            5" in told and "rate of 1y is not a number" in told
        assert "loaded            2" in succeed("import_dividends", str(dividends))
        yield
    finally:
        succeed("shell", "-v0", "-c", TIDY)


@pytest.fixture(scope="module")
def option(login: Any, facts: None) -> dict[str, Any]:
    """The answer for an option at the money that expires after the dividend, as a job gives it."""
    _, rows = run(
        login("alice"), selector={"underlying": "SIM@NIFTY", "moneyness": {"min": 0.98, "max": 1.02}}, as_of=AT
    )
    rows = [row for row in rows if row["status"] == "ok" and "@call@" in row["instrument_key"]]
    return max((row for row in rows if row["expiry_years"] < 0.3), key=lambda row: row["expiry_years"])


def test_a_job_takes_the_curve_at_the_options_time(option: dict[str, Any]) -> None:
    days = option["expiry_years"] * 365
    simple = {7: 0.051, 91: 0.054, 365: 0.059}
    low, high = (7, 91) if days < 91 else (91, 365)
    zero = {tenor: math.log1p(simple[tenor] * tenor / 365) / (tenor / 365) for tenor in (low, high)}
    wanted = zero[low] + (zero[high] - zero[low]) * (days - low) / (high - low)
    assert (option["rate"], option["rate_source"]) == (pytest.approx(wanted, abs=1e-9), "curve")
    assert (option["dividend_yield"], option["dividend_source"]) == (0.0, "discrete")
    assert 119 < option["dividend_value"] < 120


def test_the_other_doors_give_the_same(alice: httpx.Client, option: dict[str, Any]) -> None:
    key = option["instrument_key"]
    answer = alice.post(f"{BATCH}/greeks", json={"items": [key], "as_of": AT}).raise_for_status().json()
    assert [answer["data"][0][name] for name in KEYS] == [option[name] for name in KEYS]
    (receipt,) = answer["forwards"]
    told = ("rate", "rate_source", "dividend_yield", "dividend_source", "dividend_value")
    assert {name: receipt[name] for name in told} == {name: option[name] for name in told}
    assert receipt["rate_date"] == "2026-03-02"
    single = alice.get(f"/api/v2/signals/instruments/{key}/greeks", params={"as_of": AT}).raise_for_status().json()
    assert [single["greeks"][name] for name in KEYS] == [option[name] for name in KEYS]
    assert "(curve of 2026-03-02)" in succeed("explain", key, "--at", AT)


def test_what_a_caller_says_comes_first(alice: httpx.Client, option: dict[str, Any]) -> None:
    key = option["instrument_key"]
    items = [key, {"instrument_key": key, "rate": 0.02}, {"instrument_key": key, "dividend_yield": 0.01}]
    body = {"items": items, "params": {"rate": 0.05, "forward": "parity"}, "as_of": AT}
    plain, rate, paying = alice.post(f"{BATCH}/greeks", json=body).raise_for_status().json()["data"]
    assert (plain["rate"], plain["rate_source"], plain["dividend_source"]) == (0.05, "parameter", "discrete")
    assert (rate["rate"], rate["rate_source"]) == (0.02, "override")
    assert rate["forward"] != plain["forward"] == paying["forward"]
    assert abs(rate["forward"] - plain["forward"]) < rate["forward_ask"] - rate["forward_bid"]
    assert (paying["dividend_source"], paying["dividend_value"]) == ("override", 0.0)
    spot = {"items": [key], "params": {"forward": "spot", "rate": 0.05}, "as_of": AT}
    (row,) = alice.post(f"{BATCH}/greeks", json=spot).raise_for_status().json()["data"]
    assert row["forward"] == pytest.approx(row["underlying_used"] * math.exp(0.05 * row["expiry_years"]), rel=1e-12)


def test_a_new_curve_is_another_answer(alice: httpx.Client, option: dict[str, Any], tmp_path: Path) -> None:
    body = {"items": [option["instrument_key"]], "as_of": AT}
    first = wait(alice, submit(alice, **body))
    assert wait(alice, submit(alice, **body))["reused_from"] == first["id"]
    more = tmp_path / "more.csv"
    more.write_text("currency,date,tenor,rate\nINR,2026-03-02,3m,0.08\n")
    succeed("import_rates", str(more))
    again, rows = run(alice, **body)
    assert again["reused_from"] is None
    assert rows[0]["rate"] > option["rate"]


def test_a_file_that_is_no_table_says_why(address: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("when,what\n1,2\n")
    for command in ("import_rates", "import_dividends"):
        done = manage(command, str(bad))
        assert done.returncode == 1 and "1 of 1 files not imported: bad.csv: " in done.stderr
        assert "Traceback" not in done.stderr
