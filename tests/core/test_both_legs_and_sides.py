"""Volatilities from the out-of-the-money leg of a strike, and from both sides of a quote."""

import math
from typing import Any

import numpy as np
import pytest

from signals.greeks.core.answers import answer_options
from signals.greeks.core.contracts import ContractColumns
from signals.greeks.core.conventions import ForwardSource, GreeksParams, IvFrom, PriceSource, QuoteIv
from signals.greeks.core.forward import Forward
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.py_vollib_reference import py_vollib_greeks
from signals.greeks.core.reference import model as reference_model
from signals.greeks.core.snapshot import GroupMarket

NAN = math.nan
AT = 1_780_000_000.0
YEARS = 30 / 365
FORWARD, STRIKE, RATE = 24_150.0, 24_000.0, 0.065
TWIN = GreeksParams(iv_from=IvFrom.OTM_TWIN)
QUOTE = ("bid", "ask", "last", "settle", "close", "volume", "time")
GREEKS = ("delta", "gamma", "theta", "vega", "rho")
PUT = {"last": 300.0, "time": AT - 20.0}  # the out-of-the-money leg of the strike
CALL = {"last": 440.0, "time": AT - 50.0}


def quotes(rows: list[dict[str, float]]) -> QuoteColumns:
    return QuoteColumns(**{name: np.array([row.get(name, NAN) for row in rows], float) for name in QUOTE})


def answer(
    params: GreeksParams,
    quote: dict[str, float],
    twin: dict[str, float] | None = None,
    *,
    sign: float = 1.0,
    forward: float = FORWARD,
    black76: bool = True,
    **overrides: float,
) -> dict[str, Any]:
    contracts = ContractColumns(
        sign=np.array([sign]),
        strike=np.array([STRIKE]),
        expires_at=np.array([AT + 30 * 86_400.0]),
        black76=np.array([black76]),
        dividend_yield=np.array([0.01]),
        quotes=quotes([quote]),
    )
    found = ForwardSource.FUTURE if forward == forward else ForwardSource.AUTO
    columns = answer_options(
        contracts,
        np.zeros(1, np.intp),
        [GroupMarket(Forward(forward, found), 24_000.0, 0.14, 30.0)],
        {name: np.array([value]) for name, value in overrides.items()},
        {},
        AT,
        params,
        None if twin is None else quotes([twin]),
    )
    return {name: values[0] for name, values in columns.items()}


def theirs(row: dict[str, Any], price: float, sign: float, black76: bool = True) -> dict[str, float]:
    found = py_vollib_greeks(
        price=price,
        underlying=row["underlying_used"],
        strike=STRIKE,
        expiry_years=YEARS,
        rate=RATE,
        dividend_yield=0.01,
        sign=sign,
        black76=black76,
    )
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("black76", [True, False])
def test_an_option_in_the_money_has_its_twins_volatility(black76: bool) -> None:
    row = answer(TWIN, CALL, PUT, black76=black76)
    volatility = theirs(row, 300.0, -1.0, black76)["implied_volatility"]
    assert (row["status"], row["iv_source"]) == ("ok", "otm_twin")
    assert row["implied_volatility"] == pytest.approx(volatility, rel=1e-9)
    assert (row["price_used"], row["price_source"], row["price_age_seconds"]) == (300.0, "last", 20.0)
    # Its own price and Greeks at that volatility: by py_vollib, and by our reference in numpy.
    for name, value in theirs(row, row["theoretical_price"], 1.0, black76).items():
        assert row[name] == pytest.approx(value, rel=1e-8), name
    result, status = np.empty((7, 1)), np.empty(1, np.uint8)
    arguments = (volatility, row["underlying_used"], STRIKE, YEARS, RATE, 0.01, 1.0)
    reference_model(*(np.array([each]) for each in arguments), np.array([black76]).view(np.uint8), result, status)
    assert [row[name] for name in ("theoretical_price", *GREEKS)] == pytest.approx(result[1:, 0].tolist(), rel=1e-8)
    if black76:  # parity: the twins' prices differ by the discounted distance of forward and strike
        gap = (FORWARD - STRIKE) * math.exp(-RATE * YEARS)
        assert row["theoretical_price"] - 300.0 == pytest.approx(gap, rel=1e-9)


def test_a_closing_price_below_intrinsic_has_a_value_by_its_twin_alone() -> None:
    stale = {"close": 100.0, "time": AT - 50.0}  # 149 is the intrinsic value
    assert answer(GreeksParams(), stale)["status"] == "below_intrinsic"
    row = answer(TWIN, stale, PUT)
    assert (row["status"], row["reason"], row["iv_source"]) == ("ok", None, "otm_twin")
    assert answer(TWIN, {}, PUT)["implied_volatility"] == row["implied_volatility"]  # no price of its own at all


