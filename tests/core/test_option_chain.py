"""NSE's option-chain JSON."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from signals.importers.core.option_chain import NotAnOptionChain, OptionChainFile, read_option_chain


def leg(**changes: Any) -> dict[str, Any]:
    """Return one leg as NSE writes it. None removes a field."""
    fields = {
        "strikePrice": 33000,
        "expiryDate": "20-May-2021",
        "underlying": "BANKNIFTY",
        "openInterest": 543,
        "totalTradedVolume": 194,
        "impliedVolatility": 53.77,
        "lastPrice": 22,
        "bidQty": 25,
        "bidprice": 17.5,
        "askQty": 25,
        "askPrice": 20,
        "totalBuyQuantity": 650,
        "totalSellQuantity": 0,
        "underlyingValue": 33459.25,
    } | changes
    return {name: value for name, value in fields.items() if value is not None}


def document(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    records = {"timestamp": "17-May-2021 15:30:00", "underlyingValue": 33459.25, "data": list(rows)} | changes
    return {"records": records, "filtered": {}}


def read(*rows: dict[str, Any], **changes: Any) -> OptionChainFile:
    return read_option_chain(document(*rows, **changes))


def test_a_leg() -> None:
    chain = read({"strikePrice": 33000, "expiryDate": "20-May-2021", "CE": leg(), "PE": leg(strikePrice=32500.5)})
    assert [str(key) for key in chain.keys] == [
        "NSE@BANKNIFTY@equity_options@2021-05-20@call@33000",
        "NSE@BANKNIFTY@equity_options@2021-05-20@put@32500.5",
    ]
    assert chain.time == datetime(2021, 5, 17, 10, 0, tzinfo=UTC)
    assert (chain.symbol, chain.spot, chain.legs_read, chain.rejected) == ("BANKNIFTY", 33459.25, 2, [])
    assert (chain.bid[0], chain.ask[0], chain.last[0]) == (17.5, 20.0, 22.0)
    assert (chain.volume[0], chain.open_interest[0]) == (194.0, 543.0)


def test_zero_is_no_price_and_an_untraded_leg_has_no_last() -> None:
    chain = read({"CE": leg(bidprice=0, askPrice=0, lastPrice=0)}, {"PE": leg(totalTradedVolume=0)}, underlyingValue=0)
    assert np.isnan([chain.bid[0], chain.ask[0], chain.last[0], chain.last[1], chain.spot]).all()


def test_the_third_version_of_the_endpoint_has_other_names() -> None:
    renamed = leg(bidprice=None, askPrice=None, buyPrice1=17.5, sellPrice1=20, expiryDate="20-05-2021")
    chain = read({"strikePrice": 33000, "expiryDates": "20-05-2021", "CE": renamed})
    assert (chain.bid[0], chain.ask[0]) == (17.5, 20.0)
    bare = leg(expiryDate=None, strikePrice=None)
    assert read({"strikePrice": 33000, "expiryDates": "20-05-2021", "CE": bare}).keys == chain.keys


def legs(expiry: str, lot: int, count: int) -> list[dict[str, Any]]:
    return [
        {
            "CE": leg(
                expiryDate=expiry, strikePrice=30000 + 100 * i, bidQty=lot, askQty=lot * (i + 1), totalBuyQuantity=lot
            )
        }
        for i in range(count)
    ]


def lots(*rows: dict[str, Any]) -> list[float]:
    return read(*rows).lot_size.tolist()


def test_order_quantities_tell_the_lot() -> None:
    assert lots(*legs("20-May-2021", 25, 20)) == [25.0] * 20
    assert lots(*legs("20-May-2021", 35, 20), *legs("27-May-2021", 30, 20)) == [35.0] * 20 + [30.0] * 20


def test_a_lot_in_doubt_is_not_known() -> None:
    assert np.isnan(lots(*legs("20-May-2021", 25, 3))).all()  # too few orders
    found = lots(*legs("20-May-2021", 25, 20), *legs("27-May-2021", 50, 20), *legs("03-Jun-2021", 25, 2))
    assert found[0] == 25.0
    assert np.isnan(found[20:40]).all()  # 50, or 25 quoted by the two
    assert found[40:] == [25.0, 25.0]  # few orders, that agree with what others prove


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("no object", "leg is not an object"),
        (leg(expiryDate="someday"), "expiry is not a date"),
        (leg(expiryDate="13-May-2021"), "expired before the chain's timestamp"),
        (leg(strikePrice=0), "bad strike"),
        (leg(strikePrice="x"), "bad strike"),
        (leg(strikePrice=None), "bad strike"),
        (leg(underlying="nifty bank"), "bad symbol"),
        (leg(bidprice=-1), "bidprice is not a number from 0"),
        (leg(askPrice="20"), "askPrice is not a number from 0"),
        (leg(openInterest=float("nan")), "openInterest is not a number from 0"),
        (leg(lastPrice=True), "lastPrice is not a number from 0"),
    ],
)
def test_a_leg_that_cannot_be_used_is_returned_with_its_reason(bad: Any, reason: str) -> None:
    chain = read({"CE": leg()}, {"PE": bad})
    assert [(number, why, found) for number, why, _, found in chain.rejected] == [(2, reason, bad)]
    assert len(chain.keys) == 1


def test_a_count_that_is_absent_is_not_known() -> None:
    chain = read({"CE": leg(openInterest=None, totalTradedVolume=None)})
    assert np.isnan([chain.volume[0], chain.open_interest[0], chain.last[0]]).all()


def test_of_a_repeated_leg_the_last_counts() -> None:
    chain = read({"CE": leg(lastPrice=1)}, {"CE": leg(lastPrice=2)})
    assert chain.last.tolist() == [2.0]
    assert [(number, why) for number, why, *_ in chain.rejected] == [(1, "repeated contract, a later leg counts")]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "no records.data"),
        ({"error": "denied"}, "no records.data"),
        ({"records": {"data": {}}}, "no records.data"),
        (document({"CE": leg()}, timestamp="now"), "timestamp 'now' is not a moment"),
        (document({"CE": leg(strikePrice=0)}), "none of the 1 legs"),
        (document(), "none of the 0 legs"),
        (document({"CE": leg(), "PE": leg(underlying="NIFTY")}), "several underlyings: BANKNIFTY, NIFTY"),
    ],
)
def test_a_document_that_is_no_chain_says_why(found: Any, message: str) -> None:
    with pytest.raises(NotAnOptionChain, match=message):
        read_option_chain(found)
