"""American and European options in one call, by every parameter that leads to a number."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signals.greeks.core import american, engine
from signals.greeks.core.both_sides import quote_volatilities
from signals.greeks.core.carry import CarryColumns
from signals.greeks.core.conventions import (
    FORWARD_SOURCES,
    HIGHER_ORDER,
    VOLATILITY_SOURCES,
    Exercise,
    FallbackVolatility,
    ForwardSource,
    GreeksParams,
    IvFrom,
    Theta,
    VolatilitySource,
)
from signals.greeks.core.dividends import CashDividend, dividend_columns
from signals.greeks.core.evaluate import GreeksResult, OptionColumns, evaluate
from signals.greeks.core.exercise import higher_order_greeks, model_greeks
from signals.greeks.core.higher import higher_greeks
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import find_markets
from signals.greeks.core.status import Status
from signals.instruments.core.underlyings import american_by_default
from tests.core.test_forward_prices import chain, two_sided

DAY = 86_400.0
NAN = np.nan
TERMS = ("underlying", "strike", "expiry_years", "rate", "dividend_yield", "sign", "black76")


def options(sign: list[float], american_of: list[bool], price: list[float], **changes: Any) -> OptionColumns:
    """Return options on a spot of 95, strike 100, half a year, r = 5 % by parameter, with `price` as bid and ask."""
    count = len(sign)

    def full(value: float) -> np.ndarray:
        return np.full(count, value)

    mid = np.array(price)
    quotes = QuoteColumns(
        bid=mid - 0.05,
        ask=mid + 0.05,
        last=full(NAN),
        settle=full(NAN),
        close=full(NAN),
        volume=full(1.0),
        time=full(0.0),
    )
    columns: dict[str, Any] = {
        "sign": np.array(sign),
        "strike": full(100.0),
        "seconds_to_expiry": full(182.5 * DAY),
        "days_to_expiry": full(182.0),
        "black76": np.zeros(count, bool),
        "dividend_yield": full(0.0),
        "quotes": quotes,
        "spot": full(95.0),
        "forward": full(95.0 * np.exp(0.025)),
        "forward_source": np.full(count, FORWARD_SOURCES.index(ForwardSource.SPOT), np.int8),
        "forward_price_source": np.zeros(count, np.int8),
        "strikes_disagree": np.zeros(count, bool),
        "volatility_index": full(0.3),
        "american": np.array(american_of),
        **{
            name: full(NAN)
            for name in (
                "forward_price_age",
                "forward_bid",
                "forward_ask",
                "forward_residual",
                "forward_strikes",
                "forward_excluded",
                *(
                    f"override_{each}"
                    for each in (*("price", "underlying", "volatility", "rate", "dividend_yield"), "expiry_years")
                ),
            )
        },
    }
    return OptionColumns(**{**columns, **changes})


RATE = GreeksParams(rate=0.05)


def terms_of(result: GreeksResult, given: OptionColumns, rows: Any = slice(None)) -> dict[str, np.ndarray]:
    columns = (
        *(result.underlying_used, given.strike, result.expiry_years, result.rate, result.dividend_yield),
        *(given.sign, result.black76),
    )
    return {name: column[rows] for name, column in zip(TERMS, columns, strict=True)}


def test_each_option_of_a_mixed_call_goes_to_its_own_engine() -> None:
    given = options([-1.0, -1.0, 1.0, 1.0], [True, False, True, False], [8.0, 8.0, 5.0, 5.0])
    found = evaluate(given, RATE)
    assert (found.status == Status.OK).all()
    by_american = american.implied_greeks(price=np.full(1, 8.0), **terms_of(found, given, slice(0, 1)))
    plain = engine.implied_greeks(price=np.full(1, 8.0), **terms_of(found, given, slice(1, 2)))
    for name in ("implied_volatility", "delta", "gamma", "theta", "vega", "rho"):
        values = getattr(found, name)
        assert values[0] == getattr(by_american, name)[0] and values[1] == getattr(plain, name)[0]
    assert found.implied_volatility[0] < found.implied_volatility[1]  # part of the price is the right to exercise
    assert found.implied_volatility[2] == found.implied_volatility[3]  # none is, for a call without dividends


@pytest.mark.parametrize("exercise", [Exercise.EUROPEAN, Exercise.AMERICAN])
def test_the_parameter_decides_for_all(exercise: Exercise) -> None:
    mixed, alike = (
        options([-1.0, -1.0], flags, [8.0, 8.0]) for flags in ([True, False], [exercise is Exercise.AMERICAN] * 2)
    )
    asked, own = evaluate(mixed, replace(RATE, exercise=exercise)), evaluate(alike, RATE)
    np.testing.assert_array_equal(asked.implied_volatility, own.implied_volatility)
    assert asked.american.tolist() == [exercise is Exercise.AMERICAN] * 2


def test_twin_fallback_and_overrides_price_american_options_too() -> None:
    flags = [True, True, True]
    given = options([-1.0, -1.0, -1.0], flags, [8.0, NAN, 8.0], override_volatility=np.array([NAN, NAN, 0.4]))
    twins = options([1.0] * 3, flags, [7.0] * 3).quotes
    by_twin = evaluate(given, replace(RATE, iv_from=IvFrom.OTM_TWIN), twins)
    source = VOLATILITY_SOURCES.index(VolatilitySource.OTM_TWIN)
    assert by_twin.iv_source.tolist()[:2] == [source] * 2 and (by_twin.status == Status.OK).all()
    terms = terms_of(by_twin, given)
    call = american.implied_greeks(price=np.full(3, 7.0), **{**terms, "sign": np.ones(3)})
    assert by_twin.implied_volatility[0] == call.implied_volatility[0]
    fallen = evaluate(given, replace(RATE, fallback_volatility=FallbackVolatility.VIX))
    assert fallen.implied_volatility.tolist()[1:] == [0.3, 0.4]
    for place in (1, 2):
        one = {name: column[[place]] for name, column in terms.items()}
        expected = american.model_greeks(volatility=fallen.implied_volatility[[place]], **one)
        assert fallen.theoretical_price[place] == expected.price[0] and fallen.theta[place] == expected.theta[0]


def test_both_sides_of_the_quote_are_american() -> None:
    given = options([-1.0, -1.0], [True, False], [8.0, 8.0])
    found = evaluate(given, RATE)
    sides = quote_volatilities(given, found)
    assert (sides["bid_iv"] < sides["mid_iv"]).all() and (sides["mid_iv"] < sides["ask_iv"]).all()
    np.testing.assert_array_equal(sides["mid_iv"], found.implied_volatility)


def test_the_price_of_exercise_implies_nothing_and_says_so() -> None:
    given = options([-1.0, -1.0, -1.0], [True, True, False], [5.0, 4.9, 5.0])
    found = evaluate(given, RATE)
    assert [Status(code) for code in found.status.tolist()] == [Status.NO_TIME_VALUE, Status.BELOW_INTRINSIC, Status.OK]
    assert np.isnan(found.implied_volatility[:2]).all()


def test_the_premium_is_what_the_right_adds() -> None:
    given = options([-1.0, -1.0, 1.0], [True, False, True], [8.0, 8.0, 5.0])
    found = evaluate(given, RATE)
    early = higher_greeks(given, found, ("exercise", "early_exercise_premium"))
    assert early["exercise"].tolist() == ["american", "european", "american"]
    plain = engine.model_greeks(volatility=found.implied_volatility, **terms_of(found, given)).price
    premium = early["early_exercise_premium"]
    assert premium[0] == found.theoretical_price[0] - plain[0] > 0.1
    assert np.isnan(premium[1]) and premium[2] == pytest.approx(0.0, abs=1e-12)


def test_higher_orders_are_differences_of_the_first() -> None:
    given = options([-1.0, 1.0], [True, True], [8.0, 5.0], dividend_yield=np.full(2, 0.03))
    found = evaluate(given, RATE)
    values = higher_greeks(given, found, HIGHER_ORDER)
    terms = terms_of(found, given)
    up, down = (
        american.model_greeks(volatility=found.implied_volatility + each, **terms, most_work=True)
        for each in (0.002, -0.002)
    )
    np.testing.assert_allclose(values["vanna"], (up.delta - down.delta) / 0.4, rtol=5e-3)
    np.testing.assert_allclose(values["volga"], (up.vega - down.vega) / 0.4, rtol=2e-2, atol=1e-6)
    np.testing.assert_allclose(values["elasticity"], found.delta * 95.0 / found.theoretical_price, rtol=1e-4)
    assert all(np.isfinite(column).all() for column in values.values())


def with_dividend(given: OptionColumns) -> OptionColumns:
    from signals.greeks.core.carry import DIVIDEND_SOURCES, DividendSource

    count = len(given.sign)
    carry = CarryColumns(
        rate=np.full(count, 0.05),
        rate_source=np.zeros(count, np.int8),
        dividend_yield=np.zeros(count),
        dividend_source=np.full(count, DIVIDEND_SOURCES.index(DividendSource.DISCRETE), np.int8),
        dividends=dividend_columns([[CashDividend(0.4, 3.0)]], np.zeros(count, np.intp)),
    )
    return replace(given, carry=carry)


def test_cash_dividends_reach_the_american_engine() -> None:
    given = with_dividend(options([1.0, 1.0, -1.0], [True, False, True], [4.0, 4.0, 11.0]))
    found = evaluate(given, RATE)
    assert (found.status == Status.OK).all()
    np.testing.assert_allclose(found.underlying_used, 95.0 - 3.0 * np.exp(-0.05 * 0.4))
    assert found.implied_volatility[0] < found.implied_volatility[1]  # exercise before the dividend is worth something
    early = higher_greeks(given, found, ("early_exercise_premium", "vanna"))
    assert early["early_exercise_premium"][0] > 0.01
    assert np.isnan(early["vanna"][[0, 2]]).all() and np.isfinite(early["vanna"][1])  # none where grids price
    tomorrow = evaluate(given, replace(RATE, theta=Theta.NEXT_DAY))
    np.testing.assert_allclose(tomorrow.theta, found.theta, rtol=0.02)


def test_a_dividend_after_the_callers_own_expiry_does_not_count() -> None:
    given = with_dividend(options([-1.0, -1.0], [True, False], [8.0, 8.0], override_expiry_years=np.full(2, 0.25)))
    found = evaluate(given, RATE)
    np.testing.assert_array_equal(found.underlying_used, 95.0)
    assert (found.status == Status.OK).all() and (found.dividend_value == 0.0).all()


@pytest.mark.parametrize("wanted", [ForwardSource.AUTO, ForwardSource.PARITY])
@pytest.mark.parametrize("early", [False, True])
def test_auto_takes_no_parity_from_american_quotes(wanted: ForwardSource, early: bool) -> None:
    """The chain's parity says 101, its spot 100."""
    snapshot = chain(two_sided, {}, (100.0, 1, 5.0))
    snapshot = replace(snapshot, underlyings=replace(snapshot.underlyings, american=np.array([early])))
    (market,) = find_markets(snapshot, GreeksParams(forward=wanted, rate=0.0))
    asked = wanted is ForwardSource.PARITY
    assert market.american is early
    assert market.forward.source is (ForwardSource.PARITY if asked or not early else ForwardSource.SPOT)
    assert market.forward.value == pytest.approx(101.0 if asked or not early else 100.0, abs=0.2)
    (plain,) = find_markets(snapshot, GreeksParams(forward=wanted, rate=0.0, exercise=Exercise.EUROPEAN))
    assert plain.forward.source is ForwardSource.PARITY and not plain.american


