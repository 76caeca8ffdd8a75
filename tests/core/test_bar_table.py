"""Files of bars: each column, each reason for which a row is rejected, and what a file's reader is told."""

import json
from pathlib import Path

import numpy as np
import pytest

from signals.importers.core.bar_presets import BAR_PRESETS
from signals.importers.core.bar_table import VWAP_OUTSIDE, BarTable
from signals.importers.core.mapping import Mapping
from signals.importers.core.raw_table import NotATable
from tests.core.bar_files import whole_file
from timeframes.core.grid import instant

NIFTY, BTC = "NSE@NIFTY@equity_spot", "BINANCE@BTC/USDT@crypto_spot"
OPTION = "NSE@BANKNIFTY@equity_options@2024-01-10@call@47200"
HEADER = "time,open,high,low,close,volume"
GOOD = "2024-01-02 09:15:00,10,12,9,11,5"


def read(
    folder: Path, text: str, key: str = NIFTY, timeframe: str = "1m", preset: str = "plain", **changes: object
) -> BarTable:
    path = folder / "bars.csv"
    path.write_text(text)
    mapping: Mapping = BAR_PRESETS[preset].changed(**changes)
    return whole_file(path, mapping.with_constants({"key": key}) if key else mapping, timeframe)


def times(table: BarTable) -> list[str]:
    return [instant(int(time)).isoformat() for time in table.bars.time]


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (f"{HEADER}\n{GOOD}\n", {}),
        ("Timestamp,Open,High,Low,Close,Volume\n2024-01-02T03:45:00Z,10,12,9,11,5\n", {}),
        ("Date,open,high,low,close,volume\n2024-01-02 09:15:00+05:30,10,12,9,11,5\n", {}),
        ("Date,Time,Open,High,Low,Close,Vol\n20240102,09:15,10,12,9,11,5\n", {}),
        ("ts;o;h;l;c;v\n02-01-2024 09:15;10;12;9;11;5\n", {"time_format": "%d-%m-%Y %H:%M", "delimiter": ";"}),
        ("1704167100,10,12,9,11,5\n", {"time_format": "epoch_s", "names": tuple(HEADER.split(","))}),
        (
            "Moment,O,H,L,C,V\n2024-01-01 22:45,10,12,9,11,5\n",
            {"zone": "America/New_York", "columns": {"time": "moment"}},
        ),
        (json.dumps([{"time": "2024-01-02T09:15:00", "o": 10, "h": 12, "l": 9, "c": 11, "v": 5}]), {}),
        (
            json.dumps([[1704167100000, 10, 12, 9, 11, 5]]),
            {"time_format": "epoch_ms", "names": tuple(HEADER.split(","))},
        ),
    ],
)
def test_layouts(tmp_path: Path, text: str, changes: dict[str, object]) -> None:
    found = read(tmp_path, text, **changes)  # type: ignore[arg-type]
    assert not found.rejects.rows
    assert times(found) == ["2024-01-02T03:45:00+00:00"]
    bars = found.bars
    assert [bars.open[0], bars.high[0], bars.low[0], bars.close[0], bars.volume[0]] == [10, 12, 9, 11, 5]
    assert np.isnan(bars.vwap[0]) and np.isnan(bars.trades[0]) and np.isnan(bars.open_interest[0])


def test_binance_klines(tmp_path: Path) -> None:
    line = "1609459200000,10,12,9,11,5,1609459259999,52.5,17,2,21,0\n"
    found = read(tmp_path, line, BTC, preset="binance")
    assert times(found) == ["2021-01-01T00:00:00+00:00"]
    assert (found.bars.vwap[0], found.bars.trades[0]) == (10.5, 17)
    assert read(tmp_path, json.dumps([line.strip().split(",")]), BTC, preset="binance").bars.vwap[0] == 10.5


@pytest.mark.parametrize("day", ["2024-01-20", "20240120", "2024-01-20 00:00:00+05:30", "2024-01-20 15:30:00"])
def test_a_day_gets_the_opening_of_its_session(tmp_path: Path, day: str) -> None:
    found = read(tmp_path, f"date,open,high,low,close\n{day},10,12,9,11\n", timeframe="1d")
    assert times(found) == ["2024-01-20T03:45:00+00:00"]


