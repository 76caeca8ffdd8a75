"""Theta by revaluation: the price of the next day, by the slow reference, less the price of today."""

import math
import re
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from vollib.black import black
from vollib.black_scholes_merton import black_scholes_merton as merton

from signals.computations.greeks import Greeks
from signals.greeks.core.answers import answer_columns
from signals.greeks.core.conventions import DayCount, FallbackVolatility, GreeksParams, IvFrom, Model, Theta
from signals.greeks.core.dividends import no_dividends
from signals.greeks.core.engine import implied_greeks, model_greeks
from signals.greeks.core.evaluate import evaluate
from signals.greeks.core.higher import higher_greeks
from signals.greeks.core.next_day import next_day_theta
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.shocks import shocked
from signals.greeks.core.status import Status
from signals.greeks.core.years_after import years_after
from tests.core.test_evaluate import DAY, LIQUID, NAN, QUOTE, columns, one
from tests.core.test_what_is_held import FORWARD, PAGE, PRICE, RATE, STRIKE, YEARS


def theta(**params: Any) -> GreeksParams:
    return GreeksParams(theta=Theta.NEXT_DAY, **params)


def revalued(row: dict[str, Any], strike: float, sign: float, years: float, futures: bool) -> float:
    """Return py_vollib's price after a day, with what is held, less the price that the row has now."""
    flag, volatility, underlying = "c" if sign > 0 else "p", row["implied_volatility"], row["underlying_used"]
    if years <= 0:
        return max(sign * (underlying - strike), 0.0) - row["theoretical_price"]
    if futures:
        later = black(flag, underlying, strike, years, row["rate"], volatility)
    else:
        later = merton(flag, underlying, strike, years, row["rate"], volatility, row["dividend_yield"])
    return later - row["theoretical_price"]


@pytest.mark.parametrize("model", [Model.BSM, Model.BLACK76])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("days", [400.0, 20.0, 2.0, 1.5, 1.0 + 1e-9])
def test_it_is_the_difference_of_two_prices(model: Model, sign: float, days: float) -> None:
    option = {"sign": sign, "override_volatility": 0.15, "seconds_to_expiry": days * DAY, "days_to_expiry": days}
    row = one(theta(model=model), **option)
    expected = revalued(row, 24_000.0, sign, (days - 1) / 365, model is Model.BLACK76)
    assert row["theta"] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert one(GreeksParams(model=model), **option)["theta"] != row["theta"]


@pytest.mark.parametrize("model", [Model.BSM, Model.BLACK76])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("seconds", [DAY, DAY / 2, 60.0])
def test_on_the_last_day_it_is_the_way_to_the_value_at_expiry(model: Model, sign: float, seconds: float) -> None:
    row = one(theta(model=model), sign=sign, override_volatility=0.15, seconds_to_expiry=seconds, days_to_expiry=0.0)
    intrinsic = max(sign * (row["underlying_used"] - 24_000.0), 0.0)
    assert row["theta"] == pytest.approx(intrinsic - row["theoretical_price"], rel=1e-12)


def test_days_are_counted_as_asked() -> None:
    """At ten on the day before expiry, T is a day; at ten of the last day it is the exact time to the close."""
    left = DAY + 5.5 * 3600
    option = {"override_volatility": 0.15, "seconds_to_expiry": left, "days_to_expiry": 1.0}
    row = one(theta(day_count=DayCount.CALENDAR_DAYS, model=Model.BSM), **option)
    assert row["expiry_years"] == 1 / 365
    assert row["theta"] == pytest.approx(revalued(row, 24_000.0, 1.0, 5.5 / 24 / 365, False), rel=1e-9)


@pytest.mark.parametrize(
    ("params", "option"),
    [
        ({}, {}),
        ({}, {"override_price": 500.0}),
        ({}, {"override_volatility": 0.3}),
        ({}, {"override_volatility": 0.3, "bid": NAN, "ask": NAN, "last": NAN}),
        ({}, {"override_underlying": 24_500.0, "override_rate": -0.03, "override_dividend_yield": 0.05}),
        ({"fallback_volatility": FallbackVolatility.VIX}, {"bid": NAN, "ask": NAN, "last": NAN}),
        ({"fallback_volatility": FallbackVolatility.VIX}, {"bid": 1.0, "ask": 2.0}),
    ],
)
@pytest.mark.parametrize("model", [Model.BSM, Model.BLACK76])
def test_every_way_to_a_volatility(params: dict[str, Any], option: dict[str, Any], model: Model) -> None:
    row = one(theta(model=model, **params), **option)
    assert row["status"] == Status.OK
    assert row["theta"] == pytest.approx(revalued(row, 24_000.0, 1.0, 19 / 365, model is Model.BLACK76), rel=1e-8)


