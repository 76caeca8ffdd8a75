"""Files of bars of known kinds, and files of many instruments."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from signals.importers.core.bar_presets import BAR_PRESETS
from signals.importers.core.bar_table import BarTable
from signals.importers.core.mapping import Mapping
from signals.importers.core.raw_table import NotATable
from tests.core.bar_files import whole_file
from timeframes.core.grid import instant

NIFTY, BTC = "NSE@NIFTY@equity_spot", "BINANCE@BTC/USDT@crypto_spot"
DATA = Path(__file__).parents[2] / "../shared/data/3_intraday_india"
KLINE = "{0},10,12,9,11,5,{0},52.5,17,2,21,0"


def read(path: Path, content: str | bytes, preset: str, key: str = NIFTY, **changes: object) -> BarTable:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    mapping: Mapping = BAR_PRESETS[preset].changed(**changes)
    return whole_file(path, mapping.with_constants({"key": key}) if key else mapping, "1m")


def times(found: BarTable) -> list[str]:
    assert not found.rejects.counts, found.rejects.rows
    return [instant(int(time)).isoformat() for time in found.bars.time]


def zipped(**members: str) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)
    return found.getvalue()


@pytest.mark.parametrize("digits", ["1735689600000", "1735689600000000"])  # milliseconds, and since 2025 microseconds
@pytest.mark.parametrize(
    "header", ["", "open_time,open,high,low,close,volume,close_time,quote_volume,count,a,b,ignore\n"]
)
def test_binance_klines_in_any_unit_with_and_without_header(tmp_path: Path, digits: str, header: str) -> None:
    found = read(tmp_path / "BTCUSDT-1m-2025-01.csv", f"{header}{KLINE.format(digits)}\n", "binance", BTC)
    assert times(found) == ["2025-01-01T00:00:00+00:00"]
    assert (found.bars.vwap[0], found.bars.trades[0]) == (10.5, 17)


def test_a_zip_of_many_months_of_klines(tmp_path: Path) -> None:
    content = zipped(one=KLINE.format("1735689600000000"), two=KLINE.format("1735689660000000"))
    assert len(times(read(tmp_path / "klines.zip", content, "binance", BTC))) == 2


def test_the_lists_of_binances_api(tmp_path: Path) -> None:
    row = [1735689600000, "10", "12", "9", "11", "5", 1735689659999, "52.5", 17, "2", "21", "0"]
    found = read(tmp_path / "klines.json", json.dumps([row]), "binance", BTC)
    assert times(found) == ["2025-01-01T00:00:00+00:00"] and found.bars.vwap[0] == 10.5


@pytest.mark.parametrize(
    ("preset", "document"),
    [
        ("kite", {"status": "success", "data": {"candles": [["2024-01-02T09:15:00+0530", 10, 12, 9, 11, 5]]}}),
        ("kite", {"status": "success", "data": {"candles": [["2024-01-02T09:15:00+0530", 10, 12, 9, 11, 5, 70]]}}),
        ("upstox", {"status": "success", "data": {"candles": [["2024-01-02T09:15:00+05:30", 10, 12, 9, 11, 5, 70]]}}),
        ("fyers", {"s": "ok", "candles": [[1704167100, 10, 12, 9, 11, 5]]}),
    ],
)
def test_brokers_candles(tmp_path: Path, preset: str, document: dict[str, object]) -> None:
    found = read(tmp_path / "candles.json", json.dumps(document), preset)
    assert times(found) == ["2024-01-02T03:45:00+00:00"]
    assert (found.bars.open[0], found.bars.close[0], found.bars.volume[0]) == (10, 11, 5)
    assert found.bars.open_interest[0] == 70 or np.isnan(found.bars.open_interest[0])


@pytest.mark.parametrize("row", [["2024-01-02T09:15:00", 10, 12, 9, 11], ["2024-01-02T09:15:00", *range(9)], [], 5])
def test_a_candle_of_another_length_is_rejected(tmp_path: Path, row: object) -> None:
    good = ["2024-01-02T09:15:00+0530", 10, 12, 9, 11, 5]
    found = read(tmp_path / "candles.json", json.dumps({"data": {"candles": [row, good]}}), "kite")
    assert len(found.bars) == 1 and sum(found.rejects.counts.values()) == 1


def test_leans_minutes_have_the_date_of_the_files_name(tmp_path: Path) -> None:
    row = "33300000,10881,10885,10872,10874,0\n"  # 09:15
    own, other = "20190101_nifty_minute_trade", "20190102_nifty_minute_trade"
    found = read(tmp_path / "nifty50_20190101_trade.zip", zipped(**{other: row, own: row}), "lean")
    assert times(found) == ["2019-01-01T03:45:00+00:00"]
    assert any("its name says 20190102, the zip's 20190101" in note for note in found.notes)
    assert times(read(tmp_path / "all.zip", zipped(**{own: row}), "lean")) == ["2019-01-01T03:45:00+00:00"]
    assert times(read(tmp_path / "20190103.csv", row, "lean")) == ["2019-01-03T03:45:00+00:00"]
    equity = read(tmp_path / "20190103.csv", "33300000,108810,108850,108720,108740,9\n", "lean_equity")
    assert equity.bars.close.tolist() == [pytest.approx(10.874)]
    with pytest.raises(NotATable, match="no date as YYYYMMDD"):
        read(tmp_path / "minutes.csv", row, "lean")
    with pytest.raises(NotATable, match="no file in the zip is of 20190105"):
        read(tmp_path / "20190105.zip", zipped(**{own: row}), "lean")


def test_histdata_is_five_hours_behind_utc_also_in_summer(tmp_path: Path) -> None:
    content = "20120201 000000;1.3066;1.3066;1.30656;1.3066;0\n20120701 000000;1.3066;1.3066;1.30656;1.3066;0\n"
    found = read(tmp_path / "DAT_ASCII_EURUSD_M1_2012.csv", content, "histdata", "EUR/USD")
    assert times(found) == ["2012-02-01T05:00:00+00:00", "2012-07-01T05:00:00+00:00"]


@pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not on this machine")
@pytest.mark.parametrize("day", ["20190101", "20190102", "20190103", "20190104"])
def test_real_lean_minutes(day: str) -> None:
    mapping = BAR_PRESETS["lean"].with_constants({"key": NIFTY})
    found = whole_file(DATA / f"lean_nifty50_minute_{day}.zip", mapping, "1m")
    assert len(found.bars) > 370 and not found.rejects.counts
    assert {instant(int(time)).strftime("%Y%m%d") for time in found.bars.time} == {day}


MANY = "key,exchange,symbol,expiry,strike,right,time,open,high,low,close,volume"


@pytest.mark.parametrize(
    ("terms", "key"),
    [
        (",NSE,NIFTY,,,", "NSE@NIFTY@equity_spot"),
        (",NSE,NIFTY,2024-01-25,,", "NSE@NIFTY@equity_futures@2024-01-25"),
        (",NSE,NIFTY,2024-01-25,21500,CE", "NSE@NIFTY@equity_options@2024-01-25@call@21500"),
        (",NSE,NIFTY,25-Jan-2024,21500.5,p", "NSE@NIFTY@equity_options@2024-01-25@put@21500.5"),
    ],
)
def test_columns_say_whose_a_bar_is(tmp_path: Path, terms: str, key: str) -> None:
    content = f"{MANY}\n{terms},2024-01-02 09:15:00,10,12,9,11,5\n".replace("key,", "", 1).replace("\n,", "\n")
    found = read(tmp_path / "many.csv", content, "plain", "")
    assert [str(each) for each in found.contracts] == [key] and len(times(found)) == 1


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ("NSE,NIFTY,,21500,CE", "expiry is missing"),
        ("NSE,NIFTY,2024-01-25,,CE", "strike is missing"),
        ("NSE,NIFTY,2024-01-25,21500,", "right is neither call nor put"),
        ("NSE,NIFTY,2024-01-25,-1,CE", "strike is not between 0 and 1e+12"),
        ("NSE,NIFTY,soon,21500,CE", "expiry is not a date"),
        ("NSE,,,,", "symbol is missing"),
        (",NIFTY,,,", "exchange is missing"),
        ("MOON,NIFTY,,,", "unknown exchange"),
        ("NSE,nifty\0,,,", "bad symbol"),
    ],
)
def test_a_row_whose_instrument_cannot_be_told_is_rejected_alone(tmp_path: Path, terms: str, reason: str) -> None:
    bar = "2024-01-02 09:15:00,10,12,9,11,5"
    content = f"{MANY.removeprefix('key,')}\n{terms},{bar}\nNSE,TCS,,,,{bar}\n"
    found = read(tmp_path / "many.csv", content, "plain", "")
    assert dict(found.rejects.counts) == {reason: 1} and len(found.bars) == 1


def test_a_repeated_time_is_one_of_the_same_instrument(tmp_path: Path) -> None:
    rows = [f"NSE@{name}@equity_spot,2024-01-02 09:15:00,10,12,9,11,5" for name in ("A", "B", "A")]
    found = read(tmp_path / "many.csv", "key,time,open,high,low,close,volume\n" + "\n".join(rows), "plain", "")
    assert len(found.bars) == 2 and [each.row for each in found.rejects.rows] == [2]


def test_exchanges_of_several_zones_need_the_files_own(tmp_path: Path) -> None:
    rows = "NSE@A@equity_spot,{0},10,12,9,11,5\nNYSE@B@equity_spot,{0},10,12,9,11,5\n".format("2024-01-02 15:00:00")
    content = f"key,time,open,high,low,close,volume\n{rows}"
    with pytest.raises(NotATable, match="2 time zones"):
        read(tmp_path / "many.csv", content, "plain", "")
    assert len(read(tmp_path / "many.csv", content, "plain", "", zone="UTC").bars) == 2


def test_what_is_told_does_not_depend_on_how_a_file_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    for number in range(900):  # two instruments, of which one stands still at the end of a date
        moment = 555 + number % 300
        day, clock = 2 + number // 300, f"{moment // 60:02d}:{moment % 60:02d}:00"
        price = 10 + (number % 7 if number % 300 < 250 else 0)
        rows.append(f"NSE@A@equity_spot,2024-01-{day:02d} {clock},{price},{price},{price},{price},0")
        rows.append(f"NSE@B@equity_spot,2024-01-{day:02d} {clock},{price},30,5,{price},7")
    content = "key,time,open,high,low,close,volume\n" + "\n".join(rows)
    whole = read(tmp_path / "many.csv", content, "plain", "")
    monkeypatch.setattr("signals.importers.core.text_blocks.MAX_LINES", 100)
    cut = read(tmp_path / "many.csv", content, "plain", "")
    assert len(cut.bars) == len(whole.bars) == 1_800 and dict(cut.facts) == dict(whole.facts)
    assert whole.facts["bars missing on dates that have some"] == 2 * 3 * 75
    assert whole.facts["bars at the end of a date that repeat one price, 10 or more in a row"] == 3 * 49
