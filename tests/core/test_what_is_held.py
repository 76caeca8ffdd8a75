"""Which Greeks of Black-76 hold the forward, and by how much that moves them: the example of docs/engine.md."""

import re
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from py_vollib.black.greeks import analytical as black
from py_vollib.black_scholes_merton.greeks import analytical as merton

from signals.greeks.core.conventions import FIRST_ORDER, HIGHER_ORDER
from signals.greeks.core.engine import higher_order_greeks, implied_greeks

PAGE = (Path(__file__).parents[2] / "docs/engine.md").read_text()
FORWARD, STRIKE, YEARS, RATE, PRICE = 23_206.27, 23_200.0, 0.05205, 0.065, 315.6
SPOT = FORWARD * float(np.exp(-RATE * YEARS))
HELD = {"forward": (FORWARD, True), "spot": (SPOT, False)}
NAMES = (*FIRST_ORDER, *HIGHER_ORDER)
FOLLOW = (
    "theta",
    "rho",
    "charm",
    "color",
    "veta",
    "dividend_rho",
)  # the others differ by the factor of the underlying's unit alone


def ours(held: str) -> dict[str, float]:
    underlying, black76 = HELD[held]
    contract = {"underlying": underlying, "strike": STRIKE, "expiry_years": YEARS, "rate": RATE,
                "dividend_yield": 0.0, "sign": 1.0, "black76": black76}  # fmt: skip
    first = implied_greeks(price=PRICE, **contract)
    higher = higher_order_greeks(volatility=first.implied_volatility, **contract)
    return {name: float(getattr(first if hasattr(first, name) else higher, name)[0]) for name in NAMES}


def by_differentiation(held: str) -> dict[str, float]:
    """Derivatives, in forty digits, of a price that knows only what is held."""
    with mp.workdps(40):
        strike, years, rate, start, zero = map(mp.mpf, (STRIKE, YEARS, RATE, HELD[held][0], 0))

        def price(underlying: mp.mpf, time: mp.mpf, r: mp.mpf, volatility: mp.mpf, q: mp.mpf = zero) -> mp.mpf:
            forward = underlying if held == "forward" else underlying * mp.e ** ((r - q) * time)
            total = volatility * mp.sqrt(time)
            d1 = mp.log(forward / strike) / total + total / 2
            return mp.e ** (-r * time) * (forward * mp.ncdf(d1) - strike * mp.ncdf(d1 - total))

        sigma = mp.findroot(lambda v: price(start, years, rate, v) - mp.mpf(PRICE), mp.mpf("0.15"))
        orders = {  # of underlying, time, rate, volatility, yield; and the unit
            "delta": (1, 0, 0, 0, 0, 1), "gamma": (2, 0, 0, 0, 0, 1), "theta": (0, 1, 0, 0, 0, -365),
            "vega": (0, 0, 0, 1, 0, 100), "rho": (0, 0, 1, 0, 0, 100), "vanna": (1, 0, 0, 1, 0, 100),
            "volga": (0, 0, 0, 2, 0, 10_000), "charm": (1, 1, 0, 0, 0, -365), "speed": (3, 0, 0, 0, 0, 1),
            "zomma": (2, 0, 0, 1, 0, 100), "color": (2, 1, 0, 0, 0, -365), "veta": (0, 1, 0, 1, 0, -36_500),
            "ultima": (0, 0, 0, 3, 0, 1_000_000), "dividend_rho": (0, 0, 0, 0, 1, 100),
        }  # fmt: skip
        at = (start, years, rate, sigma, zero)
        found = {name: mp.diff(price, at, order[:5]) / order[5] for name, order in orders.items()}
        found["elasticity"] = found["delta"] * start / price(*at)
        return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize("held", HELD)
def test_the_engine_holds_what_the_model_says(held: str) -> None:
    found, theirs = ours(held), by_differentiation(held)
    for name in NAMES:
        assert found[name] == pytest.approx(theirs[name], rel=1e-8, abs=1e-15), name


def test_py_vollib_agrees() -> None:
    contract = {"underlying": FORWARD, "strike": STRIKE, "expiry_years": YEARS, "rate": RATE, "dividend_yield": 0.0}
    sigma = float(implied_greeks(price=PRICE, **contract, sign=1.0, black76=True).implied_volatility[0])
    forward, spot = ours("forward"), ours("spot")
    for name in ("delta", "gamma", "theta", "vega"):
        theirs = getattr(black, name)("c", FORWARD, STRIKE, YEARS, RATE, sigma)
        assert forward[name] == pytest.approx(theirs, rel=1e-9), name
    for name in ("delta", "gamma", "theta", "vega", "rho"):
        theirs = getattr(merton, name)("c", SPOT, STRIKE, YEARS, RATE, sigma, 0.0)
        assert spot[name] == pytest.approx(theirs, rel=1e-9), name


def test_the_difference_is_the_forwards_own_move() -> None:
    """The forward rises by its carry with each day and each point of rate; the rest of the Greek is the same."""
    forward, spot = ours("forward"), ours("spot")
    exposure = FORWARD * forward["delta"]
    assert spot["theta"] == pytest.approx(forward["theta"] - RATE * exposure / 365, rel=1e-9)
    assert spot["rho"] == pytest.approx(forward["rho"] + YEARS * exposure / 100, rel=1e-9)
    assert forward["dividend_rho"] == 0
    assert spot["dividend_rho"] == pytest.approx(-YEARS * exposure / 100, rel=1e-9)
    assert spot["elasticity"] == pytest.approx(forward["elasticity"], rel=1e-12)


def test_the_page_shows_these_numbers() -> None:
    rows = dict(re.findall(rf"^\| ({'|'.join(FOLLOW)}) \| (-?[0-9].*?) \|$", PAGE, re.M))
    assert tuple(rows) == FOLLOW
    for name, row in rows.items():
        for printed, held in zip(row.split(" | ")[:2], HELD, strict=True):
            assert float(f"{ours(held)[name]:.4g}") == float(printed), (name, held)
