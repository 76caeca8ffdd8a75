"""Units, times and contract names of quote files: each field as the service stores it."""

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.importers.core.contract_names import read_name
from signals.importers.core.mapping import Mapping
from signals.importers.core.presets import PRESETS
from signals.importers.quote_files import QuoteFrame, read_quote_frame


def table(path: Path, mapping: Mapping, *records: dict[str, Any]) -> QuoteFrame:
    text = io.StringIO()
    pd.DataFrame(records).to_csv(text, index=False)
    path.write_text(text.getvalue())
    return read_quote_frame(path, mapping)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quotes"


@pytest.mark.parametrize(
    ("kind", "name", "contract"),
    [
        ("osi", "SPXW220712C01000000", ("SPXW", date(2022, 7, 12), Decimal(1000), "call")),
        ("osi", "MSFT  210521P00247500", ("MSFT", date(2021, 5, 21), Decimal("247.5"), "put")),
        ("osi", "SPXW220712C0100000", None),
        ("osi", "SPXW221312C01000000", None),
        ("osi", "SPXW220712X01000000", None),
        ("deribit", "BTC-22MAY20-9250-P", ("BTC", date(2020, 5, 22), Decimal(9250), "put")),
        ("deribit", "ETH-5JUN20-240-C", ("ETH", date(2020, 6, 5), Decimal(240), "call")),
        ("deribit", "ETH-31NOV20-240-C", None),
        ("deribit", "BTC-PERPETUAL", None),
        ("deribit", "XRP_USDC-22MAY26-1d35-C", None),
        ("deribit_linear", "XRP_USDC-22MAY26-1d35-C", ("XRP_USDC", date(2026, 5, 22), Decimal("1.35"), "call")),
        ("tda", "MSFT_052121P215", ("MSFT", date(2021, 5, 21), Decimal(215), "put")),
        ("tda", "MSFT_052121P247.5", ("MSFT", date(2021, 5, 21), Decimal("247.5"), "put")),
        ("tda", "", None),
    ],
)
def test_contract_names(kind: str, name: str, contract: Any) -> None:
    assert read_name(kind, name) == contract


@given(st.sampled_from(["osi", "deribit", "deribit_linear", "tda"]), st.text(max_size=40))
def test_any_text_is_a_name_or_none(kind: str, text: str) -> None:
    assert read_name(kind, text) is None or isinstance(read_name(kind, text), tuple)


QUOTE = {"key": "NSE@NIFTY@equity_options@2026-08-27@call@24000", "last": 5.0}
INSTANT = datetime(2026, 8, 20, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "changes"),
    [
        (1787200200, {"time_format": "epoch_s"}),
        (1787200200000, {"time_format": "epoch_ms"}),
        (1787200200000000, {"time_format": "epoch_us"}),
        (1787200200000000000, {"time_format": "epoch_ns"}),
        ("20260820 1000", {"time_format": "%Y%m%d %H%M"}),
        ("20/08/2026 10:00", {"time_format": "iso|%d/%m/%Y %H:%M"}),
        ("2026-08-20 04:30", {"zone": "UTC"}),
        ("2026-08-20T04:30:00.000000Z", {}),
        ("August 20, 2026, 10:00 AM IST", {"time_format": "%B %d, %Y, %I:%M %p"}),
        ("2026-08-20 12:30 GMT+0800", {"time_format": "%Y-%m-%d %H:%M", "zone": "Asia/Shanghai"}),
    ],
)
def test_times(path: Path, time: Any, changes: dict[str, str]) -> None:
    found = table(path, PRESETS["plain"].changed(**changes), QUOTE | {"time": time})
    assert found.table.time.tolist() == [pd.Timestamp(INSTANT)], found.rejected


@pytest.mark.parametrize(
    ("time", "changes"),
    [
        (
            "August 20, 2026, 10:00 AM EST",
            {"time_format": "%B %d, %Y, %I:%M %p", "zone": "America/New_York"},
        ),  # EDT then
        ("2026-08-20 12:30 GMT+0900", {"time_format": "%Y-%m-%d %H:%M", "zone": "Asia/Shanghai"}),
        ("10:00", {}),
        (1e300, {"time_format": "epoch_s"}),
        ("-5", {"time_format": "epoch_s"}),
        (1787200200, {"time_format": "epoch_ns"}),
        (1787200200000, {"time_format": "epoch_s"}),
        ("20-08-2026", {}),
        ("2026-W34-4", {}),
    ],
)
def test_times_that_are_none(path: Path, time: Any, changes: dict[str, str]) -> None:
    found = table(path, PRESETS["plain"].changed(**changes), QUOTE | {"time": time})
    assert found.counts.total() == 1
    assert found.rejected[0].reason in (
        "time is not a moment",
        "time is not between 1970 and 2199",
        "time is not a number from 0",
    )


