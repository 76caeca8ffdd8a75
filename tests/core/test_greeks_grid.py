"""The grid's cells compared with the slow reference, and with the Greeks whose differences they are."""

import numpy as np
import pytest

from signals.greeks.core import reference
from signals.greeks.core.dividends import no_dividends
from signals.greeks.core.shocks import shocked
from signals.greeks.core.status import Status

N = 400


def columns(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    black76 = random.random(N) < 0.5
    underlying, volatility = random.uniform(50, 150, N), random.uniform(0.05, 0.8, N)
    rate, dividend_yield = random.uniform(-0.02, 0.1, N), random.uniform(0, 0.05, N)
    years, days_forward = random.uniform(0.01, 1.0, N), random.uniform(0, 200, N)
    return {
        "underlying": underlying,
        "volatility": volatility,
        "expiry_years": np.maximum(years - days_forward / 365, 0.0),
        "rate": rate,
        "dividend_yield": dividend_yield,
        "base_price": random.uniform(1, 50, N),
        "strike": random.uniform(60, 140, N),
        "sign": np.where(random.random(N) < 0.5, 1.0, -1.0),
        "black76": black76,
        "spot_shock": random.uniform(-0.5, 0.5, N),
        "volatility_shock": random.uniform(-0.2, 0.3, N),
        "days_forward": days_forward,
        "american": np.zeros(N, bool),
        "dividends": no_dividends(N),
        "base_years": years,
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_cells_are_the_references(seed: int) -> None:
    asked = columns(seed)
    found = shocked(**asked)
    live = found["answered"] == Status.OK
    assert 100 < live.sum() < N
    result, status = np.empty((7, N)), np.empty(N, np.uint8)
    years = asked["expiry_years"]
    reference.model(
        asked["volatility"] + asked["volatility_shock"],
        asked["underlying"] * (1 + asked["spot_shock"]),
        asked["strike"],
        years,
        asked["rate"],
        asked["dividend_yield"],
        asked["sign"],
        asked["black76"].view(np.uint8),
        result,
        status,
    )
    assert (status[live] == Status.OK).all()
    for name, theirs in zip(("volatility", "price", "delta", "gamma", "theta", "vega", "rho"), result, strict=True):
        assert found[name][live] == pytest.approx(theirs[live], rel=1e-9, abs=1e-11), name
    over = years <= 0
    assert over.any() and (found["answered"][over] == Status.EXPIRED).all()
    intrinsic = np.maximum(asked["sign"] * (found["underlying"] - asked["strike"]), 0)
    assert (found["price"][over] == intrinsic[over]).all() and np.isnan(found["delta"][over]).all()
    gone = ~over & (found["volatility"] <= 0)
    assert gone.any() and np.isnan(found["price"][gone]).all()


def test_profit_and_loss_of_a_small_move_is_delta_and_gamma() -> None:
    asked = columns(4) | {"volatility_shock": np.zeros(N), "expiry_years": np.linspace(0.01, 1.0, N)}
    base = shocked(**asked | {"spot_shock": np.zeros(N)})
    asked["base_price"] = base["price"]
    moved = shocked(**asked | {"spot_shock": np.full(N, 1e-4)})
    step = asked["underlying"] * 1e-4
    assert moved["profit_and_loss"] == pytest.approx(base["delta"] * step + base["gamma"] * step**2 / 2, abs=2e-7)
