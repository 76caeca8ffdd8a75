"""The choice of the price and of the forward."""

import math

import numpy as np
import pytest

from signals.greeks.core.conventions import PRICE_SOURCES, ForwardSource, PriceSource
from signals.greeks.core.forward import CarriedFrom, find_forward
from signals.greeks.core.parity import ParityColumns, ParityForward, parity_forwards
from signals.greeks.core.prices import QuoteColumns, choose_price

NAN = math.nan


def quotes(*rows: tuple[float, float, float, float, float]) -> QuoteColumns:
    bid, ask, last, settle, close = np.array(rows, dtype=float).T
    nothing = np.full(len(rows), NAN)
    return QuoteColumns(bid=bid, ask=ask, last=last, settle=settle, close=close, volume=nothing, time=nothing)


@pytest.mark.parametrize(
    ("quote", "price", "source"),
    [
        ((10, 12, 9, 8, 7), 11, "mid"),
        ((10, 10, 9, 8, 7), 10, "mid"),  # locked is not crossed
        ((12, 10, 9, 8, 7), 9, "last"),  # crossed
        ((0, 12, 9, 8, 7), 9, "last"),  # one-sided
        ((NAN, 12, 9, 8, 7), 9, "last"),
        ((10, NAN, 9, 8, 7), 9, "last"),
        ((10, math.inf, 9, 8, 7), 9, "last"),
        ((NAN, NAN, 0, 8, 7), 8, "settle"),
        ((NAN, NAN, -1, NAN, 7), 7, "close"),
        ((NAN, NAN, NAN, NAN, 0), NAN, None),
    ],
)
def test_auto_takes_the_best_price_there_is(quote: tuple[float, ...], price: float, source: str | None) -> None:
    found, where = choose_price(quotes(quote), PriceSource.AUTO)  # type: ignore[arg-type]
    np.testing.assert_equal(found, [price])
    assert (PRICE_SOURCES[where[0]] if where[0] >= 0 else None) == source


@pytest.mark.parametrize(("wanted", "price"), [("mid", NAN), ("last", 9.0), ("settle", NAN), ("close", 7.0)])
def test_a_named_price_is_strict(wanted: str, price: float) -> None:
    found, where = choose_price(quotes((0, 12, 9, NAN, 7)), PriceSource(wanted))
    np.testing.assert_equal(found, [price])
    assert (where[0] >= 0) == math.isfinite(price)


def chain(
    forward: float = 24_000.0, discount: float = 0.99, *, strikes: int = 41, spread: float = NAN
) -> ParityColumns:
    """Return a chain in parity with this forward: time value 300 at the money, less in the wings."""
    strike = forward + 100.0 * (np.arange(strikes) - strikes // 2) + 20.0
    away = forward - strike
    time_value = 300.0 * np.exp(-np.abs(away) / 800.0)
    wide = np.full(strikes, spread)
    return ParityColumns(
        strike=strike,
        call=time_value + discount * np.maximum(away, 0.0),
        put=time_value + discount * np.maximum(-away, 0.0),
        call_spread=wide,
        put_spread=wide.copy(),
        call_volume=np.full(strikes, 1000.0),
        put_volume=np.full(strikes, 1000.0),
        call_time=np.full(strikes, NAN),
        put_time=np.full(strikes, NAN),
    )


def parity_forward(columns: ParityColumns, *, discount: float) -> ParityForward:
    """Return the forward of one expiry, a year ahead."""
    sizes = np.array([len(columns.strike)])
    (found,) = parity_forwards(columns, sizes, rate=-math.log(discount), expiry_years=np.ones(1))
    return found


@pytest.mark.parametrize("spread", [NAN, 2.0])
def test_parity_finds_the_forward_and_shrugs_off_bad_quotes(spread: float) -> None:
    columns = chain(spread=spread)
    assert parity_forward(columns, discount=0.99).value == pytest.approx(24_000.0, abs=1e-9)
    rng = np.random.default_rng(1)
    bad = rng.choice(len(columns.strike), 12, replace=False)
    columns.call[bad] *= rng.uniform(0.2, 5.0, 12)
    found = parity_forward(columns, discount=0.99)
    assert found.value == pytest.approx(24_000.0, rel=1e-4)
    assert found.strikes + len(found.excluded) == 41 and not found.disagree


def test_thin_stale_strikes_do_not_outvote_fresh_ones() -> None:
    columns = chain()
    stale = np.abs(columns.strike - 24_000.0) > 400.0  # most strikes last traded when the forward was 200 lower
    columns.call[stale] -= 198.0
    columns.call_volume[stale] = 2.0
    assert parity_forward(columns, discount=0.99).value == pytest.approx(24_000.0, abs=1e-6)


def test_two_sided_pairs_are_not_diluted_with_trades_of_another_moment() -> None:
    columns = chain(spread=1.0)
    trades = np.arange(len(columns.strike)) % 3 > 0
    columns.call[trades] += 150.0
    columns.call_spread[trades] = NAN
    assert parity_forward(columns, discount=0.99).value == pytest.approx(24_000.0, abs=1e-6)


@pytest.mark.parametrize("strikes", [0, 2])
def test_too_few_strikes_give_no_forward(strikes: int) -> None:
    found = parity_forward(chain(strikes=strikes), discount=0.99)
    assert math.isnan(found.value) and not found.disagree
    assert found.strikes == strikes


CARRY = math.exp((0.06 - 0.01) * 0.5)


@pytest.mark.parametrize(
    ("wanted", "strikes", "future", "spot", "value", "source"),
    [
        ("auto", 9, 101.0, 100.0, 24_000.0, "parity"),
        ("auto", 0, 101.0, 100.0, 101.0, "future"),
        ("auto", 0, NAN, 100.0, 100.0 * CARRY, "spot"),
        ("auto", 0, NAN, NAN, 103.0 * math.exp(0.05 * 0.25), "carried_future"),
        ("parity", 9, 101.0, 100.0, 24_000.0, "parity"),
        ("parity", 2, 101.0, 100.0, None, None),
        ("future", 9, 101.0, 100.0, 101.0, "future"),
        ("future", 9, NAN, 100.0, None, None),
        ("spot", 9, 101.0, 100.0, 100.0 * CARRY, "spot"),
        ("spot", 9, 101.0, NAN, None, None),
    ],
)
def test_auto_falls_through_and_a_named_source_is_strict(
    wanted: str, strikes: int, future: float, spot: float, value: float | None, source: str | None
) -> None:
    found = find_forward(
        ForwardSource(wanted),
        parity=parity_forward(chain(discount=math.exp(-0.03), strikes=strikes), discount=math.exp(-0.03)),
        future=future,
        spot=spot,
        nearest_future=CarriedFrom(103.0, 0.25),
        expiry_years=0.5,
        rate=0.06,
        dividend_yield=0.01,
    )
    assert found.found == (value is not None)
    if value is not None:
        assert found.value == pytest.approx(value, rel=1e-12)
        assert found.source == source


def test_auto_with_nothing_at_all_finds_nothing() -> None:
    found = find_forward(
        ForwardSource.AUTO,
        parity=parity_forward(chain(strikes=0), discount=0.99),
        future=NAN,
        spot=NAN,
        nearest_future=CarriedFrom(NAN, 0.0),
        expiry_years=0.5,
        rate=0.06,
        dividend_yield=0.0,
    )
    assert not found.found
