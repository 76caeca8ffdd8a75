"""What answers say about their forward, in every API, and when the strikes disagree."""

import csv
import math
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import AT, BATCH, read, submit, succeed, wait

RECEIPT = ("forward_bid", "forward_ask", "forward_residual", "forward_strikes", "forward_excluded")
DAY = "2026-06-11"
HEAD = (
    "INSTRUMENT,SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,OPEN,HIGH,LOW,CLOSE,SETTLE_PR,CONTRACTS,VAL_INLAKH,OPEN_INT,"
    "CHG_IN_OI,TIMESTAMP"
)


@pytest.fixture(scope="module")
def nifty(login: Any) -> list[dict[str, Any]]:
    """Return all answers for the simulated NIFTY, which has some bad quotes."""
    alice = login("alice")
    job = wait(alice, submit(alice, selector={"underlying": "SIM@NIFTY"}, as_of=AT))
    rows = read(alice, job)
    receipt = alice.get(f"{job['links']['self']}/receipt").raise_for_status().json()
    assert receipt["job_id"] == job["id"] and receipt["as_of"]
    for row in rows:
        row["told"] = next(
            each for each in receipt["forwards"] if f"@{each['expiry']}@" in row["instrument_key"]
        )  # fmt: skip
    return rows


def test_call_and_put_of_a_strike_have_one_volatility(nifty: list[dict[str, Any]]) -> None:
    """With a wrong forward they differ: once 0.128 for a call and 0.167 for its put."""
    sides: dict[str, dict[str, float]] = {}
    for row in nifty:
        if row["status"] == "ok" and row["price_source"] == "mid":
            *_, expiry, right, strike = row["instrument_key"].split("@")
            if abs(float(strike) / row["forward"] - 1) < 0.02:
                sides.setdefault(f"{expiry} {strike}", {})[right] = row["implied_volatility"]
    apart = {name: abs(found["call"] - found["put"]) for name, found in sides.items() if len(found) == 2}
    assert len(apart) > 50
    spoilt = [name for name, gap in apart.items() if gap > 0.005]  # quotes below intrinsic on purpose
    assert len(spoilt) <= 0.02 * len(apart), spoilt


def test_each_answer_says_how_its_forward_came_about(nifty: list[dict[str, Any]]) -> None:
    left_out = 0
    for row in nifty:
        told = row["told"]
        assert row["forward_source"] == "parity"
        assert row["forward_bid"] < row["forward"] < row["forward_ask"]
        assert row["forward_residual"] is None and row["forward_strikes"] > 20
        assert row["forward_excluded"] == len(told["forward_excluded"])
        left_out += row["forward_excluded"] > 0
        assert all(told[name] == row[name] for name in RECEIPT[:4])
    assert left_out


def test_the_synchronous_answer_has_the_same_receipt(alice: httpx.Client, nifty: list[dict[str, Any]]) -> None:
    row = next(row for row in nifty if row["forward_excluded"] and row["status"] == "ok")
    body = {"items": [row["instrument_key"]], "as_of": AT}
    answer = alice.post(f"{BATCH}/greeks", json=body).raise_for_status().json()
    assert answer["forwards"] == [row["told"]]
    assert all(answer["data"][0][name] == row[name] for name in RECEIPT)


def test_explain_names_the_strikes_that_were_left_out(nifty: list[dict[str, Any]]) -> None:
    row = next(row for row in nifty if row["forward_excluded"] and row["status"] == "ok")
    lines = succeed("explain", row["instrument_key"], "--at", AT).splitlines()
    left_out = next(line for line in lines if line.startswith("left out")).split()[2:]
    assert [float(strike) for strike in left_out] == row["told"]["forward_excluded"]
    parity = next(line for line in lines if line.startswith("parity"))
    assert f"{row['forward_strikes']} strikes" in parity


def test_an_underlying_of_ones_own_has_no_receipt_of_strikes(alice: httpx.Client, nifty: list[dict[str, Any]]) -> None:
    item = {"instrument_key": nifty[0]["instrument_key"], "underlying_price": 24_000.0}
    row = alice.post(f"{BATCH}/greeks", json={"items": [item], "as_of": AT}).raise_for_status().json()["data"][0]
    assert row["forward_source"] == "override"
    assert all(row[name] is None for name in RECEIPT)


def split_market(path: Path) -> Path:
    """Return an end-of-day file in which every strike implies another forward."""
    lines = [HEAD]
    for place, strike in enumerate(range(900, 1_120, 20)):
        forward = 900.0 + 37.0 * (5 * place % 11)
        value = 30.0 * math.exp(-abs(forward - strike) / 80.0)
        for right, price in (("CE", value + max(forward - strike, 0)), ("PE", value + max(strike - forward, 0))):
            prices = ",".join([f"{price:.2f}"] * 5)
            lines.append(f"OPTSTK,TORN,30-Jun-2026,{strike},{right},{prices},500,100.0,1000,0,11-Jun-2026")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_strikes_that_disagree_are_said_to_and_give_no_number(alice: httpx.Client, tmp_path: Path) -> None:
    succeed("import_bhavcopy", str(split_market(tmp_path / "torn.csv")), "--rejects", str(tmp_path / "rejects.csv"))
    job = wait(alice, submit(alice, selector={"underlying": "NSE@TORN"}, as_of=DAY))
    rows = read(alice, job)
    assert len(rows) == 22
    for row in rows:
        assert row["status"] == "strikes_disagree" and not row["retryable"]
        assert "disagree" in row["reason"]
        assert row["implied_volatility"] is None and row["delta"] is None and row["forward"] is None
        assert 0 < row["forward_strikes"] < 11 and row["forward_strikes"] + row["forward_excluded"] == 11
    (told,) = alice.get(f"{job['links']['self']}/receipt").json()["forwards"]
    assert told["strikes_disagree"] and told["forward"] is None and len(told["forward_excluded"]) > 0
    item = {"instrument_key": rows[0]["instrument_key"], "underlying_price": 1_010.0}
    answer = alice.post(f"{BATCH}/greeks", json={"items": [item], "as_of": DAY}).raise_for_status().json()
    assert answer["data"][0]["status"] in ("ok", "below_intrinsic")


def test_the_commands_file_has_the_receipt(address: str, tmp_path: Path) -> None:
    out = tmp_path / "nifty.csv"
    succeed("batch_greeks", "--underlying", "SIM@NIFTY", "--at", AT, "--out", str(out))
    with out.open() as file:
        row = next(csv.DictReader(file))
    assert float(row["forward_bid"]) < float(row["forward"]) < float(row["forward_ask"])
    assert int(row["forward_strikes"]) > 20 and int(row["forward_excluded"]) >= 0


def test_anothers_receipt_does_not_exist(login: Any, alice: httpx.Client) -> None:
    job = submit(alice, selector={"underlying": "SIM@NIFTY"}, as_of=AT)
    assert login("bob").get(f"{job['links']['self']}/receipt").status_code == 404