@pytest.mark.parametrize(
    ("exchange", "symbol", "expected"),
    [
        ("OPRA", "MSFT", True),
        ("NASDAQ", "AAPL", True),
        ("CBOE", "SPY", True),
        ("CBOE", "OEX", True),
        ("CBOE", "SPX", False),
        ("CBOE", "SPXW", False),
        ("CBOE", "VIX", False),
        ("NSE", "RELIANCE", False),
        ("DERIBIT", "BTC", False),
        ("SIM", "SPY", False),
    ],
)
def test_us_equities_are_american_by_default(exchange: str, symbol: str, expected: bool) -> None:
    assert american_by_default(exchange, symbol) is expected


MSFT = Path(__file__).parents[3] / "shared/data/4_vendor_greeks/tda_MSFT_2021-05-17.json.gz"
"""Puts of Microsoft after the close of 17 May 2021, with a vendor's volatilities and deltas."""


@pytest.mark.skipif(not MSFT.exists(), reason="no shared data")
def test_a_vendors_american_puts() -> None:
    """r = 0.1 % (the file's own), the announced 0.56 a quarter as a yield of 0.91 %, mid, T to the last minute.

    The vendor states neither dividends nor T, so this says how near its conventions are and bounds nothing else.
    """
    with gzip.open(MSFT) as file:
        whole = json.load(file)
    legs = [leg for strikes in whole["putExpDateMap"].values() for found in strikes.values() for leg in found]
    legs = [leg for leg in legs if 20 <= leg["daysToExpiration"] <= 250 and float(leg["volatility"]) > 0]
    strike, bid, ask, iv, delta, seconds = (
        np.array([float(value(leg)) for leg in legs])
        for value in (
            lambda leg: leg["strikePrice"],
            lambda leg: leg["bid"],
            lambda leg: leg["ask"],
            lambda leg: float(leg["volatility"]) / 100,
            lambda leg: leg["delta"],
            lambda leg: (leg["lastTradingDay"] - leg["quoteTimeInLong"]) / 1000,
        )
    )
    found = american.implied_greeks(
        price=(bid + ask) / 2,
        underlying=whole["underlyingPrice"],
        strike=strike,
        expiry_years=seconds / (365 * DAY),
        rate=0.001,
        dividend_yield=0.0091,
        sign=-1.0,
        black76=False,
    )
    assert len(legs) > 150 and (found.status == Status.OK).all()
    off, delta_off = np.abs(found.implied_volatility - iv), np.abs(found.delta - delta)
    out = strike < whole["underlyingPrice"]
    assert np.median(off[out]) < 0.003 and np.quantile(off[out], 0.9) < 0.01
    assert np.median(delta_off[out]) < 0.002 and np.quantile(delta_off[out], 0.9) < 0.008
    assert np.median(off) < 0.006 and np.quantile(off, 0.9) < 0.03
    assert np.median(delta_off) < 0.004 and np.quantile(delta_off, 0.9) < 0.03


def test_a_dividend_after_the_expiry_is_nobodys() -> None:
    late = dividend_columns([[CashDividend(0.3, 5.0)]], np.zeros(2, np.intp))
    none = dividend_columns([[]], np.zeros(2, np.intp))
    terms = {"underlying": 100.0, "strike": 100.0, "expiry_years": 0.1, "rate": 0.05, "dividend_yield": 0.0}
    contract = {name: np.full(2, value) for name, value in terms.items()}
    contract |= {"sign": np.array([1.0, -1.0]), "black76": np.zeros(2, bool)}
    for function in (model_greeks, higher_order_greeks):
        found, plain = (function(np.full(2, 0.2), contract, np.ones(2, bool), owed) for owed in (late, none))
        for values, expected in zip(found, plain, strict=True):
            assert np.isfinite(values).all() and (values == expected).all()
