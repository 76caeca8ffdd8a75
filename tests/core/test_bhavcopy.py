"""End-of-day files: layouts, padding, untraded contracts, lots, and every reason for rejecting a row."""

from datetime import date

import pytest

from signals.importers.core.bhavcopy import Contracts, read_bhavcopy
from signals.importers.core.bhavcopy_layouts import LEGACY_COLUMNS, NotABhavcopy

LEGACY_HEADER = ",".join(LEGACY_COLUMNS)
FUTURE = "FUTIDX,NIFTY,27-Mar-2025,0,,23300,23400,23250,23350,23350,100,1748.625,7500,0,21-Mar-2025"
CALL = "OPTIDX,NIFTY,27-Mar-2025,23500,CE,90,110,80,100,101,10,176.9625,1500,75,21-Mar-2025"
UNTRADED = "OPTIDX,NIFTY,27-Mar-2025,20000,PE,0,0,0,7.5,0.05,0,0,150,0,21-Mar-2025"
SUMMARY_HEADER = (
    "INSTRUMENT,SYMBOL    ,EXP_DATE  ,STR_PRICE  ,OPT_TYPE,OPEN_PRICE ,HI_PRICE   ,LO_PRICE   ,CLOSE_PRICE,"
    "OPEN_INT*      ,TRD_QTY          ,NO_OF_CONT       ,NO_OF_TRADE      ,NOTION_VAL        ,PR_VAL            "
)
SUMMARY_ROW = (
    "OPTIDX    ,BANKNIFTY ,25/11/2025,00046500.00,PE      ,00000003.95,00000005.20,00000003.30,00000003.50,"
    "000000000074795,            13965,              399,              135,      649427357.25,          54857.25"
)
UDIFF_HEADER = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,FininstrmActlXpryDt,StrkPric,OptnTp,"
    "FinInstrmNm,OpnPric,HghPric,LwPric,ClsPric,LastPric,PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,"
    "TtlTradgVol,TtlTrfVal,TtlNbOfTxsExctd,SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,Rsvd4"
)
UDIFF_ROW = (
    "2026-08-13,2026-08-13,FO,NSE,STO,1,,MCX,,2026-08-25,{actual},2900.00,PE,MCX26AUG2900PE,49.00,57.60,33.00,39.15,"
    "40.65,50.45,2969.98,39.15,456075,38700,{volume},4180531938.75,5233,F1,225,,,,,"
)


def legacy(*rows: str) -> Contracts:
    return read_bhavcopy("\n".join((LEGACY_HEADER, *rows)))


def test_legacy_rows() -> None:
    table = legacy(FUTURE, CALL).table
    future, call = table.to_dict("records")
    assert (future["symbol"], future["right"], future["expiry"]) == ("NIFTY", "", date(2025, 3, 27))
    assert (call["right"], call["strike"], call["close"], call["settle"]) == ("call", 23500.0, 100.0, 101.0)
    assert (call["exchange"], call["trade_date"], call["open_interest"]) == ("NSE", date(2025, 3, 21), 1500.0)
    assert table["last"].isna().all()


def test_the_turnover_proves_the_lot_and_so_the_volume_in_units() -> None:
    # 23,600 (strike and premium at the high) x 10 contracts x lot = 17,696,250 rupees at 75; at 74 or 76 it cannot be.
    table = legacy(FUTURE, CALL, UNTRADED).table
    assert table["lot_size"].tolist() == [75.0, 75.0, 75.0]
    assert table["volume"].tolist() == [7500.0, 750.0, 0.0]


def test_a_lot_that_the_turnover_leaves_open_is_not_guessed() -> None:
    wide = "FUTSTK,ABC,27-Mar-2025,0,,100,120,80,100,100,1,1.0,1000,0,21-Mar-2025"  # 834 to 1,250
    table = legacy(wide, UNTRADED).table
    assert table["lot_size"].isna().all()
    assert table["volume"].isna().tolist() == [True, False]


