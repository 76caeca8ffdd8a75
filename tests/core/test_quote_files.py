"""Quotes by the row: ways to write each value, what is rejected and why, and mappings."""

import io
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signals.importers.core.mapping import BadMapping, Mapping
from signals.importers.core.presets import PRESETS
from signals.importers.core.raw_table import NotATable
from signalsite.foundation.errors import SignalServiceError
from tests.core.quote_rows import HEADER, KEY, PLAIN, ROW, changed, only, read, rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quotes"


def test_a_row(path: Path) -> None:
    row = only(read(path, rows(ROW)))
    assert row.key == KEY
    assert (row.exchange, row.symbol, row.underlying) == ("NSE", "NIFTY", "NSE@NIFTY")
    assert (row.expiry, row.strike, row.right, row.row) == (date(2026, 8, 27), 24000.0, "call", 2)
    assert row.time == pd.Timestamp("2026-08-20T04:30:00Z")  # Indian time, since the exchange is
    assert (row.bid, row.ask, row["last"], row.volume) == (100.0, 101.0, 100.5, 650.0)
    assert np.isnan(row.settle)


@pytest.mark.parametrize(
    "changes",
    [
        {"right": "CE"},
        {"right": "c"},
        {"right": "Calls"},
        {"strike": "24000.00"},
        {"strike": "2.4e4"},
        {"time": "2026-08-20 10:00"},
        {"time": "2026-08-20T10:00:00.000+05:30"},
        {"time": "2026-08-20T04:30:00Z"},
        {"symbol": '" NIFTY "'},
    ],
)
def test_ways_to_write_the_same(path: Path, changes: dict[str, str]) -> None:
    row = only(read(path, rows(changed(**changes))))
    assert (row.key, row.time) == (KEY, pd.Timestamp("2026-08-20T04:30:00Z"))


def test_a_date_alone_is_the_close_of_its_session(path: Path) -> None:
    assert only(read(path, rows(changed(time="2026-08-20")))).time == pd.Timestamp("2026-08-20T10:10:00Z")


@pytest.mark.parametrize("nothing", ["", "0", "0.0", "NaN", "nan", "-", "null", "None", "n/a"])
def test_no_price(path: Path, nothing: str) -> None:
    row = only(read(path, rows(changed(bid=nothing))))
    assert np.isnan(row.bid)
    assert row.ask == 101.0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exchange": ""}, "exchange is missing"),
        ({"exchange": "MOON"}, "unknown exchange"),
        ({"exchange": "nse"}, "unknown exchange"),
        ({"symbol": ""}, "symbol is missing"),
        ({"symbol": "nifty"}, "bad symbol"),
        ({"symbol": "=HYPERLINK(1)"}, "bad symbol"),
        ({"symbol": "NI@FTY"}, "bad product"),
        ({"symbol": "NIFTY\x00"}, "bad symbol"),
        ({"symbol": "N" * 200}, "bad key"),
        ({"expiry": ""}, "expiry is missing"),
        ({"expiry": "27-08-2026"}, "expiry is not a date"),
        ({"expiry": "0001-01-01"}, "expiry is not a date"),
        ({"expiry": "2026-02-30"}, "expiry is not a date"),
        ({"strike": ""}, "strike is missing"),
        ({"strike": "0"}, "strike is not between 0 and 1e+12"),
        ({"strike": "-5"}, "strike is not between 0 and 1e+12"),
        ({"strike": "inf"}, "strike is not a number"),
        ({"strike": "1" * 400}, "strike is not a number"),
        ({"strike": "1e300"}, "strike is not a number"),
        ({"strike": "0.0000001"}, "strike has more than six decimals"),
        ({"right": "X"}, "right is neither call nor put"),
        ({"right": ""}, "right is neither call nor put"),
        ({"time": ""}, "time is not a moment"),
        ({"time": "yesterday"}, "time is not a moment"),
        ({"time": "0001-01-01T00:00:00"}, "time is not between 1970 and 2199"),
        ({"time": "1969-12-31T00:00:00"}, "time is not between 1970 and 2199"),
        ({"time": "2026-08-27T15:40:01"}, "quoted after its expiry"),
        ({"bid": "-1"}, "bid is not a number from 0"),
        ({"bid": "=1+1"}, "bid is not a number from 0"),
        ({"bid": "1,5"}, "wrong number of fields"),
        ({"bid": '"1,500.5"'}, "bid is not a number from 0"),
        ({"bid": "Infinity"}, "bid is not a number from 0"),
        ({"bid": "1e13"}, "bid is 1e+12 or more"),
        ({"bid": "9" * 400}, "bid is not a number from 0"),
        ({"bid": "0x10"}, "bid is not a number from 0"),
        ({"bid": "1_000"}, "bid is not a number from 0"),
        ({"volume": "-1"}, "volume is not a number from 0"),
        ({"bid": '"1'}, "quotes do not pair"),
    ],
)
def test_a_bad_row_fails_alone(path: Path, changes: dict[str, str], reason: str) -> None:
    found = read(path, rows(ROW, changed(**changes), changed(strike="23000")))
    assert found.counts == {reason: 1}
    assert [(each.row, each.reason) for each in found.rejected] == [(3, reason)]
    assert found.table.strike.tolist() == [24000.0, 23000.0]
    assert found.table.row.tolist() == [2, 4]
    assert found.rows_read == 3


