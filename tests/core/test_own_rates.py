"""Items with a rate or yield of their own beside the expiry's: each has the forward that its own rate gives."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.greeks.core.answers import answer_options
from signals.greeks.core.contracts import ContractColumns
from signals.greeks.core.conventions import ForwardSource, GreeksParams
from signals.greeks.core.parity import ParityForward
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.rederived import at_another_rate
from signals.greeks.core.snapshot import ChainSnapshot, GroupMarket, find_markets
from signals.rates.core.carry import Carry, ExDividend
from signals.rates.core.curves import ZeroCurve
from tests.core import test_forward_prices as prices
from tests.core import test_parity_forward as simulated
from tests.core import test_parity_real_chains as real

RATE = simulated.RATE  # 6.5 %
AT, DAY, NAN, TODAY = prices.AT, prices.DAY, prices.NAN, prices.TODAY
NO_SPOT = (NAN, -1, NAN)
FAR, NEAR = {37: {"last": 101.5, "time": AT - 1.0}}, {20: {"last": 101.5, "time": AT - 1.0}}
CASH = ((10, 0.4), (25, 0.5), (33, 0.6), (90, 9.0))  # days until each goes ex
PAID = Carry(dividends=tuple(ExDividend(TODAY + days, AT + days * DAY, amount) for days, amount in CASH))


def knowing(snapshot: ChainSnapshot, known: Carry) -> ChainSnapshot:
    return replace(snapshot, underlyings=replace(snapshot.underlyings, known=[known]))


def answers(
    market: GroupMarket, params: GreeksParams, *, days: float = 30.0, strike: float = 101.0, **own: list[float]
) -> list[dict[str, Any]]:
    """Return the answers of as many equal calls as there are values of each override."""
    count = len(next(iter(own.values())))
    quote = QuoteColumns(**{name: np.full(count, {"last": 5.0, "time": AT}.get(name, NAN)) for name in prices.QUOTE})
    contracts = ContractColumns(
        sign=np.ones(count),
        strike=np.full(count, strike),
        expires_at=np.full(count, AT + days * DAY),
        black76=np.zeros(count, np.bool_),
        dividend_yield=np.zeros(count),
        quotes=quote,
    )
    overrides = {name: np.array(values) for name, values in own.items()}
    columns = answer_options(contracts, np.zeros(count, np.intp), [market], overrides, {}, AT, params)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def test_two_items_at_different_rates_have_different_forwards_by_parity() -> None:
    snapshot = prices.chain(prices.two_sided, {}, NO_SPOT)
    # An expiry as far away as shows the difference: 30 days are T = 0.082.
    params = GreeksParams(rate=0.065)
    (market,) = find_markets(snapshot, params)
    parity = market.forward.parity
    assert parity is not None and 90 < parity.anchor < 110
    plain, low, high = answers(market, params, rate=[NAN, 0.01, 0.2])
    assert plain["forward"] == market.forward.value
    assert (plain["rate_source"], low["rate_source"]) == ("parameter", "override")
    for row, rate in ((low, 0.01), (high, 0.2)):
        growth = math.exp((rate - 0.065) * 30 / 365)
        for name, value in (("forward", parity.value), ("forward_bid", parity.bid), ("forward_ask", parity.ask)):
            assert row[name] == pytest.approx(parity.anchor + (value - parity.anchor) * growth, rel=1e-13)
        again = find_markets(snapshot, GreeksParams(rate=rate))[0].forward
        assert abs(row["forward"] - again.value) < 0.1 * (parity.ask - parity.bid)
        assert row["underlying_used"] == pytest.approx(row["forward"] * math.exp(-rate * 30 / 365), rel=1e-13)
    assert low["forward"] != high["forward"]


def test_an_item_that_says_the_rate_of_its_market_changes_nothing() -> None:
    params = GreeksParams(rate=0.065)
    (market,) = find_markets(prices.chain(prices.two_sided, {}, NO_SPOT), params)
    plain, same = answers(market, params, rate=[NAN, 0.065])
    assert {name for name in plain if plain[name] != same[name] and plain[name] == plain[name]} == {"rate_source"}


@pytest.mark.parametrize("futures", [FAR, NEAR])
@pytest.mark.parametrize("known", [Carry(), PAID])
@settings(deadline=None)
@given(rate=st.floats(-0.2, 0.5), dividend_yield=st.one_of(st.just(NAN), st.floats(-0.1, 0.2)))
def test_a_carried_future_is_carried_at_the_items_rate_and_yield(
    futures: dict[int, dict[str, float]], known: Carry, rate: float, dividend_yield: float
) -> None:
    snapshot = knowing(prices.chain(prices.no_quote, futures, NO_SPOT), known)
    (market,) = find_markets(snapshot, GreeksParams(rate=0.065))
    assert market.forward.source is ForwardSource.CARRIED_FUTURE
    (row,) = answers(market, GreeksParams(rate=0.065), rate=[rate], dividend_yield=[dividend_yield])
    own = None if math.isnan(dividend_yield) else dividend_yield
    (again,) = find_markets(snapshot, GreeksParams(rate=rate, dividend_yield=own))
    assert row["forward"] == pytest.approx(again.forward.value, rel=1e-13)
    (days,) = futures
    between = [each for each in PAID.dividends if min(days, 30) < each.ex_day - TODAY < max(days, 30)]
    growth = (rate - (own or 0.0)) * (30 - days) / 365
    paid = sum(each.amount * math.exp(rate * (30 - (each.ex_day - TODAY)) / 365) for each in between)
    paid *= (-1 if days < 30 else 1) * (known is PAID and own is None)
    assert row["forward"] == pytest.approx(101.5 * math.exp(growth) + paid, rel=1e-13)


def test_a_future_is_carried_at_the_forward_rate_of_a_curve() -> None:
    curve = ZeroCurve("INR", TODAY, np.array([30.0, 37.0]), np.array([0.05, 0.08]))
    (market,) = find_markets(knowing(prices.chain(prices.no_quote, FAR, NO_SPOT), Carry(curve=curve)), GreeksParams())
    assert market.forward.value == pytest.approx(101.5 * math.exp(0.05 * 30 / 365 - 0.08 * 37 / 365), rel=1e-13)


def test_a_spot_goes_to_its_forward_without_the_dividends_before_the_expiry() -> None:
    snapshot = knowing(prices.chain(prices.no_quote, {}, prices.SPOT), PAID)
    params = GreeksParams(rate=0.06)
    (market,) = find_markets(snapshot, params)
    plain, own_rate, own_yield, own_spot = answers(
        market,
        params,
        rate=[NAN, 0.1, NAN, NAN],
        dividend_yield=[NAN, NAN, 0.02, NAN],
        underlying_price=[NAN, NAN, NAN, 102.0],
    )
    years = 30 / 365
    for row, spot, rate in ((plain, 100.0, 0.06), (own_rate, 100.0, 0.1), (own_spot, 102.0, 0.06)):
        value = 0.4 * math.exp(-rate * 10 / 365) + 0.5 * math.exp(-rate * 25 / 365)
        assert row["dividend_value"] == pytest.approx(value, rel=1e-14)
        assert row["forward"] == pytest.approx((spot - value) * math.exp(rate * years), rel=1e-14)
        assert row["underlying_used"] == pytest.approx(spot - value, rel=1e-14)
        assert (row["dividend_yield"], row["dividend_source"]) == (0.0, "discrete")
    assert market.forward.value == pytest.approx(plain["forward"], rel=1e-14)
    assert own_yield["forward"] == pytest.approx(100.0 * math.exp((0.06 - 0.02) * years), rel=1e-14)
    assert (own_yield["dividend_value"], own_yield["dividend_source"]) == (0.0, "override")


def test_dividends_worth_more_than_the_spot_leave_no_forward() -> None:
    ruin = Carry(dividends=(ExDividend(TODAY + 5, AT + 5 * DAY, 150.0),))
    (market,) = find_markets(knowing(prices.chain(prices.no_quote, {}, prices.SPOT), ruin), GreeksParams())
    assert not market.forward.found
    (row,) = answers(market, GreeksParams(), volatility=[0.2])
    assert row["status"] == "no_underlying"


def test_what_parity_and_futures_say_has_the_dividends_in_it() -> None:
    for leg, futures in ((prices.two_sided, {}), (prices.no_quote, {30: {"last": 101.0, "time": AT}})):
        snapshot = prices.chain(leg, futures, prices.SPOT)
        (plain,), (paying,) = (find_markets(each, GreeksParams()) for each in (snapshot, knowing(snapshot, PAID)))
        assert paying.forward.value == plain.forward.value
        (row,) = answers(paying, GreeksParams(), volatility=[0.2])
        assert row["underlying_used"] == pytest.approx(row["forward"] * math.exp(-0.065 * 30 / 365), rel=1e-14)


def off(found: list[ParityForward], again: list[ParityForward], years: list[float], change: float) -> np.ndarray:
    """Return how far forwards turned to another rate are from a new search, in halves of their own bid-ask."""
    value, bid, ask, anchor = (np.array([getattr(each, name) for each in found]) for name in NUMBERS)
    moved = at_another_rate(value, anchor, np.full(len(value), change), np.array(years))
    far: np.ndarray = np.abs(moved - [each.value for each in again]) / (0.5 * (ask - bid))
    return far[np.isfinite(far)]


NUMBERS = ("value", "bid", "ask", "anchor")


@pytest.mark.parametrize("change", [-0.02, 0.005, 0.02])
@pytest.mark.parametrize("seed", range(5))
def test_in_a_simulated_market_a_new_search_finds_nearly_the_same(seed: int, change: float) -> None:
    quotes, expiries = simulated.market(seed)
    found, again = (simulated.forwards(quotes, expiries, rate=RATE + more) for more in (0.0, change))
    far = off(found, again, [each.years for each in expiries], change)
    assert len(far) == len(expiries)
    assert far.max() < 0.15


@pytest.mark.skipif(not real.DATA.exists(), reason="the shared market data is not on this machine")
@pytest.mark.parametrize("change", [-0.02, 0.005, 0.02])
@pytest.mark.parametrize(
    "name", ["banknifty_2021-05-17_1530.json.gz", "nifty_2022-03-15_1301.json.gz", "nifty_2025-08-05_1359.json.gz"]
)
def test_in_real_chains_too(name: str, change: float) -> None:
    base, other = real.nse_chain(name), real.nse_chain(name, RATE + change)
    found, again = ([each.found for each in expiries] for expiries in (base, other))
    far = off(found, again, [each.years for each in base], change)
    assert len(far) > 5
    assert far.max() < 0.4


def test_the_example_of_the_page_on_the_engine() -> None:
    page = (Path(__file__).parents[2] / "docs/engine.md").read_text()
    paying = Carry(dividends=(ExDividend(TODAY + 30, AT + 30 * DAY, 10.0),))
    shown = {}
    for name, known in (("without", Carry()), ("with", paying)):
        snapshot = knowing(prices.chain(prices.no_quote, {}, (800.0, 1, 12.0)), known)
        groups = replace(snapshot.groups, expiry=np.array([TODAY + 90]), expires_at=np.array([AT + 90 * DAY]))
        params = GreeksParams(rate=0.06)
        (market,) = find_markets(replace(snapshot, groups=groups), params)
        (shown[name],) = answers(market, params, days=90.0, strike=800.0, volatility=[0.25])
    for row, column, digits in (
        ("`dividend_value`", "dividend_value", 3),
        ("`underlying_used`", "underlying_used", 3),
        ("`forward`", "forward", 3),
        ("price", "theoretical_price", 3),
        ("delta", "delta", 4),
    ):
        first, second = (f"{shown[name][column]:.{digits}f}" for name in ("without", "with"))
        first = first.rstrip("0").rstrip(".") if row != "delta" else first
        assert f"| {row} | {first} | {second} |" in page
