"""The commands of an operator, as they type them, and what NSE's own files give."""

import csv
import gzip
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pyarrow.parquet as parquet
import pytest

from tests.e2e.conftest import AT, ROOT, SHARED_DATA, manage, run, succeed

HEADER = (
    "position,custom_id,instrument_key,underlying,expiry,strike,right,status,reason,retryable,"
    "implied_volatility,delta,gamma,theta,vega,rho,theoretical_price,price_used,price_source,price_age_seconds,"
    "underlying_used,forward,forward_source,forward_price_source,forward_price_age_seconds,forward_bid,forward_ask,forward_residual,forward_strikes,forward_excluded,"
    "expiry_years,rate,rate_source,dividend_yield,dividend_source,dividend_value,model,iv_source,bid_iv,mid_iv,ask_iv"
)
NSE_PARAMS = ["forward=spot", "rate=0.1", "day_count=calendar_days", "price=last"]
CHAIN = SHARED_DATA / "2_nse_chain" / "banknifty_2021-05-17_1530.json.gz"

needs_data = pytest.mark.skipif(not SHARED_DATA.exists(), reason="the real market data is not beside this checkout")


def test_batch_greeks_writes_the_same_rows_to_csv_and_parquet(address: str, tmp_path: Path) -> None:
    said = succeed(
        "batch_greeks", "--underlying", "NIFTY", "--exchange", "SIM", "--at", AT, "--out", str(tmp_path / "a.csv")
    )
    assert "items" in said and "with a value" in said and "ok " in said
    succeed("batch_greeks", "--underlying", "SIM@NIFTY", "--at", AT, "--out", str(tmp_path / "a.parquet"))
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]) == HEADER
    table = parquet.read_table(tmp_path / "a.parquet")
    assert ",".join(table.column_names) == HEADER
    assert table.num_rows == len(rows) > 1000
    for read_back, row in zip(table.to_pylist(), rows, strict=True):
        assert read_back["instrument_key"] == row["instrument_key"]
        assert read_back["delta"] == (float(row["delta"]) if row["delta"] else None)


def test_the_commands_files_have_the_columns_of_an_export(address: str, alice: httpx.Client, tmp_path: Path) -> None:
    window = {"min": 0.99, "max": 1.01}
    selection = ["--underlying", "SIM@NIFTY", "--moneyness", "0.99", "1.01", "--at", AT]
    job, rows = run(alice, selector={"underlying": "SIM@NIFTY", "moneyness": window}, as_of=AT)
    exported = alice.get(job["links"]["export"], params={"format": "csv"}, headers={"Accept-Encoding": "identity"})
    for command in (["batch_greeks"], ["compute", "greeks"]):
        succeed(*command, *selection, "--out", str(tmp_path / "whole.csv"))
        assert (tmp_path / "whole.csv").read_bytes() == exported.content
    assert len(rows) > 50
    chosen = ["--out", str(tmp_path / "some.ndjson"), "--fields", "expiry,strike,right,delta"]
    succeed("compute", "greeks", *selection, *chosen)
    link, fields = job["links"]["export"], "expiry,strike,right,delta"
    assert (tmp_path / "some.ndjson").read_bytes() == alice.get(link, params={"fields": fields}).content


def test_the_summary_shows_a_small_chain(address: str) -> None:
    said = succeed("batch_greeks", "--underlying", "SIM@NIFTY", "--at", AT)
    assert said.isascii() or "|" in said
    lines = said.splitlines()
    (title,) = [place for place, line in enumerate(lines) if line.startswith("SIM@NIFTY 2026-03-")]
    forward = float(lines[title].split("forward ")[1].replace(",", ""))
    chain = lines[title + 1 : title + 12]
    assert "call |" in chain[0] and "| put" in chain[0]
    assert chain[1].replace("|", "").split() == ["delta", "iv", "price", "strike", "price", "iv", "delta"]
    assert {tuple(place for place, sign in enumerate(line) if sign == "|") for line in chain} == {(31, 44)}
    strikes = []
    for line in chain[2:]:
        call, middle, put = line.split("|")
        strikes.append(float(middle.replace("*", "").replace(",", "")))
        delta, iv, price = call.split()
        assert 0 < float(delta) < 1 and 0.05 < float(iv.rstrip("%")) / 100 < 0.5 and float(price.replace(",", "")) > 0
        price, iv, delta = put.split()
        assert -1 < float(delta) < 0
    assert strikes == sorted(strikes) and strikes[0] < forward < strikes[-1]
    (marked,) = [line for line in chain[2:] if "*" in line]
    assert abs(strikes[chain[2:].index(marked)] - forward) <= 25


