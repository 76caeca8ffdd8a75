"""The market that is stored with a job: a chunk reads back what was found."""

import math
from datetime import date

import orjson

from signals.greeks.core.carry import UNKNOWN_CARRY, DividendSource, GroupCarry, RateSource
from signals.greeks.core.conventions import ForwardSource
from signals.greeks.core.dividends import CashDividend
from signals.greeks.core.forward import CarriedFrom, Forward
from signals.greeks.core.parity import ParityForward
from signals.greeks.core.snapshot import GroupMarket
from signals.greeks.market import forward_receipts, market_from_json, market_of, market_to_json

NEAR, FAR = date(2026, 12, 29), date(2027, 1, 26)
PARITY = ParityForward(26_150.0, 26_149.0, 26_151.0, 0.5, 9, (24_000.0,), False, anchor=26_120.5)
PAID = (CashDividend(0.02, 1.5), CashDividend(0.4, 1.75))
CARRY = GroupCarry(0.0612, RateSource.CURVE, date(2026, 12, 1).toordinal(), 0.0, DividendSource.DISCRETE, PAID)


def group(value: float, source: ForwardSource, parity: ParityForward | None = None) -> GroupMarket:
    return GroupMarket(
        forward=Forward(value, source, parity), spot=26_100.0, volatility_index=0.14, days_to_expiry=28.0
    )


MARKET = {
    ("NSE@NIFTY", NEAR): group(26_150.0, ForwardSource.PARITY, PARITY),
    ("NSE@NIFTY", FAR): group(26_300.0, ForwardSource.FUTURE),
    ("NSE@FINNIFTY", NEAR): GroupMarket(
        forward=Forward(26_300.0, ForwardSource.FUTURE, None, 1, 12.5),
        spot=26_100.0,
        volatility_index=0.14,
        days_to_expiry=28.0,
    ),
    ("NSE@BANKNIFTY", NEAR): group(58_200.0, ForwardSource.SPOT),
    ("NSE@SBIN", NEAR): GroupMarket(
        forward=Forward(
            801.0, ForwardSource.CARRIED_FUTURE, None, 0, 3.0, CarriedFrom(805.0, 0.42, (CashDividend(0.4, 1.75),))
        ),
        spot=math.nan,
        volatility_index=math.nan,
        days_to_expiry=28.0,
        carry=CARRY,
    ),
}


def test_a_chunk_gets_the_groups_that_it_asks_for_as_they_were_found() -> None:
    kept = market_to_json(MARKET)
    assert market_from_json(kept) == MARKET
    assert market_from_json(orjson.loads(orjson.dumps(kept))) == MARKET
    assert market_of(kept, MARKET) == MARKET
    asked = [("NSE@NIFTY", FAR), ("NSE@NIFTY", FAR), ("NSE@BANKNIFTY", NEAR)]
    assert market_of(kept, asked) == {each: MARKET[each] for each in asked}


def test_what_is_not_known_is_left_out() -> None:
    kept = market_to_json(MARKET)
    unknown = [(None, None), ("NSE@NIFTY", None), (None, NEAR), ("NSE@GONE", NEAR), ("NSE@BANKNIFTY", FAR)]
    assert market_of(kept, unknown) == {}
    assert market_of({}, MARKET) == {}
    assert market_of(kept, []) == {}


def test_a_market_kept_by_an_earlier_version_has_no_parity() -> None:
    kept = {"NSE@NIFTY": {NEAR.isoformat(): [26_150.0, "parity", 26_100.0, 0.14, 28.0]}}
    assert market_of(kept, [("NSE@NIFTY", NEAR)]) == {
        ("NSE@NIFTY", NEAR): group(26_150.0, ForwardSource.PARITY),
    }


def test_no_forward_is_kept_as_null() -> None:
    kept = market_to_json({("NSE@NIFTY", NEAR): group(math.nan, ForwardSource.AUTO)})
    assert kept["NSE@NIFTY"][NEAR.isoformat()][:2] == [None, None]
    found = market_of(kept, [("NSE@NIFTY", NEAR)])["NSE@NIFTY", NEAR].forward
    assert math.isnan(found.value) and not found.found


def test_a_market_kept_by_the_version_before_rates_had_dates_has_no_carry() -> None:
    strikes = [26_150.0, 26_149.0, 26_151.0, 0.5, 9, [24_000.0], False]
    kept = {"NSE@NIFTY": {NEAR.isoformat(): [26_150.0, "parity", 26_100.0, 0.14, 28.0, strikes, 0, 2.5]}}
    (found,) = market_from_json(kept).values()
    assert found.forward.parity is not None and math.isnan(found.forward.parity.anchor)
    assert found.carry is UNKNOWN_CARRY
    (receipt,) = forward_receipts({("NSE@NIFTY", NEAR): found})
    names = ("rate", "rate_source", "rate_date", "dividend_yield", "dividend_source", "dividend_value")
    assert [receipt[name] for name in names] == [None] * 6


def test_a_receipt_names_the_curve_and_the_dividends() -> None:
    receipts = {(each["underlying"], each["expiry"]): each for each in forward_receipts(MARKET)}
    found = receipts["NSE@SBIN", NEAR.isoformat()]
    assert (found["rate"], found["rate_source"], found["rate_date"]) == (0.0612, "curve", "2026-12-01")
    value = 1.5 * math.exp(-0.0612 * 0.02) + 1.75 * math.exp(-0.0612 * 0.4)
    assert (found["dividend_yield"], found["dividend_source"]) == (0.0, "discrete")
    assert math.isclose(found["dividend_value"], value)
