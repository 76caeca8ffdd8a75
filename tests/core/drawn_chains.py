"""Chains that hypothesis draws: odd strikes, missing legs, noise, and quotes that are not there."""

import math

import numpy as np
from hypothesis import strategies as st

from moneyness.core.priced import PricedChains
from signals.greeks.core import engine
from tests.core.chain_makers import price, snapshot

STRIKES = (80.0, 85.0, 90.0, 92.5, 95.0, 97.5, 100.0, 102.5, 105.0, 110.0, 115.0, 125.0)
DAYS = (0.5, 7, 31, 200)
KNOWN = st.one_of(st.none(), st.integers(0, 10**7).map(float))


@st.composite
def chains(draw: st.DrawFn) -> PricedChains:
    """Two underlyings of up to four expiries together."""
    of = sorted(draw(st.lists(st.sampled_from([0, 1]), max_size=4)))
    days: list[float] = []
    for number in (0, 1):
        days += sorted(draw(st.permutations(DAYS))[: of.count(number)])
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(len(of)):
        listed = draw(st.lists(st.sampled_from(STRIKES), unique=True, max_size=len(STRIKES)))
        noise = draw(st.sampled_from([0.0, 0.0, 0.02, 0.3]))
        kept = draw(st.sampled_from([1.0, 1.0, 0.7, 0.2]))
        for strike in sorted(listed):
            for sign in (1.0, -1.0):
                if rng.random() < kept:
                    fair = fair_price(strike, sign, days[group]) * math.exp(noise * rng.normal())
                    rows.append(
                        {"group": group, "strike": strike, "sign": sign, **drawn_quote(rng, fair), **_interest(draw)}
                    )
    spots = draw(st.lists(st.sampled_from([100.0, 101.3, 97.5, math.nan]), min_size=2, max_size=2))
    return price(snapshot(rows, days=days, underlying=of, spots=spots), black76=draw(st.booleans()))


def fair_price(strike: float, sign: float, days: float) -> float:
    years = days / 365
    forward = 100.0 * math.exp(0.065 * years)
    found = engine.model_greeks(
        volatility=0.2 - 0.1 * math.log(strike / forward),
        underlying=forward,
        strike=strike,
        expiry_years=years,
        rate=0.065,
        dividend_yield=0.0,
        sign=sign,
        black76=True,
    )
    return max(float(found.price[0]), 0.01)


def drawn_quote(rng: np.random.Generator, fair: float) -> dict[str, float]:
    kind = rng.integers(0, 8)
    if kind == 0:
        return {}
    if kind == 1:
        return {"last": fair, "volume": float(rng.integers(0, 100))}
    half = fair * (0.02 if kind < 6 else 0.2)
    return {"bid": fair - half, "ask": fair + half, "last": fair, "volume": float(rng.integers(0, 1000))}


def _interest(draw: st.DrawFn) -> dict[str, float]:
    found = {name: draw(KNOWN) for name in ("open_interest", "open_interest_before")}
    return {name: value for name, value in found.items() if value is not None}


def close(found: object, expected: object) -> None:
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), rtol=1e-9, atol=1e-12)