@pytest.mark.parametrize("name", ["smile.png", "smile.svg"])
def test_a_plot_is_drawn(address: str, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    assert f"drawn in {file}" in succeed("batch_greeks", "--underlying", "SIM@NIFTY", "--at", AT, "--plot", str(file))
    if file.suffix == ".png":
        assert file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size > 50_000
    else:
        root = ElementTree.parse(file).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(list(root.iter("{http://www.w3.org/2000/svg}use"))) > 200  # a mark for each option


def test_a_plot_without_matplotlib_says_what_to_install(address: str, tmp_path: Path) -> None:
    hidden = tmp_path / "sitecustomize.py"  # as if the group `plot` were not installed
    hidden.write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'matplotlib' else find(name, *rest)\n"
    )
    command = [sys.executable, "manage.py", "batch_greeks", "--underlying", "SIM@NIFTY", "--plot", "x.png"]
    variables = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith(
        "--plot needs matplotlib, which is not installed; run `.venv/bin/pip install --group plot`"
    )
    assert "Traceback" not in done.stderr and "items" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fields", "delta"], "name it with --out"),
        (["--out", "x.csv", "--fields", "delta,iv"], "no field 'iv'; it has position"),
        (["--out", "nowhere/x.csv"], "there is no folder nowhere"),
        (["--plot", "x.pdf"], "must end in .png or .svg"),
        (["--exchange", "SIM", "--at", AT, "--plot", "x.png"], "choose one with --underlying"),
        (["--out", "x.xlsx"], "must end in .csv or .parquet or .ndjson or .arrow"),
        (["--underlying", "NOSUCH"], "no underlying 'NOSUCH' is known"),
        (["--underlying", "SIM@NIFTY", "--expiry", "tomorrow"], "selector.expiries"),
        (["--underlying", "SIM@NIFTY", "--param", "rate=high"], "params.rate"),
        (["--underlying", "SIM@NIFTY", "--param", "rate"], "not name=value"),
        (["--item", r'{"instrument_key": "\ud800"}'], "surrogates not allowed"),
        (["--underlying", "SIM@NIFTY", "--at", "noon"], "as_of"),
        (["--underlying", "SIM@NIFTY", "--at", "2020-01-01"], "no option that was quoted"),
    ],
)
def test_batch_greeks_refuses_with_the_reason(address: str, arguments: list[str], words: str) -> None:
    done = manage("batch_greeks", *arguments)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_cannot_be_written_is_a_reason(address: str, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    done = manage("batch_greeks", "--item", "SIM@NIFTY@equity_spot", "--out", str(tmp_path / "folder.csv"))
    assert done.returncode == 1
    assert "has its answers, but its file cannot be written: " in done.stderr and "Is a directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_explain_shows_both_answers(address: str, alice: httpx.Client) -> None:
    answer = alice.post(
        "/api/v2/signals/batch/jobs",
        json={"kind": "greeks", "selector": {"underlying": "SIM@NIFTY", "moneyness": {"min": 0.998, "max": 1.002}}},
    ).json()
    while not answer["done"]:
        answer = alice.get(answer["links"]["self"]).json()
    row = next(row for row in alice.get(answer["links"]["results"]).json()["data"] if row["status"] == "ok")
    said = succeed("explain", row["instrument_key"], "--at", AT)
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line}
    assert float(lines["implied_volatility"][0]) == pytest.approx(row["implied_volatility"], rel=1e-9)
    for name in ("implied_volatility", "delta", "gamma", "theta", "vega", "rho"):
        assert float(lines[name][0]) == pytest.approx(float(lines[name][1]), rel=1e-8)
    assert "parity" in said and "mid" in said and "years" in said
    assert "black76" in succeed("explain", row["instrument_key"], "--at", AT, "--model", "black76")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "a key is EXCHANGE@SYMBOL"),
        (["SIM@NIFTY@equity_spot", "--at", AT], "is no option"),
        (["SIM@NIFTY"], "is no option"),
        (['{"instrument_key": '], "not JSON"),
        (["{}"], "an item has instrument_key, or underlying, expiry, strike and option_type"),
        (['{"instrument_key": "SIM@NIFTY", "strike": 1}'], "an item has instrument_key, or underlying"),
        (['{"instrument_key": 7}'], "an item has instrument_key, or underlying"),
        (['{"underlying": "NIFTY"}'], "expiry is missing"),
        (['{"instrument_key": "SIM@NIFTY", "volatility": NaN}'], "volatility must be a number"),
        (['{"instrument_key": "SIM@NIFTY", "volatility": 0}'], "volatility must be over 0"),
        (['{"instrument_key": "SIM@NIFTY", "volatilty": 1}'], "unknown field 'volatilty'"),
    ],
)
def test_explain_refuses_with_the_reason(address: str, arguments: list[str], words: str) -> None:
    done = manage("explain", *arguments)
    assert done.returncode != 0
    assert words in done.stderr


