"""Forty-digit prices and volatilities (mpmath), and samples of contracts, for the engine's tests."""

import mpmath as mp
import numpy as np

mp.mp.dps = 40
EPSILON = np.finfo(np.float64).eps


def exact_price(volatility, underlying, strike, years, rate, carry, sign):
    """Return the Black-Scholes-Merton price with 40 digits; Black-76 is carry = rate."""
    volatility, underlying, strike, years, rate, carry = map(
        mp.mpf, (volatility, underlying, strike, years, rate, carry)
    )
    s = volatility * mp.sqrt(years)
    leg_a, leg_b = underlying * mp.exp(-carry * years), strike * mp.exp(-rate * years)
    d1 = mp.log(leg_a / leg_b) / s + s / 2
    return sign * (leg_a * mp.ncdf(sign * d1) - leg_b * mp.ncdf(sign * (d1 - s)))


def exact_volatility(price, underlying, strike, years, rate, carry, sign, near):
    """Return the 40-digit root next to a double-precision result, by Newton's method, which doubles the digits."""
    volatility, s = mp.mpf(near), mp.mpf(underlying)
    for _ in range(7):
        total = volatility * mp.sqrt(mp.mpf(years))
        d1 = (mp.log(s / mp.mpf(strike)) + (mp.mpf(rate) - mp.mpf(carry)) * mp.mpf(years)) / total + total / 2
        vega = s * mp.exp(-mp.mpf(carry) * mp.mpf(years)) * mp.npdf(d1) * mp.sqrt(mp.mpf(years))
        volatility -= (exact_price(volatility, underlying, strike, years, rate, carry, sign) - mp.mpf(price)) / vega
    return volatility


def attainable(greeks, underlying, strike, years, rate, carry):
    """Return the relative change of the volatility if price, underlying, strike and discounts move by one rounding.

    No algorithm in double precision can promise more.
    """
    legs = underlying * np.exp(-carry * years) + strike * np.exp(-rate * years)
    moved = np.abs(greeks.price) + np.abs(greeks.delta) * underlying + legs * np.abs(greeks.delta)
    return EPSILON * np.maximum(1.0, moved / (100 * greeks.vega * greeks.implied_volatility))


def contracts(n, seed=0, wild=False):
    """Return arguments of model_greeks: a usual chain, or anything from a minute to 20 years, 1 % to 500 % (wild)."""
    rng = np.random.default_rng(seed)
    underlying = 10 ** rng.uniform(0, 5, n)
    return {
        "volatility": 10 ** rng.uniform(-2, 0.7, n) if wild else rng.uniform(0.08, 0.9, n),
        "underlying": underlying,
        "strike": underlying * np.exp(rng.normal(0, 0.4 if wild else 0.1, n)),
        "expiry_years": 10 ** rng.uniform(-5.7, 1.3, n) if wild else rng.uniform(0.02, 2, n),
        "rate": rng.uniform(-0.05, 0.2, n),
        "dividend_yield": rng.uniform(-0.03, 0.1, n),
        "sign": rng.choice([-1.0, 1.0], n),
        "black76": rng.random(n) < 0.5,
    }