def test_a_lot_proven_for_another_expiry_of_the_symbol_fills_the_gap() -> None:
    near = "OPTSTK,ABC,27-Mar-2025,1000,CE,1,1,1,1,1,1,10.01,1000,0,21-Mar-2025"  # exactly 1,000
    far = "FUTSTK,ABC,24-Apr-2025,0,,1000,1020,980,1000,1000,1,10,1000,0,21-Mar-2025"  # 981 to 1,020
    assert legacy(near, far).table["lot_size"].tolist() == [1000.0, 1000.0]


def test_an_untraded_contract_keeps_settle_and_loses_the_close_it_carries_over() -> None:
    row = legacy(UNTRADED).table.iloc[0]
    assert row[["close", "last"]].isna().all()
    assert (row["settle"], row["volume"], row["open_interest"]) == (0.05, 0.0, 150.0)


def test_a_price_of_zero_is_no_price() -> None:
    assert legacy(UNTRADED.replace(",0.05,", ",0,")).table["settle"].isna().all()


@pytest.mark.parametrize(
    "text",
    [
        FUTURE,  # no header
        f"\ufeff{LEGACY_HEADER}\r\n{FUTURE}\r\n",
        f"{LEGACY_HEADER},\n{FUTURE},\n",  # the exchange ended each line with a comma
        f"\n{LEGACY_HEADER}\n\n{FUTURE}\n , , \n",
        f"{LEGACY_HEADER}\n{FUTURE.replace(',0,,', ',0,XX,')}",
        f"{LEGACY_HEADER}\n" + ",".join(f'"{field}"' for field in FUTURE.split(",")),
        f"{LEGACY_HEADER}\n{FUTURE.replace(',', ' , ')}\n* a footnote, with a comma",
        f"{LEGACY_HEADER}\n{FUTURE.replace('27-Mar-2025', '27-MAR-2025')}",
    ],
)
def test_legacy_files_as_they_are_found(text: str) -> None:
    contracts = read_bhavcopy(text)
    assert (contracts.rows_read, contracts.rejected) == (1, [])
    assert contracts.table["close"].tolist() == [23350.0]


def test_the_daily_zip_is_padded_and_takes_its_date_from_outside() -> None:
    footnote = " - OPEN_INT as available in the trading system at the end of trading hours.".join("*" + " ")
    contracts = read_bhavcopy(f"{SUMMARY_HEADER}\n{SUMMARY_ROW}\n{footnote}\n", trade_date=date(2025, 11, 14))
    (row,) = contracts.table.to_dict("records")
    assert (row["symbol"], row["strike"], row["close"], row["lot_size"]) == ("BANKNIFTY", 46500.0, 3.5, 35.0)
    assert (row["volume"], row["open_interest"]) == (13965.0, 74795.0)
    assert (row["expiry"], row["trade_date"]) == (date(2025, 11, 25), date(2025, 11, 14))


def udiff(volume: int = 6311, actual: str = "2026-08-25") -> str:
    return UDIFF_ROW.format(volume=volume, actual=actual)


def test_udiff() -> None:
    (row,) = read_bhavcopy(f"{UDIFF_HEADER}\n{udiff()}").table.to_dict("records")
    assert (row["close"], row["last"], row["settle"], row["underlying_price"]) == (39.15, 40.65, 39.15, 2969.98)
    assert (row["lot_size"], row["volume"], row["open_interest"]) == (225.0, 6311 * 225.0, 456075.0)


def test_udiff_carries_both_close_and_last_of_an_untraded_contract_over() -> None:
    (row,) = read_bhavcopy(f"{UDIFF_HEADER}\n{udiff(volume=0)}").table.to_dict("records")
    assert row["close"] != row["close"]
    assert row["last"] != row["last"]
    assert (row["settle"], row["volume"]) == (39.15, 0.0)


