"""manage.py check_bars: the traps of real files, and what is stored."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from timeframes.models import Bar

DATA = Path(__file__).parents[2] / "../shared/data"
INDIA, CRYPTO = DATA / "3_intraday_india", DATA / "5_crypto_ohlcv"
NIFTY, BANKNIFTY = "NSE@NIFTY@equity_spot", "NSE@BANKNIFTY@equity_spot"
BTC, ETH = "BINANCE@BTC/USDT@crypto_spot", "BINANCE@ETH/USDT@crypto_spot"
real = pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not on this machine")
pytestmark = pytest.mark.django_db


def check(*arguments: str | Path) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code and what --json says."""
    out, code = io.StringIO(), 0
    try:
        call_command("check_bars", *map(str, arguments), "--json", stdout=out, stderr=io.StringIO())
    except CommandError as error:
        code = error.returncode
        if code == 2:
            raise
    return code, json.loads(out.getvalue())


def kinds(*arguments: str | Path) -> dict[str, dict[str, Any]]:
    code, found = check(*arguments)
    every = {each["kind"]: each for one in found for each in one["findings"]}
    assert code == (1 if every else 0)
    return every


def store(path: Path, key: str, timeframe: str, *more: str) -> None:
    out = io.StringIO()
    call_command("import_bars", str(path), "--instrument", key, "--timeframe", timeframe, *more, stdout=out, stderr=out)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def whole_day(path: Path, *more: str) -> Path:
    """Write a session of NSE, and other rows after it."""
    rows = [
        f"2024-01-02 {(555 + n) // 60:02d}:{(555 + n) % 60:02d}:00,{n % 7 + 100},120,90,{n % 7 + 101},5"
        for n in range(375)
    ]
    path.write_text("\n".join(["time,open,high,low,close,volume", *rows, *more]) + "\n")
    return path


def test_a_good_file_and_what_is_stored_of_it() -> None:
    path = whole_day(Path("good.csv"))
    assert kinds(path, "--timeframe", "1m", "--instrument", NIFTY) == {}
    store(path, NIFTY, "1m")
    assert check("--timeframe", "1m", "--instrument", NIFTY) == (
        0,
        [{"source": "stored", "instrument_key": NIFTY, "timeframe": "1m", "bars": 375, "findings": []}],
    )
    Bar.objects.filter(time__minute=50).delete()
    gaps = kinds("--timeframe", "1m", "--instrument", "NIFTY@equity_spot")
    assert gaps["gap"]["count"] == 7
    only = ("--start", "2024-01-02T09:15:00", "--end", "2024-01-02T09:20:00")
    assert kinds("--timeframe", "1m", "--instrument", NIFTY, *only) == {}
    whole = ("--start", "2024-01-02", "--end", "2024-01-02")
    assert kinds("--timeframe", "1m", "--instrument", NIFTY, *whole) == gaps


def test_rows_that_cannot_be_read_are_findings() -> None:
    path = whole_day(
        Path("bad.csv"),
        "2024-01-02 09:15:30,10,12,9,11,5",
        "2024-01-02 09:15:00,100,120,90,101,5",
        "yesterday,1,1,1,1,1",
    )
    found = kinds(path, "--timeframe", "1m", "--instrument", NIFTY)
    assert {kind: each["count"] for kind, each in found.items()} == {"off_grid": 1, "double": 1, "rejected": 1}
    assert found["off_grid"]["examples"] == ["row 377: 2024-01-02 09:15:30,10,12,9,11,5"]
    assert Bar.objects.count() == 0  # it changes nothing


def test_many_instruments_are_checked_apart() -> None:
    rows = [f"{key},2024-01-02 09:{m}:00,10,12,9,11,5" for m in (15, 17) for key in (NIFTY, BANKNIFTY)]
    Path("two.csv").write_text("\n".join(["key,time,open,high,low,close,volume", *rows]))
    _, (of_rows, *found) = check("two.csv", "--timeframe", "1m")
    assert of_rows["findings"] == [] and {each["instrument_key"] for each in found} == {NIFTY, BANKNIFTY}
    assert [each["findings"][0]["kind"] for each in found] == ["gap", "gap"]


def test_two_stored_timeframes_are_compared() -> None:
    store(whole_day(Path("good.csv")), NIFTY, "1m")
    Path("five.csv").write_text(
        "time,open,high,low,close,volume\n"
        "2024-01-02 09:15:00,100,120,90,105,25\n2024-01-02 09:20:00,105,120,90,103.5,25\n"
    )
    store(Path("five.csv"), NIFTY, "5m")
    found = kinds("--timeframe", "1m", "--instrument", NIFTY, "--against", "5m")
    assert found["differs"]["count"] == 1 and "close 103 and 103.5" in found["differs"]["examples"][0]
    # The file before its import, against what is stored, gives the same.
    again = kinds("five.csv", "--timeframe", "5m", "--instrument", NIFTY, "--against", "1m")
    assert again["differs"]["count"] == 1


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--timeframe", "1m"], "instrument"),
        (["--timeframe", "1m", "--instrument", "NIFTY"], "instrument_key"),
        (["--timeframe", "1m", "--instrument", NIFTY], "instrument: no 1m bars"),
        (["--timeframe", "7x", "--instrument", NIFTY], "timeframe"),
        (["--timeframe", "1m", "--instrument", NIFTY, "--against", "1m"], "against"),
        (["--timeframe", "5m", "--instrument", NIFTY, "--against", "7m"], "timeframe"),
        (["--timeframe", "3m", "--instrument", NIFTY, "--against", "5m"], "against"),
        (["--timeframe", "1m", "--instrument", NIFTY, "--start", "soon"], "start"),
        (["absent.csv", "--timeframe", "1m"], "No such file"),
    ],
)
def test_bad_arguments_end_with_2(arguments: list[str], field: str) -> None:
    with pytest.raises(CommandError, match=field) as raised:
        check(*arguments)
    assert raised.value.returncode == 2