@needs_data
def test_nses_own_volatilities_come_out_under_nses_convention(address: str, tmp_path: Path) -> None:
    succeed("import_option_chain", str(CHAIN), "--rejects", str(tmp_path / "rejects.csv"))
    out = tmp_path / "greeks.csv"
    parameters = [word for each in NSE_PARAMS for word in ("--param", each)]
    succeed(
        "batch_greeks", "--underlying", "NSE@BANKNIFTY", "--at", "2021-05-17T15:30:00", *parameters, "--out", str(out)
    )
    with out.open() as file:
        ours = {row["instrument_key"]: row for row in csv.DictReader(file)}
    compared, worst = 0, 0.0
    for entry in json.loads(gzip.decompress(CHAIN.read_bytes()))["records"]["data"]:
        for leg, right in (("CE", "call"), ("PE", "put")):
            theirs = entry.get(leg, {}).get("impliedVolatility", 0)
            if theirs > 0:
                expiry = datetime.strptime(entry["expiryDate"], "%d-%b-%Y").date()  # noqa: DTZ007 - a date
                key = f"NSE@BANKNIFTY@equity_options@{expiry}@{right}@{entry['strikePrice']}"
                worst = max(worst, abs(float(ours[key]["implied_volatility"]) * 100 - theirs))
                compared += 1
    assert compared == 406
    assert worst < 0.011


@needs_data
@pytest.mark.parametrize(
    ("file", "day", "options"),
    [
        ("fo_legacycols_20250321.csv.gz", "2025-03-21", {"NIFTY", "BANKNIFTY"}),
        ("fo_legacycols_20260611.csv.gz", "2026-06-11", {"NIFTY", "BANKNIFTY"}),
        ("nse_official_fo14112025.zip", "2025-11-14", {"NIFTY"}),
        ("udiff_fo_20260813_NIFTY_MCX_PETRONET.csv.gz", "2026-08-13", {"NIFTY"}),
    ],
)
def test_the_days_file_of_nse_gets_its_greeks(
    address: str, tmp_path: Path, file: str, day: str, options: set[str]
) -> None:
    succeed("import_bhavcopy", str(SHARED_DATA / "1_bhavcopy" / file), "--rejects", str(tmp_path / "rejects.csv"))
    total = 0
    for symbol in sorted(options):
        out = tmp_path / f"{symbol}.csv"
        succeed("batch_greeks", "--underlying", symbol, "--at", day, "--out", str(out))
        with out.open() as handle:
            rows = list(csv.DictReader(handle))
        total += len(rows)
        assert sum(row["status"] == "ok" for row in rows) > 0.85 * len(rows)
        assert all(row["reason"] for row in rows if row["status"] != "ok")
    expected = {"2025-03-21": 2526, "2026-06-11": 2740, "2026-08-13": 1714}
    assert total == expected.get(day, total) > 500