def test_a_day_of_a_pair_begins_at_midnight(tmp_path: Path) -> None:
    found = read(tmp_path, "open_time,open,high,low,close\n2020-01-02,10,12,9,11\n", BTC, "1d")
    assert times(found) == ["2020-01-02T00:00:00+00:00"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("yesterday,10,12,9,11,5", "time is not a moment"),
        (",10,12,9,11,5", "time is not a moment"),
        ("0001-01-01 09:15:00,10,12,9,11,5", "time is not between 1970 and 2199"),
        ("9999-12-31 09:15:00,10,12,9,11,5", "time is not between 1970 and 2199"),
        ("2024-01-02 09:15:30,10,12,9,11,5", "no 1m bar begins then"),
        ("2024-01-02 09:16:00,,12,9,11,5", "no open"),
        ("2024-01-02 09:16:00,10,12,9,0,5", "no close"),
        ("2024-01-02 09:16:00,10,12,-9,11,5", "low is not a number from 0"),
        ("2024-01-02 09:16:00,10,x,9,11,5", "high is not a number from 0"),
        ("2024-01-02 09:16:00,10,inf,9,11,5", "high is not a number from 0"),
        (f"2024-01-02 09:16:00,10,1{'0' * 400},9,11,5", "high is not a number from 0"),
        ("2024-01-02 09:16:00,10,1e13,9,11,5", "high is 1e+12 or more"),
        ("2024-01-02 09:16:00,10,nan,9,11,5", "no high"),
        ("2024-01-02 09:16:00,10,12,9,12.05,5", "high and low do not contain open and close"),
        ("2024-01-02 09:16:00,8,12,9,11,5", "high and low do not contain open and close"),
        ("2024-01-02 09:16:00,10,12,9,11,-5", "volume is not a number from 0"),
        ("2024-01-02 09:16:00,10,12,9", "wrong number of fields"),
    ],
)
def test_a_bad_row_is_rejected_alone(tmp_path: Path, row: str, reason: str) -> None:
    found = read(tmp_path, f"{HEADER}\n{row}\n{GOOD}\n")
    assert [(rejected.row, rejected.reason) for rejected in found.rejects.rows] == [(2, reason)]
    assert len(found.bars) == 1 and found.read == 2


@pytest.mark.parametrize(
    ("numbers", "vwap", "left_out"),
    [
        ("5,,52.5", 10.5, 0),
        ("5,10.5,", 10.5, 0),
        ("5,0,52.5", 10.5, 0),
        ("5,12.000001,", 12.000001, 0),  # rounded
        ("5,12.1,", None, 1),
        ("5,8.9,", None, 1),
        ("5,900000,", None, 1),
        ("5,900000,52.5", None, 1),
        ("5,,52500", None, 1),
        ("1e-305,,1e20", None, 1),
        ("0,,0", None, 0),
    ],
)
@pytest.mark.filterwarnings("error")
def test_an_average_price_outside_low_and_high_is_left_out(
    tmp_path: Path, numbers: str, vwap: float | None, left_out: int
) -> None:
    found = read(tmp_path, f"{HEADER},vwap,turnover\n2024-01-02 09:15:00,10,12,9,11,{numbers}\n")
    (read_vwap,) = found.bars.vwap.tolist()
    assert read_vwap == vwap or (vwap is None and np.isnan(read_vwap))
    assert (found.bars.close.tolist(), found.facts[VWAP_OUTSIDE]) == ([11], left_out)


def test_of_a_repeated_time_the_last_row_counts(tmp_path: Path) -> None:
    found = read(tmp_path, f"{HEADER}\n{GOOD}\n2024-01-02 09:16:00,10,12,9,11,5\n{GOOD.replace(',5', ',6')}\n")
    assert [(row.row, row.reason) for row in found.rejects.rows] == [(2, "repeated time, a later row counts")]
    assert found.bars.volume.tolist() == [6, 5]


def test_a_bar_after_the_expiry_is_rejected(tmp_path: Path) -> None:
    rows = "2024-01-10 15:29:00,10,12,9,11,5\n2024-01-10 15:30:00,10,12,9,11,5\n"
    found = read(tmp_path, f"{HEADER}\n{rows}", OPTION)
    assert [row.reason for row in found.rejects.rows] == ["after its expiry"] and len(found.bars) == 1


def test_trades_are_whole(tmp_path: Path) -> None:
    rows = "".join(
        f"2024-01-02 09:{15 + n}:00,10,12,9,11,5,{trades}\n" for n, trades in enumerate(("7", "7.5", "1e300", ""))
    )
    found = read(tmp_path, f"{HEADER},trades\n{rows}")
    assert [row.row for row in found.rejects.rows] == [3, 4]
    assert str(found.bars.trades.tolist()) == "[7.0, nan]"


@pytest.mark.parametrize(
    "text", ["", "\n\n", "a,b\n1,2\n", "time,open,high,low\n2024-01-02,1,1,1\n", "{}", "[1, 2]", "\0" * 50]
)
def test_no_table_of_bars_is_refused_whole(tmp_path: Path, text: str) -> None:
    with pytest.raises(NotATable):
        found = read(tmp_path, text)
        if not len(found.bars):
            raise NotATable(str(found.rejects.counts))


def test_what_a_reader_is_told(tmp_path: Path) -> None:
    rows = [f"2024-01-02 09:{15 + n}:00,10,10,10,10,0,TCS" for n in range(12)] + [
        "2024-01-02 15:31:00,10,12,9,11,5,TCS"
    ]
    found = read(tmp_path, f"{HEADER},symbol\n" + "\n".join(rows))
    assert dict(found.facts) == {
        f"rows say symbol=TCS, taken as {NIFTY} as you set": 13,
        "bars without volume that repeat the price before them": 11,
        "bars outside the hours of their session: kept, and in no bar anchored at sessions": 1,
        "bars missing on dates that have some": 375 - 12,
    }