def test_udiff_says_when_the_contract_actually_expires() -> None:
    rows = f"{UDIFF_HEADER}\n{udiff(actual='2026-08-24')}\n{udiff(actual='')}"
    assert read_bhavcopy(rows).table["expiry"].tolist() == [date(2026, 8, 24), date(2026, 8, 25)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (CALL + ",extra", "wrong number of fields"),
        ("OPTIDX,NIFTY", "wrong number of fields"),
        (CALL.replace("NIFTY", '"NIFTY'), "wrong number of fields"),
        (CALL.replace("OPTIDX", "OPTCUR"), "unknown instrument type"),
        (CALL.replace("NIFTY", "nifty"), "bad symbol"),
        (CALL.replace("NIFTY", ""), "bad symbol"),
        (CALL.replace("CE", "CA"), "option type is neither CE nor PE"),
        (CALL.replace("CE", ""), "option type is neither CE nor PE"),
        (CALL.replace("23500", "0"), "strike is not positive"),
        (CALL.replace("23500", "1e15"), "strike is not positive"),
        (CALL.replace("23500", ""), "STRIKE_PR is missing"),
        (CALL.replace("23500", "abc"), "STRIKE_PR is not a number from 0"),
        (CALL.replace("27-Mar-2025", "31-Feb-2025"), "expiry is not a date"),
        (CALL.replace("27-Mar-2025", "20-Mar-2025"), "expired before the trade date"),
        (CALL.replace("21-Mar-2025", "2025-03-21"), "trade date is not a date"),
        (CALL.replace(",100,101,", ",-100,101,"), "CLOSE is not a number from 0"),
        (CALL.replace(",100,101,", ",,101,"), "CLOSE is missing"),
        (CALL.replace(",100,101,", ",inf,101,"), "CLOSE is not a number from 0"),
        (CALL.replace(",100,101,", ",100,nan,"), "SETTLE_PR is not a number from 0"),
        (CALL.replace(",10,176", ",,176"), "CONTRACTS is missing"),
        (CALL.replace(",1500,", ",x,"), "OPEN_INT is not a number from 0"),
    ],
)
def test_a_row_that_cannot_be_used_is_returned_with_its_reason(row: str, reason: str) -> None:
    contracts = legacy(FUTURE, row, UNTRADED)
    (rejected,) = contracts.rejected
    assert (rejected.row, rejected.reason, rejected.text) == (3, reason, row)
    assert (contracts.rows_read, len(contracts.table)) == (3, 2)


def test_of_a_repeated_contract_the_last_row_counts() -> None:
    contracts = legacy(CALL, FUTURE, CALL.replace(",100,101,", ",105,106,"))
    assert [(row.row, row.reason) for row in contracts.rejected] == [(2, "repeated contract, a later row counts")]
    assert contracts.table["close"].tolist() == [23350.0, 105.0]


def test_a_row_that_cannot_be_used_does_not_count_as_a_repetition() -> None:
    contracts = legacy(CALL, CALL.replace(",100,101,", ",x,106,"))
    assert [row.row for row in contracts.rejected] == [3]
    assert contracts.table["close"].tolist() == [100.0]


def test_rows_of_another_day_than_the_one_asked_for_are_refused() -> None:
    contracts = read_bhavcopy("\n".join((FUTURE, CALL.replace("21-Mar", "20-Mar"))), trade_date=date(2025, 3, 21))
    assert [row.reason for row in contracts.rejected] == ["trade date is not the one asked for"]


def test_an_exchange_that_is_not_known_is_refused() -> None:
    contracts = read_bhavcopy(f"{UDIFF_HEADER}\n{udiff().replace('NSE', 'XXX')}")
    assert [row.reason for row in contracts.rejected] == ["unknown exchange"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        ("date,open,high,low,close\n2024-01-01,1,2,3,4", "this is no bhavcopy"),
        ("<html><body>Access denied</body></html>", "this is no bhavcopy"),
        (LEGACY_HEADER.replace("CLOSE", "CLOSING").replace(",TIMESTAMP", ""), "legacy bhavcopy lacks CLOSE, TIMESTAMP"),
        (f"{SUMMARY_HEADER}\n{SUMMARY_ROW}", "does not say its date"),
    ],
)
def test_a_text_that_is_no_bhavcopy_says_why(text: str, message: str) -> None:
    with pytest.raises(NotABhavcopy, match=message):
        read_bhavcopy(text)


def test_a_header_alone_holds_no_rows() -> None:
    contracts = legacy()
    assert (contracts.rows_read, len(contracts.table), contracts.rejected) == (0, 0, [])