def test_date_and_time_of_day_in_two_columns(path: Path) -> None:
    columns = {"date": "day", "time": "clock"}
    for day, clock, changes in (
        ("2026-08-20", "10:00", {}),
        ("20260820", "10:00:00", {"date_format": "%Y%m%d"}),
        ("2026-08-20", 36_000_000, {"time_format": "ms_of_day"}),
    ):
        mapping = PRESETS["plain"].changed(columns=columns, **changes)
        found = table(path, mapping, QUOTE | {"day": day, "clock": clock}, QUOTE | {"day": day, "clock": 9e9})
        assert found.table.time.tolist() == [pd.Timestamp(INSTANT)], found.rejected
        assert found.counts == {"time is not a moment": 1}


def test_units(path: Path) -> None:
    record = {**QUOTE, "time": "2026-08-20T10:00", "volume": 10, "open_interest": 4, "lot_size": 65, "iv": 20.0}
    mapping = PRESETS["plain"]
    as_is = table(path, mapping, record).table.iloc[0]
    assert (as_is.volume, as_is.open_interest, as_is.implied_volatility, as_is.lot_size) == (10, 4, 20.0, 65)
    mapping = mapping.changed(volume_unit="contracts", interest_unit="contracts", volatility_unit="percent")
    turned = table(path, mapping, record).table.iloc[0]
    assert (turned.volume, turned.open_interest, turned.implied_volatility) == (650, 260, 0.2)
    unknown = table(
        path, mapping, {**record, "lot_size": None}, {**record, "lot_size": 1.5, "time": "2026-08-20T11:00"}
    )
    assert unknown.table.volume.isna().all()
    assert unknown.table.volume_contracts.tolist() == [10, 10]


def test_a_lot_is_the_volume_over_the_contracts_if_that_is_whole(path: Path) -> None:
    mapping = PRESETS["plain"].changed(columns={"contracts_traded": "n"}, interest_unit="contracts")
    record = {**QUOTE, "volume": 650, "n": 10, "open_interest": 3}
    found = table(path, mapping, record | {"time": "2026-08-20T10:00"}, record | {"time": "2026-08-20T10:01", "n": 9})
    assert found.table.lot_size.tolist()[0] == 65
    assert found.table.open_interest.tolist()[0] == 195
    assert np.isnan(found.table.lot_size[1])


def test_prices_in_coin(path: Path) -> None:
    record = {
        "instrument_name": "BTC-28AUG26-60000-C",
        "timestamp": 1787200200000,
        "best_bid_price": 0.02,
        "best_ask_price": 0.0,
        "mark_price": 0.021,
        "underlying_price": 60_500.0,
        "index_price": 60_000.0,
        "mark_iv": 55.0,
        "greeks": "{'delta': 0.5, 'vega': 40.0}",
    }
    found = table(path, PRESETS["deribit"], record, record | {"timestamp": 1787200201000, "underlying_price": None})
    first, second = found.table.itertuples()
    assert first.key == "DERIBIT@BTC@crypto_options@2026-08-28@call@60000"
    assert (first.bid, first.mark_price, first.settle) == (1210.0, 1270.5, 1270.5)
    assert (first.spot_price, first.forward_price, first.underlying_price) == (60_000.0, 60_500.0, 60_500.0)
    assert (first.implied_volatility, first.delta, first.vega) == (0.55, 0.5, 40.0)
    assert np.isnan(first.ask)
    assert second.bid == 1200.0  # by the index, where the row has no forward
    assert found.notes == ["2 prices in coin are converted to USD by the row's underlying price"]
    without = table(path, PRESETS["deribit"], record | {"underlying_price": None, "index_price": 0})
    assert without.counts == {"prices in coin without an underlying price": 1}