def test_the_reject_shows_what_was_wrong(path: Path) -> None:
    found = read(path, rows(changed(bid="cheap")))
    (reject,) = found.rejected
    assert (reject.detail, reject.row) == ("cheap", 2)
    assert "cheap" in reject.text
    assert "NIFTY" in reject.text


def test_crossed_quotes_are_kept_and_counted(path: Path) -> None:
    found = read(path, rows(changed(bid="105")))
    assert found.table.bid.tolist() == [105.0]
    assert "1 crossed quotes (bid above ask) are kept as they are" in found.notes


def test_of_a_repeated_contract_and_time_the_last_row_counts(path: Path) -> None:
    found = read(path, rows(ROW, changed(bid="99"), changed(time="2026-08-20T10:01:00")))
    assert found.counts == {"repeated contract and time, a later row counts": 1}
    assert (found.rejected[0].row, found.rejected[0].detail) == (2, KEY)
    assert found.table.bid.tolist() == [99.0, 100.0]


def test_row_numbers_count_every_line(path: Path) -> None:
    text = "\r\n".join(["", HEADER, "", ROW, ",,,,,,,,,", "x,y", changed(strike="bad"), ""]) + changed(strike="9")
    found = read(path, text)
    assert found.table.row.tolist() == [4, 8]
    assert [(each.row, each.reason) for each in found.rejected] == [
        (6, "wrong number of fields"),
        (7, "strike is not a number"),
    ]


def test_columns(path: Path) -> None:
    assert only(read(path, rows(ROW).replace("bid", "BID"))).bid == 100.0
    with pytest.raises(NotATable, match="column 'bid' occurs more than once; the second is 'bid#2'"):
        read(path, rows(ROW).replace("ask", "Bid"))
    both = PLAIN.changed(columns={"bid": "bid", "last": "Bid#2"})
    found = only(read(path, rows(ROW).replace("ask", "Bid"), both))
    assert (found.bid, found["last"]) == (100.0, 101.0)
    with pytest.raises(NotATable, match="more than 2,000"):
        read(path, HEADER + ",x" * 3_000 + "\n")
    assert only(read(path, HEADER + ",\n" + ROW + ",\n")).bid == 100.0  # a comma at the end of each line


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        st.tuples(*[st.one_of(st.just(value), st.text(max_size=12)) for value in ROW.split(",")]),
        min_size=1,
        max_size=6,
    )
)
def test_every_row_is_loaded_or_rejected(path: Path, values: list[tuple[str, ...]]) -> None:
    text = io.StringIO()
    pd.DataFrame(values, columns=HEADER.split(",")).to_csv(text, index=False)
    found = read(path, text.getvalue().encode("utf-8", "replace"))
    assert len(found.table) + sum(found.counts.values()) == found.rows_read
    for row in found.table.itertuples():
        assert row.key.startswith("NSE@")
        assert np.isnan(row.bid) or row.bid > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mapping(columns={"prise": "a"}), "there is no field 'prise'"),
        (lambda: Mapping(columns={"strik": "a"}), "did you mean strike"),
        (lambda: Mapping(columns={"left.bid": "a"}), "a leg is call or put"),
        (lambda: Mapping(columns={"call.strike": "a"}), "strike belongs to the row"),
        (lambda: Mapping(zone="Mars/Olympus"), "time zone 'Mars/Olympus' is not known"),
        (lambda: Mapping(zone="../etc/passwd"), "is not known"),
        (lambda: Mapping(delimiter=";;"), "delimiter is one character"),
        (lambda: Mapping(delimiter="\n"), "delimiter is one character"),
        (lambda: Mapping(volume_unit="tonnes"), "volume_unit 'tonnes' is none of units, contracts"),
        (lambda: Mapping(bar="1 minute"), "bar: '1 minute' is no timeframe"),
        (lambda: Mapping(bar="1mo"), "months have no fixed length"),
        (lambda: Mapping(constants={"strike": "many"}), "strike 'many' is not a number"),
        (lambda: Mapping(constants={"exchange": "MOON"}), "exchange 'MOON' is not known"),
        (lambda: PLAIN.changed(colums={}), "a mapping has no colums"),
    ],
)
def test_bad_mappings(make: Any, message: str) -> None:
    with pytest.raises(SignalServiceError, match=message):
        make()


@pytest.mark.parametrize(("bar", "seconds"), [("", 0), ("1m", 60), ("90s", 90), ("1h", 3_600), ("1d", 86_400)])
def test_a_length_of_bars_is_a_timeframe(bar: str, seconds: int) -> None:
    assert Mapping(bar=bar).bar_seconds == seconds


def test_constants_stand_for_columns(path: Path) -> None:
    row = only(read(path, rows(ROW), PLAIN.with_constants({"symbol": "BANKNIFTY", "strike": "52000"})))
    assert row.key == "NSE@BANKNIFTY@equity_options@2026-08-27@call@52000"
    found = read(path, rows(ROW), PLAIN.with_constants({"symbol": "BANKNIFTY"}))
    assert found.notes == ["1 rows say symbol=NIFTY, taken as symbol=BANKNIFTY as you set"]


def test_a_preset_is_data() -> None:
    assert len(PRESETS) >= 15
    assert all(preset.name == name and preset.summary for name, preset in PRESETS.items())
    with pytest.raises(BadMapping):
        PRESETS["cboe"].changed(columns={"nothing": "x"})
    assert Counter(type(preset) for preset in PRESETS.values()) == {Mapping: len(PRESETS)}