@pytest.mark.parametrize(
    ("params", "arguments", "price", "source"),
    [
        (TWIN, {"sign": -1.0}, 440.0, "price"),  # this one is the out-of-the-money leg
        (TWIN, {"twin": {}}, 440.0, "price"),  # its twin has no price
        (TWIN, {"twin": {"last": 300.0, "time": AT - 90_000.0}}, 440.0, "price"),  # too old
        (TWIN, {"twin": {"last": 30_000.0, "time": AT}}, 440.0, "price"),  # no volatility explains it
        (TWIN, {"price": 450.0}, 450.0, "price"),  # the caller's own price counts
        (TWIN, {"forward": STRIKE}, 440.0, "price"),  # at the money neither leg is out of it
        (TWIN, {"volatility": 0.3}, 440.0, "override"),
        (GreeksParams(), {}, 440.0, "price"),
        (GreeksParams(iv_from=IvFrom.OTM_TWIN, price=PriceSource.MID), {"price": NAN}, None, None),
    ],
)
def test_when_its_own_price_counts(
    params: GreeksParams, arguments: dict[str, Any], price: float | None, source: str | None
) -> None:
    row = answer(params, CALL, **{"twin": PUT, **arguments})
    if price is None:
        assert (row["status"], row["iv_source"]) == ("no_price", None)
    else:
        assert (row["price_used"], row["iv_source"]) == (price, source)


def test_an_underlying_of_ones_own_decides_which_leg_is_in_the_money() -> None:
    assert answer(TWIN, CALL, PUT, underlying_price=23_000.0)["iv_source"] == "price"
    assert answer(TWIN, CALL, PUT, underlying_price=24_100.0)["iv_source"] == "otm_twin"


def test_without_an_underlying_or_time_a_twin_helps_nothing() -> None:
    assert answer(TWIN, CALL, PUT, forward=NAN)["status"] == "no_underlying"


def test_twins_that_nobody_loaded_are_an_error_and_no_silent_default() -> None:
    with pytest.raises(ValueError, match="other legs"):
        answer(TWIN, CALL)


SIDES = GreeksParams(quote_iv=QuoteIv.BOTH_SIDES)
TWO_SIDED = {"bid": 430.0, "ask": 450.0, "last": 436.0, "time": AT - 1.0}


@pytest.mark.parametrize("black76", [True, False])
def test_both_sides_have_their_volatility(black76: bool) -> None:
    row = answer(SIDES, TWO_SIDED, black76=black76)
    for name, price in (("bid_iv", 430.0), ("mid_iv", 440.0), ("ask_iv", 450.0)):
        assert row[name] == pytest.approx(theirs(row, price, 1.0, black76)["implied_volatility"], rel=1e-9)
    assert row["mid_iv"] == row["implied_volatility"]
    assert row["bid_iv"] < row["mid_iv"] < row["ask_iv"]


@pytest.mark.parametrize(
    ("quote", "known"),
    [
        ({"bid": 100.0, "ask": 450.0}, "ask mid"),  # the bid is below intrinsic
        ({"bid": 430.0, "last": 436.0}, ""),
        ({"ask": 450.0, "last": 436.0}, ""),
        ({"bid": 450.0, "ask": 430.0, "last": 436.0}, ""),  # crossed
        ({"bid": 0.0, "ask": 450.0}, ""),
        ({"bid": 430.0, "ask": 30_000.0}, "bid mid"),  # an ask over the maximum
    ],
)
def test_a_side_without_a_volatility_is_null(quote: dict[str, float], known: str) -> None:
    row = answer(SIDES, {"time": AT - 1.0, **quote})
    assert {side for side in ("bid", "mid", "ask") if row[f"{side}_iv"] == row[f"{side}_iv"]} == set(known.split())


@pytest.mark.parametrize("arguments", [{"forward": NAN}, {"quote": {**TWO_SIDED, "time": AT - 90_000.0}}])
def test_without_a_forward_or_a_fresh_quote_all_are_null(arguments: dict[str, Any]) -> None:
    row = answer(SIDES, **{"quote": TWO_SIDED, **arguments})
    assert all(math.isnan(row[name]) for name in ("bid_iv", "mid_iv", "ask_iv"))


def test_sides_have_their_value_where_the_price_asked_for_has_none() -> None:
    row = answer(GreeksParams(quote_iv=QuoteIv.BOTH_SIDES, price=PriceSource.SETTLE), TWO_SIDED)
    assert row["status"] == "no_price" and row["mid_iv"] > 0


def test_the_default_computes_no_side() -> None:
    assert "bid_iv" not in answer(GreeksParams(), TWO_SIDED)
