# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""Compiled judgement of fitted smiles: their errors, and whether they are free of arbitrage.

Butterflies (Gatheral and Jacquier 2014): the density of ln(S_T / F) is g(k) exp(-d2^2 / 2) / sqrt(2 pi w), with
g(k) = (1 - k w' / (2 w))^2 - w'^2 / 4 (1 / w + 1 / 4) + w'' / 2 and d2 = -k / sqrt(w) - sqrt(w) / 2.
"""

import math

from moneyness.core.kernel_compile import entry, piece

NODES = 201
ROUNDING = 1e-9

_F, _FF, _I = "f8[::1]", "f8[:,::1]", "i8[::1]"


@piece
def variance(fit, k):  # pragma: no cover - compiled
    """w, w' and w'' at k of the parameters a, b, rho, m, sigma."""
    d = k - fit[3]
    r = math.sqrt(d * d + fit[4] * fit[4])
    return fit[0] + fit[1] * (fit[2] * d + r), fit[1] * (fit[2] + d / r), fit[1] * fit[4] * fit[4] / (r * r * r)


@piece
def gatheral_g(fit, k):  # pragma: no cover - compiled
    """The density of ln(S_T / F) is g(k) exp(-d2^2 / 2) / sqrt(2 pi w): negative where g is."""
    w, by_k, by_kk = variance(fit, k)
    if not w > 0.0:
        return -math.inf
    slant = 1.0 - 0.5 * k * by_k / w
    return slant * slant - 0.25 * by_k * by_k * (1.0 / w + 0.25) + 0.5 * by_kk


@entry(f"void({_I}, {_I}, {_F}, {_F}, {_F}, {_F}, b1[::1], {_FF}, {_F}, {_F}, b1[::1], b1[::1])")
def judge(
    starts, underlying, years, k, volatility, doubt, fitted, fits, residual, worst, butterfly, calendar
):  # pragma: no cover - compiled
    """How well each fit holds its points, and whether it is free of arbitrage. `fits` is groups x 5."""
    before = -1
    for g in range(years.shape[0]):
        if not fitted[g]:
            continue
        fit = fits[g]
        squares, total = 0.0, 0.0
        for i in range(starts[g], starts[g + 1]):
            w, _, _ = variance(fit, k[i])
            off = math.sqrt(max(w, 0.0) / years[g]) - volatility[i]
            share = 1.0 / (doubt[i] * doubt[i])
            squares += share * off * off
            total += share
            worst[g] = max(worst[g], abs(off)) if i > starts[g] else abs(off)
        residual[g] = math.sqrt(squares / total)
        m, sigma = fit[3], fit[4]
        low, high = k[starts[g]], k[starts[g + 1] - 1]
        s = math.sqrt(max(variance(fit, 0.0)[0], 0.0))
        reach = max(10.0 * s, 3.0 * max(-low, high))
        first, last = math.asinh((-reach - m) / sigma), math.asinh((reach - m) / sigma)
        butterfly[g] = True
        for i in range(NODES):
            butterfly[g] &= (
                gatheral_g(fit, m + sigma * math.sinh(first + (last - first) * i / (NODES - 1))) >= -ROUNDING
            )
        calendar[g] = True
        if before >= 0 and underlying[before] == underlying[g]:
            low, high = min(low, k[starts[before]]), max(high, k[starts[before + 1] - 1])
            for i in range(NODES):
                at = low + (high - low) * i / (NODES - 1)
                earlier, _, _ = variance(fits[before], at)
                calendar[g] &= variance(fit, at)[0] >= earlier * (1.0 - ROUNDING)
        before = g