def test_the_volatility_of_the_twin() -> None:
    options = columns({**LIQUID, "last": 425.0})
    twins = QuoteColumns(**{name: np.array([{"last": 200.0, "time": 1.0}.get(name, NAN)]) for name in QUOTE})
    found = evaluate(options, theta(iv_from=IvFrom.OTM_TWIN, model=Model.BSM), twins)
    names = ("implied_volatility", "underlying_used", "theoretical_price", "rate", "dividend_yield", "theta")
    row = {name: getattr(found, name)[0] for name in names}
    assert row["theoretical_price"] != 421.0
    assert row["theta"] == pytest.approx(revalued(row, 24_000.0, 1.0, 19 / 365, False), rel=1e-9)


@pytest.mark.parametrize(
    "option", [{"seconds_to_expiry": 0.0}, {"bid": NAN, "ask": NAN, "last": NAN}, {"forward": NAN}, {"strike": NAN}]
)
def test_without_a_value_there_is_no_theta(option: dict[str, Any]) -> None:
    options = columns({**LIQUID, **option})
    params = theta(greeks=("theta", "vanna", "elasticity"))
    found = evaluate(options, params)
    assert found.status[0] != Status.OK and math.isnan(found.theta[0])
    answer = answer_columns(found, options, {}, 0.0, params)
    assert "delta" not in answer and "vega" not in answer
    higher = higher_greeks(options, found, params.greeks)
    assert sorted(higher) == ["elasticity", "vanna"] and np.isnan([*higher.values()]).all()


def test_a_grid_revalues_each_cell() -> None:
    n = 200
    random = np.random.default_rng(5)
    contract = {
        "underlying": random.uniform(80, 120, n), "volatility": random.uniform(0.1, 0.5, n),
        "rate": np.full(n, 0.05), "dividend_yield": np.full(n, 0.01), "base_price": np.ones(n),
        "strike": np.full(n, 100.0), "sign": random.choice([1.0, -1.0], n), "black76": random.random(n) < 0.5,
        "spot_shock": np.zeros(n), "volatility_shock": np.zeros(n),
        "american": np.zeros(n, bool), "dividends": no_dividends(n), "base_years": np.full(n, 10 / 365),
    }  # fmt: skip
    days = random.choice([0.0, 1.0, 4.5, 9.0, 9.5, 10.0], n)

    def left(days_forward: np.ndarray) -> np.ndarray:
        return years_after(
            DayCount.EXACT, as_of=datetime(2026, 12, 1, tzinfo=UTC), days_forward=days_forward, base_years=10 / 365,
            expires_at=np.zeros(n), expiry=[None] * n, exchange=["NSE"] * n,
        )  # fmt: skip

    asked = {**contract, "days_forward": days, "expiry_years": left(days)}
    now = shocked(**asked, years_next_day=left(days + 1), greeks=("theta", "charm"))
    later = shocked(**{**contract, "days_forward": days + 1, "expiry_years": left(days + 1)})
    over = days >= 10
    assert np.isnan(now["theta"][over]).all() and over.any()
    np.testing.assert_allclose(now["theta"][~over], (later["price"] - now["price"])[~over], rtol=1e-12)
    assert "delta" not in now and np.isfinite(now["charm"][~over]).all()


def test_the_page_shows_these_numbers() -> None:
    rows = re.findall(r"^\| ([0-9.]+) \| (-[0-9.]+) \| (-[0-9.]+) \|$", PAGE, re.M)
    assert [days for days, *_ in rows] == ["19", "5", "2", "1", "0.5"]
    known = {"strike": STRIKE, "rate": RATE, "dividend_yield": 0.0, "sign": 1.0}
    contract = {name: np.full(5, value) for name, value in {**known, "underlying": FORWARD}.items()}
    contract |= {"black76": np.ones(5, bool), "expiry_years": np.array([YEARS, 5 / 365, 2 / 365, 1 / 365, 0.5 / 365])}
    first = {name: values[:1] for name, values in contract.items()}
    volatility = np.repeat(implied_greeks(price=[PRICE], **first).implied_volatility, 5)
    now = model_greeks(volatility=volatility, **contract)
    left = contract["expiry_years"] - 1 / 365
    later = next_day_theta(contract, volatility, now.price, left, np.zeros(5, bool), no_dividends(5))
    for place, (_, instantaneous, next_day) in enumerate(rows):
        assert float(instantaneous) == float(f"{now.theta[place]:.4g}")
        assert float(next_day) == float(f"{later[place]:.4g}")


def test_a_job_of_an_earlier_version_has_the_defaults() -> None:
    greeks = Greeks()
    known = {name: value for name, value in greeks.defaults.items() if name not in ("greeks", "theta", "quote_iv")}
    assert greeks.conventions(known) == greeks.conventions(greeks.defaults) == GreeksParams()