def test_deribit_by_its_http_interface(path: Path) -> None:
    """public/get_book_summary_by_currency."""
    summary = {
        "instrument_name": "BTC-28AUG26-60000-C",
        "creation_timestamp": 1787200200000,
        "bid_price": 0.02,
        "ask_price": None,
        "last": 0.019,
        "mark_price": 0.021,
        "mark_iv": 55.0,
        "underlying_price": 60_500.0,
        "estimated_delivery_price": 60_000.0,
        "volume": 3.5,
        "open_interest": 12.0,
    }
    path.write_text(json.dumps({"jsonrpc": "2.0", "result": [summary], "usIn": 5}))
    found = read_quote_frame(path, PRESETS["deribit"])
    row = found.table.iloc[0]
    assert (row.bid, row["last"], row.volume, row.open_interest, row.spot_price) == (
        1210.0,
        1149.5,
        3.5,
        12.0,
        60_000.0,
    )
    assert np.isnan(row.ask)


def test_tradier(path: Path) -> None:
    option = {
        "symbol": "MSFT210521P00215000",
        "bid": 0.06,
        "ask": 0.07,
        "last": 0.06,
        "volume": 0,
        "open_interest": 7959,
        "contract_size": 100,
        "bid_date": 1621281599000,
        "greeks": {"delta": -0.013, "vega": 0.009, "mid_iv": 0.51, "updated_at": "2021-05-17 19:59:11"},
    }
    path.write_text(json.dumps({"options": {"option": [option, option | {"symbol": "SPX210521P04000000"}]}}))
    stock, index = read_quote_frame(path, PRESETS["tradier"]).table.itertuples()
    assert (stock.key, index.key) == (
        "OPRA@MSFT@equity_options@2021-05-21@put@215",
        "CBOE@SPX@equity_options@2021-05-21@put@4000",
    )
    assert (stock.bid, stock.open_interest, stock.implied_volatility, stock.delta) == (0.06, 795_900, 0.51, -0.013)
    assert np.isnan(stock.last)  # nothing traded today


def test_cboe_in_todays_words(path: Path) -> None:
    path.write_text(
        '\nS&P 500 INDEX,Last: 6032.38,Change: 33.64\n"Date: November 29, 2024 at 1:15 PM EST",Bid: 6030.1,Ask: 6031\n'
        "Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,"
        "Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest\n"
        "Fri Dec 20 2024,SPX241220C06000000,95,0,90,91,7,0.11,0.6,0.001,5,6000,"
        "SPXW241220P06000000,0,0,50,49,0,0,-0.4,0.002,6\n"
        "Fri Dec 20 2024,AAPL241220C00200000,35,0,34,36,1,0.2,0.9,0.001,5,200,,,,,,,,,,\n"
    )
    found = read_quote_frame(path, PRESETS["cboe"])
    call, put, stock = found.table.itertuples()
    assert stock.key == "OPRA@AAPL@equity_options@2024-12-20@call@200"
    assert found.counts == {"contract is missing": 1}
    assert call.key == "CBOE@SPX@equity_options@2024-12-20@call@6000"
    assert put.key == "CBOE@SPXW@equity_options@2024-12-20@put@6000"
    assert set(found.table.time) == {pd.Timestamp("2024-11-29T18:15:00Z")}
    assert (call.spot_price, call.volume, call.open_interest, call.bid, put.ask) == (6032.38, 700, 500, 90, 49)
    assert (call.implied_volatility, np.isnan(put.implied_volatility)) == (0.11, True)
    assert "1 crossed quotes (bid above ask) are kept as they are" in found.notes


def test_bars_are_quotes_of_their_end_within_the_session(path: Path) -> None:
    mapping = PRESETS["index_bars"].with_constants({"symbol": "NIFTY"})
    bars = [f"2026-08-20 {clock}" for clock in ("09:14", "09:15", "15:39", "15:40", "18:16")]
    found = table(path, mapping, *({"date": bar, "close": 24_000} for bar in bars))
    assert found.table.time.dt.strftime("%H:%M").tolist() == ["03:46", "10:10"]
    assert found.counts == {"before the session's opening": 1, "after the session's close": 2}
    midnight = table(path, mapping, {"date": "2026-08-20", "close": 1}, {"date": "2026-08-20 00:00", "close": 1})
    assert midnight.counts == {"after the session's close": 1, "before the session's opening": 1}


def test_a_vendors_bad_number_does_not_lose_the_quote(path: Path) -> None:
    records = [
        QUOTE | {"time": f"2026-08-20T10:0{at}", "delta": delta, "iv": 0.2}
        for at, delta in enumerate(["0.5", "abc", "inf", "NaN"])
    ]
    found = table(path, PRESETS["plain"], *records)
    assert found.table.delta.tolist()[0] == 0.5
    assert found.table.delta.isna().tolist() == [False, True, True, True]
    assert found.notes == ["2 delta of the vendor is no number"]
