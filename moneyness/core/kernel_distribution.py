# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""Compiled readings of smiles: where a delta is, the moments of the implied distribution, skew without a fit.

Deltas are those of the forward, N(d1) of a call and N(d1) - 1 of a put, d1 = -k / s + s / 2, s = sqrt(w(k)).
"""

import math

import numpy as np

from moneyness.core.kernel_compile import entry, piece

NODES = 401
FEWEST = 3  # points of a line
FAR = 9.5  # standard deviations beyond which a density is nothing
SQRT_HALF, INV_SQRT_2PI = 0.7071067811865476, 0.3989422804014327


@piece
def variance(fit, k):  # pragma: no cover - compiled
    """w, w' and w'' at k of the parameters a, b, rho, m, sigma."""
    d = k - fit[3]
    r = math.sqrt(d * d + fit[4] * fit[4])
    return fit[0] + fit[1] * (fit[2] * d + r), fit[1] * (fit[2] + d / r), fit[1] * fit[4] * fit[4] / (r * r * r)


@piece
def d1_at(fit, k):  # pragma: no cover - compiled
    s = math.sqrt(max(variance(fit, k)[0], 1e-300))
    return -k / s + 0.5 * s


@piece
def where_d1(fit, d1):  # pragma: no cover - compiled
    """The k at which d1 has this value, by bisection; d1 falls with k. NaN if that is not within |k| < 50."""
    reach = 4.0 * math.sqrt(max(variance(fit, 0.0)[0], 1e-12))
    while reach < 50.0 and not d1_at(fit, -reach) >= d1 >= d1_at(fit, reach):
        reach *= 2.0
    if reach >= 50.0:
        return math.nan
    low, high = -reach, reach
    for _ in range(60):
        middle = 0.5 * (low + high)
        if d1_at(fit, middle) >= d1:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@piece
def end_of_density(fit, side):  # pragma: no cover - compiled
    """The k beyond which neither the density nor e^k times it counts."""
    k = side * 4.0 * math.sqrt(variance(fit, 0.0)[0])
    for _ in range(60):
        d1 = d1_at(fit, k)
        d2 = d1 - math.sqrt(variance(fit, k)[0])
        if min(abs(d1), abs(d2)) > FAR and d1 * side < 0.0 and d2 * side < 0.0:
            break
        k *= 1.2
    return k


_F, _FF, _I = "f8[::1]", "f8[:,::1]", "i8[::1]"


@entry(f"void({_FF}, b1[::1], {_F}, {_FF})")
def delta_places(fits, fitted, d1, found):  # pragma: no cover - compiled
    """Set found[g, i] to the log-moneyness at which group g has d1[i]; NaN without a fit."""
    for g in range(fits.shape[0]):
        for i in range(d1.shape[0]):
            found[g, i] = where_d1(fits[g], d1[i]) if fitted[g] else math.nan


@entry(f"void({_FF}, b1[::1], {_FF})")
def moments(fits, usable, found):  # pragma: no cover - compiled
    """Set found[g] to the mass, the mean of S_T / F, and mean, deviation, skewness, excess kurtosis of ln(S_T / F).

    The density is summed by the trapezoidal rule on k = m + sigma sinh(t), where SVI is smooth in t; at such nodes the
    rule converges faster than any power of their distance.
    """
    k, p = np.empty(NODES), np.empty(NODES)
    for g in range(fits.shape[0]):
        if not usable[g]:
            found[g] = math.nan
            continue
        fit = fits[g]
        m, sigma = fit[3], fit[4]
        first, last = (
            math.asinh((end_of_density(fit, -1.0) - m) / sigma),
            math.asinh((end_of_density(fit, 1.0) - m) / sigma),
        )
        step = (last - first) / (NODES - 1)
        mass, mean, forward = 0.0, 0.0, 0.0
        for i in range(NODES):
            t = first + step * i
            k[i] = m + sigma * math.sinh(t)
            w, by_k, by_kk = variance(fit, k[i])
            slant = 1.0 - 0.5 * k[i] * by_k / w
            g_of_k = slant * slant - 0.25 * by_k * by_k * (1.0 / w + 0.25) + 0.5 * by_kk
            s = math.sqrt(w)
            d1 = -k[i] / s + 0.5 * s
            d2 = d1 - s
            width = g_of_k * INV_SQRT_2PI / s * sigma * math.cosh(t) * step
            p[i] = width * math.exp(-0.5 * d2 * d2)
            mass += p[i]
            mean += p[i] * k[i]
            forward += width * math.exp(-0.5 * d1 * d1)  # e^k n(d2) = n(d1)
        mean /= mass
        second, third, fourth = 0.0, 0.0, 0.0
        for i in range(NODES):
            off = k[i] - mean
            second += p[i] * off * off / mass
            third += p[i] * off * off * off / mass
            fourth += p[i] * off * off * off * off / mass
        found[g, 0], found[g, 1], found[g, 2] = mass, forward, mean
        found[g, 3] = math.sqrt(second)
        found[g, 4] = third / second**1.5
        found[g, 5] = fourth / (second * second) - 3.0


@entry(f"void({_I}, {_F}, {_F}, {_F}, b1[::1], f8, {_FF})")
def skew_of_points(starts, years, k, volatility, wanted, target, found):  # pragma: no cover - compiled
    """Set found[g] to the volatilities of the call and the put at a delta, at the forward, and the slope there.

    The points are those that passed the gates. A delta lies between the first two neighbours, from the money outward,
    around whose deltas it is: linear in delta. The forward lies between two points: linear in total variance. The slope
    is that of the least-squares line through the points within one standard deviation, three at least. NaN where the
    points do not reach.
    """
    for g in range(years.shape[0]):
        found[g] = math.nan
        begin, end = starts[g], starts[g + 1]
        if not wanted[g] or end - begin < 2:
            continue
        above = begin
        while above < end and k[above] < 0.0:
            above += 1
        if above == end or (above == begin and k[above] > 0.0):
            continue
        after = max(above, begin + 1)
        share = -k[after - 1] / (k[after] - k[after - 1])
        one, two = volatility[after - 1], volatility[after]
        found[g, 2] = math.sqrt(one * one * (1.0 - share) + two * two * share)
        reach = found[g, 2] * math.sqrt(years[g])
        points, x, y, xx, xy = 0, 0.0, 0.0, 0.0, 0.0
        for i in range(begin, end):
            if abs(k[i]) <= reach:
                points += 1
                x += k[i]
                y += volatility[i]
                xx += k[i] * k[i]
                xy += k[i] * volatility[i]
        if points >= FEWEST:
            found[g, 3] = (points * xy - x * y) / (points * xx - x * x)
        for side in range(2):
            i, step = (after - 1, 1) if side == 0 else (after, -1)
            while begin <= i + step < end:
                near, far = 0.0, 0.0
                for j in range(2):
                    p = i + j * step
                    s = volatility[p] * math.sqrt(years[g])
                    d1 = -k[p] / s + 0.5 * s
                    far = 0.5 * math.erfc((-d1 if side == 0 else d1) * SQRT_HALF)
                    if j == 0:
                        near = far
                if near >= target >= far and near > far:
                    share = (near - target) / (near - far)
                    found[g, side] = volatility[i] * (1.0 - share) + volatility[i + step] * share
                    break
                i += step
