"""The search of settings, on tables of vendors whose settings are known: it must find them, whatever a few legs say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from signals.comparison.core.ours import FACTORS, THETA_FACTORS, Computer
from signals.comparison.core.search import Found, Search
from signals.comparison.core.settings import Settings
from signals.comparison.core.vendor import VendorColumns, find_pairs, pinned
from signals.greeks.core.engine import model_greeks

SPOT = 5_000.0
GREEKS = ("delta", "gamma", "theta", "vega", "rho")


def vendor(made_with: Settings, *, percent: bool = False, greeks: bool = True, carry: float = 0.02) -> VendorColumns:
    """Return a vendor's table: three expiries, calls and puts, quoted at 11:23 with a spread, computed as `made_with`.

    The true forward is the spot at `carry`, less a dividend after 30 days. Last trades and settlements are of other
    moments, so that only one price gives the volatility that the vendor has.
    """
    rng = np.random.default_rng(7)
    days, strike, sign = (
        column.ravel()
        for column in np.meshgrid([9.0, 37.0, 128.0], np.linspace(4_400.0, 5_600.0, 25), [1.0, -1.0], indexing="ij")
    )
    seconds = days * 86_400.0 + 4.6 * 3_600.0
    years = seconds / (365 * 86_400.0) if made_with.day_count == "exact" else days / 365.0
    growth = np.exp((made_with.rate - made_with.dividend_yield) * years)
    forward = SPOT * growth if made_with.forward == "spot" else SPOT * np.exp(carry * years) - 25.0 * (days > 30.0)
    volatility = 0.18 + 0.4 * np.log(strike / SPOT) ** 2 - 0.12 * np.log(strike / SPOT)
    black76 = made_with.model == "black76"
    terms: dict[str, Any] = {
        "underlying": forward if black76 else forward / growth,
        "strike": strike,
        "rate": made_with.rate,
        "dividend_yield": made_with.dividend_yield,
        "sign": sign,
        "black76": black76,
    }
    fair = model_greeks(volatility=volatility, expiry_years=years, **terms)
    tomorrow = model_greeks(volatility=volatility, expiry_years=years - 1 / 365, **terms)
    unknown = np.full(len(strike), np.nan)
    other = {name: fair.price * rng.uniform(0.97, 1.03, len(strike)) for name in ("last", "settle", "mark")}
    prices = other | {"bid": fair.price - 0.2, "ask": fair.price + 0.2}
    if made_with.price != "mid":
        prices = other | {"bid": other["settle"] * 0.99, "ask": other["settle"] * 1.02, made_with.price: fair.price}
    theta = tomorrow.price - fair.price
    if made_with.theta_unit != "next_day":
        theta = fair.theta * THETA_FACTORS[made_with.theta_unit]
    columns = {
        "delta": fair.delta,
        "gamma": fair.gamma,
        "theta": theta,
        "vega": fair.vega * FACTORS[made_with.vega_unit],
        "rho": fair.rho * FACTORS[made_with.rho_unit],
    }
    return VendorColumns(
        sign=sign,
        strike=strike,
        contract=np.arange(len(strike)),
        expiry=np.searchsorted([9.0, 37.0, 128.0], days),
        time=np.full(len(strike), 1_780_000_000.0),
        seconds_to_expiry=seconds,
        days_to_expiry=days,
        **{name: prices[name] for name in ("bid", "ask", "last", "settle", "mark")},
        close=unknown,
        volume=np.full(len(strike), 50.0),
        spot=np.full(len(strike), SPOT),
        future=forward if made_with.forward == "future" else unknown,
        implied_volatility=np.round(volatility, 4) * (100.0 if percent else 1.0),
        **{name: np.round(columns[name], 6) if greeks else unknown for name in GREEKS},
    )


def search(columns: VendorColumns, **fixed: str | float) -> Found:
    return Search(Computer.of(columns), fixed).find()


@pytest.mark.parametrize(
    ("made_with", "table"),
    [
        (
            Settings(forward="spot", rate=0.1, day_count="calendar_days", price="last"),
            {"percent": True, "greeks": False},
        ),
        (Settings(forward="spot", rate=0.045, dividend_yield=0.013, price="mid", theta_unit="next_day"), {}),
        (Settings(forward="future", model="black76", rate=0.0, price="mark", theta_unit="per_year"), {"percent": True}),
        (Settings(forward="future", model="black76", rate=0.037, price="settle", vega_unit="per_1"), {}),
        (Settings(forward="parity", model="black76", rate=0.03, price="mid", rho_unit="per_1"), {}),
        (Settings(forward="spot", rate=0.065, price="mid", theta_unit="per_day_252"), {"greeks": True}),
    ],
)
def test_the_settings_that_made_a_table_are_found(made_with: Settings, table: dict[str, Any]) -> None:
    found = search(vendor(made_with, **table)).settings
    assert found.rate == pytest.approx(made_with.rate, abs=0.001)
    for name in ("forward", "day_count", "price"):
        assert getattr(found, name) == getattr(made_with, name), name
    assert found.volatility_unit == ("percent" if table.get("percent") else "decimal")
    if table.get("greeks", True):
        assert found.model == made_with.model
        for name in ("theta_unit", "vega_unit", "rho_unit"):
            assert getattr(found, name) == getattr(made_with, name), name
    if made_with.forward == "spot":
        assert found.dividend_yield == pytest.approx(made_with.dividend_yield, abs=0.001)


def test_a_tenth_of_bad_legs_changes_nothing() -> None:
    made_with = Settings(forward="spot", rate=0.1, price="mid")
    columns = vendor(made_with)
    rng = np.random.default_rng(3)
    bad = rng.choice(len(columns), len(columns) // 10, replace=False)
    columns.implied_volatility[bad] *= rng.uniform(0.3, 4.0, len(bad))
    columns.delta[bad] = rng.uniform(-1, 1, len(bad))
    columns.bid[bad[::2]] = np.nan
    found = search(columns)
    assert found.settings.rate == pytest.approx(0.1, abs=0.001)
    assert (found.settings.forward, found.settings.price, found.settings.day_count) == ("spot", "mid", "exact")


def test_what_is_fixed_stays_and_the_rest_is_found_around_it() -> None:
    columns = vendor(Settings(forward="spot", rate=0.1, price="mid"))
    found = search(columns, rate=0.09, day_count="calendar_days")
    assert (found.settings.rate, found.settings.day_count) == (0.09, "calendar_days")
    assert found.loss > search(columns).loss + 0.01
    assert {"rate", "day_count"}.isdisjoint(each.name for each in found.worth)


def test_what_a_table_cannot_tell_is_said_to_be_undecided() -> None:
    """Volatilities do not tell the model: with one forward, both models have the same."""
    worth = {
        each.name: each for each in search(vendor(Settings(forward="spot", rate=0.1, price="mid"), greeks=False)).worth
    }
    assert not worth["model"].decided
    assert worth["rate"].decided and worth["price"].decided and worth["day_count"].decided


def test_a_default_volatility_is_left_out_of_the_search_and_counted() -> None:
    columns = vendor(Settings(forward="future", model="black76", rate=0.0, price="mark"))
    columns.implied_volatility[: len(columns) * 2 // 3] = 0.8
    assert pinned(columns.implied_volatility).sum() == len(columns) * 2 // 3
    found = search(columns)
    assert found.pinned == len(columns) * 2 // 3
    assert (found.settings.price, found.settings.rate) == ("mark", 0.0)


def test_at_the_vendors_own_volatility_the_greeks_are_the_vendors() -> None:
    made_with = Settings(forward="spot", rate=0.045, dividend_yield=0.013, price="mid", vega_unit="per_1")
    columns = vendor(made_with)
    ours = Computer.of(columns).compute(made_with.changed(greeks_at="vendor"))
    for name in GREEKS:
        apart = np.abs(ours.in_units(name, made_with) - getattr(columns, name))
        assert np.nanmax(apart / np.maximum(np.abs(getattr(columns, name)), 1.0)) < 2e-3, name


def test_pairs_are_of_one_minute_where_a_contract_is_quoted_often() -> None:
    columns = vendor(Settings(price="mid", forward="spot"))
    later = columns.only(np.arange(len(columns)))
    later.time[:] += 60.0
    both = columns.only(np.concatenate([np.arange(len(columns))] * 2))
    both.time[len(columns) :] += 60.0
    assert len(find_pairs(columns).sizes) == 3
    pairs = find_pairs(both)
    assert len(pairs.sizes) == 6 and pairs.sizes.sum() == len(columns)
    assert (both.time[pairs.calls] == both.time[pairs.puts]).all()
    assert (both.strike[pairs.calls] == both.strike[pairs.puts]).all()
    assert (both.sign[pairs.calls] == 1).all() and (both.sign[pairs.puts] == -1).all()


def test_without_a_price_the_greeks_alone_tell_the_rate() -> None:
    columns = vendor(Settings(forward="future", model="black76", rate=0.05, price="mark"))
    for name in ("bid", "ask", "last", "settle", "mark"):
        getattr(columns, name)[:] = np.nan
    found = search(columns)
    assert found.settings.model == "black76"
    assert found.settings.rate == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize("source", ["spot", "future"])
def test_auto_takes_no_parity_of_american_options(source: str) -> None:
    """The parity of this table is the spot at `carry` less a dividend; the service asks future and spot only."""
    columns = vendor(Settings(forward=source, rate=0.05, price="mid"))
    found = Computer.of(columns).compute(Settings(exercise="american", rate=0.05))
    growth = np.exp(0.05 * found.expiry_years)
    np.testing.assert_allclose(found.forward, columns.future if source == "future" else SPOT * growth, rtol=1e-14)
    apart = replace(columns, bid=columns.bid + 3.0 * columns.sign, ask=columns.ask + 3.0 * columns.sign)
    moved = Computer.of(apart).compute(Settings(exercise="american", rate=0.05))
    np.testing.assert_array_equal(moved.forward, found.forward)
    european = Computer.of(apart).compute(Settings(rate=0.05))
    assert np.abs(european.forward - found.forward).min() > 5.0
