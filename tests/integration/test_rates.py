"""Rates, dividends and yields: imported in any order, and read as they were known on the day of the computation."""

import gzip
import io
import itertools
import json
import math
import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client

from realtime.ticks.contracts import load_terms
from signals.instruments.models import Underlying
from signals.instruments.services import register_instruments
from signals.models import DatedYield, Dividend, ZeroRate
from signalsite.foundation.computations.answers import declared
from signalsite.foundation.computations.registry import find
from timeframes.core.keys import parse_key
from timeframes.models import Quote

pytestmark = pytest.mark.django_db

AT = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)  # 10:30 in India
SBIN, SPOT = "NSE@SBIN", "NSE@SBIN@equity_spot"
NEAR, FAR = "NSE@SBIN@equity_options@2026-12-29@call@800", "NSE@SBIN@equity_options@2027-06-29@call@800"
CURVES = {
    "2026-11-06": "INR,2026-11-06,30,0.05\nINR,2026-11-06,1y,0.06\n",
    "2026-11-27": "INR,2026-11-27,30,0.051\nINR,2026-11-27,1y,0.061\nUSD,2026-11-27,30,0.04\n",
    "2026-12-02": "INR,2026-12-02,30,0.052\n",
}


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(command: str, *arguments: str | Path) -> str:
    out = io.StringIO()
    call_command(command, *map(str, arguments), stdout=out, stderr=io.StringIO())
    return out.getvalue()


def write(name: str, text: str) -> Path:
    Path(name).write_text(text)
    return Path(name)


def curve_files() -> list[Path]:
    return [write(f"{day}.csv", f"currency,date,tenor,rate\n{rows}") for day, rows in CURVES.items()]


@pytest.fixture
def chain() -> list[str]:
    """A spot and two calls, quoted each day from the middle of November."""
    keys = [SPOT, NEAR, FAR]
    register_instruments({key: parse_key(key) for key in keys})
    for days, (key, price) in itertools.product(range(-20, 3), zip(keys, (801.0, 21.0, 60.0), strict=True)):
        Quote.objects.create(instrument_key=key, time=AT + timedelta(days=days), last=price, source="test")
    return [NEAR, FAR]


def compute(keys: list[str], as_of: datetime = AT, overrides: Any = None, **params: Any) -> list[dict[str, Any]]:
    greeks = find("greeks")
    asked = greeks.defaults | params
    context = greeks.prepare([keys], as_of, asked).context
    answers = declared(greeks, greeks.evaluate(greeks.load(keys, overrides or {}, as_of, asked, context)), asked)
    return [dict(zip(answers, row, strict=True)) for row in zip(*answers.values(), strict=True)]