# --- the traps of the shared data


@real
def test_the_flat_tail_of_20_january_2024() -> None:
    path = INDIA / "NIFTY_1min_2024-01_05.csv.gz"
    found = kinds(path, "--timeframe", "1m", "--instrument", NIFTY)
    assert any(each.startswith("2024-01-20T1") for each in found["flat_tail"]["examples"])
    assert found["outside"]["count"] == 167 and found["outside"]["first"].startswith("2024-01-20T10:0")
    assert "closed" not in found and "clock" not in found  # Saturdays with a special session


@real
def test_a_file_that_names_another_instrument() -> None:
    found = kinds(INDIA / "BANKNIFTY_1min_2024-01_05.csv.gz", "--timeframe", "1m", "--instrument", BANKNIFTY)
    assert "rows say Instrument=NIFTY" in found["note"]["detail"] and found["note"]["count"] == 37_127


@real
def test_fills_of_an_option_below_its_intrinsic_value() -> None:
    key = "NSE@BANKNIFTY@equity_options@2024-01-10@call@47200"
    store(INDIA / "BANKNIFTY_1min_2024-01_05.csv.gz", BANKNIFTY, "1m")
    found = kinds(INDIA / "BANKNIFTY_10JAN2024_47200CE_1min.csv.gz", "--timeframe", "1m", "--instrument", key)
    assert "% of all" in found["fill"]["detail"] and found["fill"]["count"] > 3_000
    assert found["intrinsic"]["count"] > 0 and "split" not in found


@real
def test_a_year_that_opened_at_another_hour_has_no_wrong_clock() -> None:
    found = kinds(INDIA / "NIFTY_1min_2009.csv.gz", "--timeframe", "1m", "--instrument", NIFTY)
    assert "clock" not in found and "split" not in found


@real
def test_an_indian_file_read_in_utc_has_a_wrong_clock() -> None:
    path = INDIA / "NIFTY_1min_2024-01_05.csv.gz"
    found = kinds(path, "--timeframe", "1m", "--instrument", NIFTY, "--time-zone", "UTC")
    assert "5:30 h earlier" in found["clock"]["detail"]


@real
def test_minutes_before_the_opening() -> None:
    found = kinds(INDIA / "NIFTY_1min_2026-03-05.jsonl", "--timeframe", "1m", "--instrument", NIFTY)
    assert found["outside"]["first"] == "2026-03-05T03:44:00+00:00"


@real
def test_outages_and_windows_of_crypto() -> None:
    found = kinds(CRYPTO / "BTCUSDT_1m_2021.csv.gz", "--timeframe", "1m", "--instrument", BTC)
    assert found["gap"]["count"] > 400 and found["gap"]["examples"] and set(found) == {"gap"}
    hours = kinds(CRYPTO / "BTCUSDT_1h_2017-08_2022-12.csv.gz", "--timeframe", "1h", "--instrument", BTC)
    assert hours["gap"]["count"] > 50


@real
def test_a_clock_eight_hours_ahead_shows_against_the_minutes() -> None:
    store(CRYPTO / "ETHUSDT_1m_2021.csv.gz", ETH, "1m")
    hours = CRYPTO / "ETHUSDT_1h_2017-08_2022-10_UTCplus8.json.gz"
    options = ["--columns", "time,open,high,low,close,volume", "--time-format", "epoch"]
    found = kinds(hours, "--timeframe", "1h", "--instrument", ETH, "--against", "1m", *options)
    assert "8 h ahead of" in found["clock"]["detail"]


@real
@pytest.mark.parametrize(
    ("fine", "coarse", "key", "finer", "coarser"),
    [
        ("5_crypto_ohlcv/BTCUSDT_1m_2021", "5_crypto_ohlcv/BTCUSDT_1h_2017-08_2022-12", BTC, "1m", "1h"),
        ("5_crypto_ohlcv/BTCUSDT_1h_2017-08_2022-12", "5_crypto_ohlcv/BTCUSDT_1d_2020_2022", BTC, "1h", "1d"),
    ],
)
def test_binance_agrees_with_itself(fine: str, coarse: str, key: str, finer: str, coarser: str) -> None:
    store(DATA / f"{coarse}.csv.gz", key, coarser)
    found = kinds(DATA / f"{fine}.csv.gz", "--timeframe", finer, "--instrument", key, "--against", coarser)
    assert "differs" not in found and "compare" not in found


@real
def test_two_vendors_of_one_index_differ_a_little() -> None:
    store(INDIA / "NIFTY_5min_kite_2024-01_05.csv.gz", NIFTY, "5m")
    path = INDIA / "NIFTY_1min_2024-01_05.csv.gz"
    found = kinds(path, "--timeframe", "1m", "--instrument", NIFTY, "--against", "5m")
    assert 0 < found["differs"]["count"] < 1_500 and "clock" not in found
