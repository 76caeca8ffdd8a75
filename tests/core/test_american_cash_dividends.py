"""American options with cash dividends, against QuantLib's escrowed model."""

from typing import Any

import numpy as np
import pytest

from signals.greeks.core import engine
from signals.greeks.core.american import implied_greeks, model_greeks
from signals.greeks.core.dividends import CashDividend, DividendColumns, dividend_columns
from tests.core.american_references import quantlib_escrowed

CASH = [
    # spot, strike, days, rate, volatility, sign, dividends, QuantLib's steps and nodes
    (116.0, 100.0, 571, 0.047, 0.16, -1.0, [(200, 1.5)]),
    (113.0, 100.0, 81, 0.058, 0.6, -1.0, [(10, 0.8), (50, 1.2)]),
    (101.6, 100.0, 241, 0.012, 0.52, 1.0, [(20, 1.0), (110, 2.0), (200, 2.4)]),
    (110.0, 100.0, 180, 0.03, 0.25, 1.0, [(60, 3.0), (150, 3.0)]),
    (95.0, 100.0, 252, 0.016, 0.66, -1.0, [(30, 2.0), (120, 2.0), (210, 2.0)]),
]


def owed(*groups: list[tuple[int, float]]) -> DividendColumns:
    return dividend_columns(
        [[CashDividend(day / 365, amount) for day, amount in group] for group in groups], np.arange(len(groups))
    )


def test_cash_dividends_are_escrowed_as_in_quantlib() -> None:
    for spot, strike, days, rate, volatility, sign, paid in CASH:
        dividends = owed(paid)
        found = model_greeks(
            volatility=volatility,
            underlying=spot - dividends.present_values(np.array([rate]))[0],
            strike=strike,
            expiry_years=days / 365,
            rate=rate,
            dividend_yield=0.0,
            sign=sign,
            black76=False,
            dividends=dividends,
        )
        # QuantLib projects onto exercise after each step, an error of first order in time: extrapolated
        coarse, fine = (
            quantlib_escrowed(spot, strike, days, rate, volatility, sign, paid, steps=steps, nodes=800)
            for steps in (200, 400)
        )
        assert found.price[0] == pytest.approx(2 * fine - coarse, rel=1e-4), (spot, days, sign)


def test_volatility_and_greeks_with_cash_dividends() -> None:
    dividends = owed(*(row[6] for row in CASH))
    spot, strike, days, rate, volatility, sign = (np.array(column) for column in list(zip(*CASH, strict=True))[:6])
    net = spot - dividends.present_values(rate)
    terms: dict[str, Any] = {
        "underlying": net,
        "strike": strike,
        "expiry_years": days / 365,
        "rate": rate,
        "dividend_yield": 0.0,
        "sign": sign,
        "black76": False,
        "dividends": dividends,
    }
    given = model_greeks(volatility=volatility, **terms)
    found = implied_greeks(price=given.price, **terms)
    np.testing.assert_allclose(found.implied_volatility, volatility, rtol=1e-4)

    def moved(**changes: Any) -> np.ndarray:
        return model_greeks(**{"volatility": volatility, **terms, **changes}).price

    step = 0.004 * net
    slopes = {
        "delta": (moved(underlying=net + step) - moved(underlying=net - step)) / (2 * step),
        "vega": (moved(volatility=volatility + 0.002) - moved(volatility=volatility - 0.002)) / 0.4,
        "rho": (moved(rate=rate + 5e-4) - moved(rate=rate - 5e-4)) / 0.1,
    }
    for name, slope in slopes.items():
        np.testing.assert_allclose(getattr(given, name), slope, rtol=2e-3, err_msg=name)
    plain = engine.model_greeks(volatility=volatility, **{k: v for k, v in terms.items() if k != "dividends"})
    assert (given.price > plain.price).all()