def rates(keys: list[str], as_of: datetime = AT, **params: Any) -> list[tuple[float, str]]:
    return [(round(row["rate"], 9), row["rate_source"]) for row in compute(keys, as_of, **params)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_imports_does_not_matter(chain: list[str], order: tuple[int, ...]) -> None:
    files = curve_files()
    for place in order:
        run("import_rates", files[place])
    near_years = (28 + 5 / 24) / 365  # to 15:40 in India
    assert compute([NEAR])[0]["expiry_years"] == pytest.approx(near_years, abs=2e-5)
    assert rates([NEAR]) == [(0.051, "curve")]
    old = rates([NEAR], datetime(2026, 11, 26, 5, 0, tzinfo=UTC))  # before the curve of the next day
    assert old[0][0] == pytest.approx(0.05 + 0.01 * (33.2153 - 30) / 335, abs=1e-6)
    assert rates([NEAR], AT + timedelta(days=1)) == [(0.052, "curve")]


def test_a_curve_of_the_evening_is_not_known_the_day_before(chain: list[str]) -> None:
    run("import_rates", curve_files()[1])
    assert rates([NEAR], datetime(2026, 11, 26, 18, 29, tzinfo=UTC)) == [(0.065, "default")]  # 23:59 in India
    assert rates([NEAR], datetime(2026, 11, 26, 18, 31, tzinfo=UTC))[0][1] == "curve"


def test_each_expiry_has_its_own_rate_and_a_caller_who_says_one_gets_it(chain: list[str]) -> None:
    run("import_rates", curve_files()[1])
    near, far = compute(chain)
    assert (near["rate"], far["rate"]) == (0.051, pytest.approx(0.051 + 0.01 * (far["expiry_years"] * 365 - 30) / 335))
    assert rates(chain, rate=0.05) == [(0.05, "parameter")] * 2
    assert [row["rate_source"] for row in compute(chain, overrides={"rate": {1: 0.07}})] == ["curve", "override"]
    assert [row["forward"] for row in (near, far)] == [
        pytest.approx(801.0 * math.exp(row["rate"] * row["expiry_years"])) for row in (near, far)
    ]


def test_a_curve_that_is_too_old_gives_way_to_the_default(chain: list[str]) -> None:
    write("old.csv", "date,tenor,rate\n2026-10-31,30,0.05\n")
    run("import_rates", "--currency", "INR", "old.csv")
    assert rates([NEAR]) == [(0.05, "curve")]  # 31 days
    assert rates([NEAR], AT + timedelta(days=1)) == [(0.065, "default")]


def test_importing_again_changes_what_differs_and_nothing_else(chain: list[str]) -> None:
    run("import_rates", *curve_files())
    before = list(ZeroRate.objects.values_list())
    run("import_rates", *curve_files())
    assert list(ZeroRate.objects.values_list()) == before
    write("again.csv", "currency,date,tenor,rate\nINR,2026-11-27,30,0.0515\n")
    run("import_rates", "again.csv")
    assert rates([NEAR]) == [(0.0515, "curve")]
    assert set(ZeroRate.objects.filter(date="2026-11-27", currency="INR").values_list("tenor_days", "source")) == {
        (30, "again.csv, continuous"),
        (365, "2026-11-27.csv, continuous"),
    }


def test_a_job_keeps_the_curve_that_it_was_prepared_with(chain: list[str]) -> None:
    files = curve_files()
    run("import_rates", files[0])
    greeks = find("greeks")
    prepared = greeks.prepare([chain], AT, greeks.defaults)
    run("import_rates", files[1])
    late = greeks.evaluate(greeks.load(chain, {}, AT, greeks.defaults, prepared.context)).columns
    assert late["rate"][0] == pytest.approx(0.05, abs=1e-9)
    again = greeks.prepare([chain], AT, greeks.defaults)
    assert again.context != prepared.context  # so that its answers are not reused
    (receipt, _) = greeks.receipt(again.context)["forwards"]
    assert (receipt["rate"], receipt["rate_source"], receipt["rate_date"]) == (0.051, "curve", "2026-11-27")
    asked = greeks.defaults | {"rate": 0.05}
    assert greeks.prepare([chain], AT, asked).context == greeks.prepare([chain], AT, asked).context


def test_a_grid_starts_from_the_same_rate_and_says_so(chain: list[str]) -> None:
    run("import_rates", curve_files()[1])
    grid = find("greeks_grid")
    asked = grid.defaults | {"spot_shocks": [0.0], "volatility_shocks": [0.0]}
    context = grid.prepare([chain], AT, asked).context
    rows = grid.evaluate(grid.load(chain, {}, AT, asked, context)).columns
    assert list(rows["rate_source"]) == ["curve", "curve"]
    assert rows["rate"].tolist() == [row["rate"] for row in compute(chain)]
    assert list(rows["dividend_source"]) == ["none", "none"]


DIVIDENDS = (
    "underlying,ex_date,amount,announced\nNSE@SBIN,2026-12-15,4,2026-11-20\nNSE@SBIN,2026-12-15,5,2026-11-30\n"
    "NSE@SBIN,2027-05-14,6,\nNSE@SBIN,2026-11-10,90,\n"
)


def test_dividends_are_those_announced_by_then(chain: list[str]) -> None:
    run("import_dividends", write("dividends.csv", DIVIDENDS))
    for day, first in ((AT, 5.0), (AT - timedelta(days=2), 4.0), (AT - timedelta(days=15), 0.0)):
        near, far = compute(chain, day, rate=0.06, forward="spot")
        opening = (datetime(2026, 12, 15, 3, 45, tzinfo=UTC) - day) / timedelta(days=365)
        later = (datetime(2027, 5, 14, 3, 45, tzinfo=UTC) - day) / timedelta(days=365)
        value = first * math.exp(-0.06 * opening)
        assert near["dividend_value"] == pytest.approx(value, rel=1e-12, abs=1e-15)
        assert far["dividend_value"] == pytest.approx(value + 6 * math.exp(-0.06 * later), rel=1e-12)
        for row in (near, far):
            net = 801.0 - row["dividend_value"]
            assert row["underlying_used"] == pytest.approx(net, rel=1e-12)
            assert row["forward"] == pytest.approx(net * math.exp(0.06 * row["expiry_years"]), rel=1e-12)
            assert (row["dividend_yield"], row["dividend_source"]) == (0.0, "discrete")
    assert {row["dividend_source"] for row in compute(chain, AT, dividend_yield=0.01)} == {"parameter"}


def test_a_yield_holds_from_its_date_and_cash_comes_first(chain: list[str]) -> None:
    Underlying.objects.filter(key=SBIN).update(dividend_yield=0.03)
    assert [(row["dividend_yield"], row["dividend_source"]) for row in compute([NEAR])] == [(0.03, "underlying")]
    write("yields.csv", "underlying,since,dividend_yield\nSBIN,2026-12-01,0.021\nNSE@SBIN,2026-11-20,0.02\n")
    run("import_dividends", "yields.csv")
    for day, dividend_yield in ((0, 0.021), (-1, 0.02), (-12, 0.03)):
        (row,) = compute([NEAR], AT + timedelta(days=day))
        assert row["dividend_yield"] == dividend_yield
        assert row["dividend_source"] == ("underlying" if day == -12 else "dated")
    run("import_dividends", write("dividends.csv", DIVIDENDS))
    assert [row["dividend_source"] for row in compute([NEAR])] == ["discrete"]


def test_bad_rows_of_dividends_fail_alone(chain: list[str]) -> None:
    text = (
        "underlying,ex_date,amount,currency\nNSE@SBIN,2026-12-15,4,INR\nSBIN,2026-12-15,5,\nNSE@SBIN,2027-01-01,4,USD\n"
        "FOO@SBIN,2026-12-15,4,\nNOBODY,2026-12-15,4,\nno\x00body,2026-12-15,4,\n,2026-12-15,4,\n"
        f"{NEAR},2026-12-15,4,\nNASDAQ@NEW,2026-12-15,4,USD\nBTC/USDT,2026-12-15,4,USDT\n"
    )
    printed = run("import_dividends", write("mixed.csv", text))
    assert "rows read        10" in printed and "loaded            3" in printed
    assert set(Dividend.objects.values_list("underlying", "amount", "currency")) == {
        (SBIN, 5.0, "INR"),  # the later of two
        ("NASDAQ@NEW", 4.0, "USD"),
        ("BTC/USDT", 4.0, "USDT"),
    }
    rejects = Path("mixed.csv.rejects.csv").read_text().splitlines()
    assert [line.split(",")[1:3] for line in rejects[1:]] == [
        ["2", '"repeated'],
        ["4", "another currency than the underlying's"],
        *([str(number), "bad underlying"] for number in (5, 6, 7, 8, 9)),
    ]
    assert Underlying.objects.get(key="NASDAQ@NEW").spot_key == "NASDAQ@NEW@equity_spot"


@pytest.mark.parametrize("pack", ["plain", "gzip", "zip"])
def test_files_come_packed_or_not(pack: str) -> None:
    text = "date,tenor,rate\n2026-11-27,91,5.4\n"
    path = write("rates", text)
    if pack == "gzip":
        path.write_bytes(gzip.compress(text.encode()))
    elif pack == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("any.csv", text)
    run("import_rates", path, "--preset", "fbil-tbill")
    (point,) = ZeroRate.objects.values_list("currency", "tenor_days", "rate")
    assert point == ("INR", 91, pytest.approx(math.log1p(0.054 * 91 / 365) / (91 / 365)))
    run("import_rates", path, "--preset", "fbil-tbill", "--compounding", "annual")  # what is said comes first
    assert ZeroRate.objects.get().rate == pytest.approx(math.log1p(0.054))


@pytest.mark.parametrize("command", ["import_rates", "import_dividends"])
def test_a_file_that_cannot_be_used_leaves_the_others(command: str) -> None:
    good = {"import_rates": CURVES["2026-12-02"], "import_dividends": "NSE@SBIN,2026-12-15,4\n"}[command]
    head = {"import_rates": "currency,date,tenor,rate\n", "import_dividends": "underlying,ex_date,amount\n"}[command]
    Path("broken.gz").write_bytes(gzip.compress(b"x" * 99)[:20])
    Path("binary").write_bytes(bytes(range(256)) * 9)
    Path("huge.csv").write_text(head + '"' + "9," * 400_000)
    with zipfile.ZipFile("two.zip", "w") as archive:
        archive.writestr("a.csv", head)
        archive.writestr("b.csv", head)
    bad = ["broken.gz", "binary", "huge.csv", "two.zip", "absent.csv", write("empty.csv", ""), write("head.csv", head)]
    with pytest.raises(CommandError, match="7 of 8 files not imported"):
        run(command, *bad, write("good.csv", head + good))
    assert ZeroRate.objects.count() + Dividend.objects.count() == 1


def test_explain_names_the_sources(chain: list[str]) -> None:
    run("import_rates", curve_files()[1])
    run("import_dividends", write("dividends.csv", DIVIDENDS))
    text = run("explain", NEAR, "--at", AT.isoformat())
    assert "rate         0.051 (curve of 2026-11-27)" in text
    assert "yield        0 (discrete: 1 before expiry, worth 4.99" in text
    assert "(parameter)" in run("explain", NEAR, "--at", AT.isoformat(), "--rate", "0.05")


def test_a_callers_own_expiry_has_the_rate_and_the_dividends_of_the_calendars(chain: list[str]) -> None:
    run("import_rates", curve_files()[1])
    run("import_dividends", write("dividends.csv", DIVIDENDS))
    (by_calendar,) = compute([NEAR])
    assert (by_calendar["rate_source"], by_calendar["dividend_source"]) == ("curve", "discrete")
    for years, paid in ((0.9, by_calendar["dividend_value"]), (1e-3, 0.0)):
        (own,) = compute([NEAR], overrides={"expiry_years": {0: years}})
        assert own["expiry_years"] == years
        assert (own["rate"], own["rate_source"]) == (by_calendar["rate"], "curve")
        assert (own["dividend_value"], own["dividend_source"]) == (paid, "discrete")


def test_explain_names_an_items_own_source(chain: list[str]) -> None:
    run("import_rates", curve_files()[1])
    run("import_dividends", write("dividends.csv", DIVIDENDS))
    own = {"instrument_key": NEAR, "rate": 0.03, "dividend_yield": 0.01}
    text = run("explain", json.dumps(own), "--at", AT.isoformat())
    assert "rate         0.03 (override)\n" in text and "yield        0.01 (override)\n" in text
    short = run("explain", json.dumps({"instrument_key": NEAR, "expiry_years": 0.001}), "--at", AT.isoformat())
    assert "yield        0 (discrete: 0 before expiry, worth 0)" in short


def test_explain_sets_no_european_price_beside_an_american_one(chain: list[str]) -> None:
    arguments = ("explain", NEAR, "--at", AT.isoformat(), "--rate", "0.05", "--dividend-yield", "0.1")
    asked = ("--greeks", "delta", "early_exercise_premium")
    european = run(*arguments, *asked)
    assert "difference" in european
    assert re.search(r"^early_exercise_premium +- +- +- ", european, re.M)
    text = run(*arguments, *asked, "--exercise", "american")
    assert "american; py_vollib prices european options only" in text and "difference" not in text
    (premium,) = re.findall(r"^early_exercise_premium +(\S+) ", text, re.M)
    (row,) = compute([NEAR], rate=0.05, dividend_yield=0.1, exercise="american", greeks=["early_exercise_premium"])
    assert float(premium) == pytest.approx(row["early_exercise_premium"], rel=1e-9) and float(premium) > 0


def test_a_live_chain_reads_the_facts_of_its_day(chain: list[str]) -> None:
    run("import_rates", *curve_files())
    run("import_dividends", write("dividends.csv", DIVIDENDS))
    (terms,) = load_terms([SBIN], AT.timestamp()).values()
    known = terms.carry.on(AT.date().toordinal())
    assert known.curve is not None and known.curve.rates.tolist() == [0.051, 0.061]
    assert [each.amount for each in known.dividends] == [5.0, 6.0]
    (all_days,) = load_terms([SBIN], None).values()  # of a back-test
    old = all_days.carry.on(datetime(2026, 11, 8, tzinfo=UTC).date().toordinal())
    assert old.curve is not None and old.curve.rates.tolist() == [0.05, 0.06]


def test_staff_see_and_correct_the_facts(chain: list[str]) -> None:
    run("import_rates", *curve_files())
    run("import_dividends", write("dividends.csv", DIVIDENDS))
    browser = Client(headers={"host": "localhost"})
    browser.force_login(get_user_model().objects.create_superuser("staff"))
    for name, count in (("zerorate", 6), ("dividend", 4), ("datedyield", 0)):
        page = browser.get(f"/admin/signals/{name}/")
        assert page.status_code == 200 and f"{count} " in page.content.decode(), name
        assert browser.get(f"/admin/signals/{name}/add/").status_code == 200
    form = {"underlying": SBIN, "since": "2026-12-01", "dividend_yield": "0.012", "source": ""}
    assert browser.post("/admin/signals/datedyield/add/", form).status_code == 302
    assert DatedYield.objects.get().dividend_yield == 0.012
    point = ZeroRate.objects.filter(currency="INR").first()
    assert point is not None
    for name, value, why in (
        ("rate", "7", "less than or equal to 1"),
        ("rate", "nan", "Enter a number"),
        ("tenor_days", "0", "greater than or equal to 1"),
        ("date", "0001-01-01", "greater than or equal to"),
        ("currency", "inr", "capital letters"),
    ):
        fields = {"currency": "INR", "date": "2026-11-06", "tenor_days": "30", "rate": "0.05", name: value}
        page = browser.post(f"/admin/signals/zerorate/{point.pk}/change/", fields)
        assert page.status_code == 200 and why in page.content.decode(), (name, value)
    paid = {"underlying": SBIN, "ex_date": "2027-01-15", "amount": "3", "currency": "USD", "announced": "2027-02-01"}
    page = browser.post("/admin/signals/dividend/add/", paid)
    assert "Prices of this underlying are in INR" in page.content.decode()
