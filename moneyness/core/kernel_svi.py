# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""Compiled pieces of the fit of SVI: start values, residuals and their derivatives, and the judgement of a fit.

Raw SVI (Gatheral and Jacquier 2014) has total variance w(k) = a + b (rho y + R), y = k - m, R = sqrt(y^2 + sigma^2).
With the slopes of its wings, p = b (1 - rho) on the left and c = b (1 + rho) on the right, and its least value l,

    w = l - sigma sqrt(p c) + (c - p) y / 2 + (c + p) R / 2

so that what must hold are bounds of single parameters: l >= 0, and 0 <= p, c <= 2 (Lee 2004). Bounds become sines:

    l = u0^2    p = P sin(u1)^2    c = P sin(u2)^2    m = M0 + M1 sin(u3)    ln sigma = S0 + S1 sin(u4)

The optimiser sees k in units of s = sqrt(w at the money), and w in units of s^2. Then P = 2 / s.
"""

import math

import numpy as np

from moneyness.core.kernel_compile import entry, piece

CENTRES = 9  # start values of m, from the first point to the last
WIDTHS = (0.1, 0.3, 0.8, 2.0, 5.0)  # and of sigma, in units of s
LEAST_SIGMA = 0.05
MOST_SIGMA = 2.0  # times the distance from the first point to the last
MARGIN = 0.1  # how far m may lie outside of the points, in the same unit
LEAST_G = 2e-3  # which the penalty asks for, so that little remains to ask for at 0
LEAST = 1e-6  # start values keep off their bounds, where the sine has no slope


@piece
def solve3(a, y):  # pragma: no cover - compiled
    """Solve the symmetric system of normal equations by elimination; a ridge keeps it solvable."""
    for i in range(3):
        a[i, i] *= 1.0 + 1e-10
        a[i, i] += 1e-300
    for i in range(3):
        for j in range(i + 1, 3):
            share = a[j, i] / a[i, i]
            for n in range(i, 3):
                a[j, n] -= share * a[i, n]
            y[j] -= share * y[i]
    for i in range(2, -1, -1):
        for j in range(i + 1, 3):
            y[i] -= a[i, j] * y[j]
        y[i] /= a[i, i]


@piece
def best_line(x, w, weight, m, sigma, steepest, found):  # pragma: no cover - compiled
    """For given m and sigma, w is linear in the rest (Zeliade 2009): found = l, p, c; the sum of squares."""
    a, y = np.zeros((3, 3)), np.zeros(3)
    basis = np.empty(3)
    basis[0] = 1.0
    for i in range(x.shape[0]):
        square = weight[i] * weight[i]
        basis[1] = x[i] - m
        basis[2] = math.sqrt(basis[1] * basis[1] + sigma * sigma)
        for j in range(3):
            for n in range(3):
                a[j, n] += square * basis[j] * basis[n]
            y[j] += square * basis[j] * w[i]
    solve3(a, y)
    left = min(max(y[2] - y[1], LEAST * steepest), 0.999 * steepest)
    right = min(max(y[2] + y[1], LEAST * steepest), 0.999 * steepest)
    level, total = 0.0, 0.0
    for i in range(x.shape[0]):  # the best level for the bounded slopes
        square = weight[i] * weight[i]
        d = x[i] - m
        r = math.sqrt(d * d + sigma * sigma)
        level += square * (w[i] - 0.5 * (right - left) * d - 0.5 * (right + left) * r)
        total += square
    least = max(level / total + sigma * math.sqrt(left * right), LEAST)
    found[0], found[1], found[2] = least, left, right
    squares = 0.0
    for i in range(x.shape[0]):
        d = x[i] - m
        r = math.sqrt(d * d + sigma * sigma)
        off = least - sigma * math.sqrt(left * right) + 0.5 * (right - left) * d + 0.5 * (right + left) * r - w[i]
        squares += weight[i] * weight[i] * off * off
    return squares


_F, _FF, _I = "f8[::1]", "f8[:,::1]", "i8[::1]"


@entry(f"void({_I}, {_F}, {_F}, {_F}, {_F}, {_F}, {_F}, {_F}, {_F}, {_FF}, {_FF})")
def prepare(starts, years, k, volatility, doubt, scale, x, w, weight, bounds, first):  # pragma: no cover - compiled
    """Scale the points of each group and find its start values: the best of a grid of m and sigma.

    Sets `scale` (s of each group), `x`, `w`, `weight` (as the points), `bounds` (groups x 5: P, M0, M1, S0, S1) and
    `first` (groups x 5: u). A weight is 1 / (doubt in volatility), turned to scaled variance. Groups without points
    are left as they are.
    """
    tried = np.empty(3)
    for g in range(years.shape[0]):
        begin, end = starts[g], starts[g + 1]
        if begin == end:
            continue
        nearest = begin
        for i in range(begin, end):
            if abs(k[i]) < abs(k[nearest]):
                nearest = i
        s = volatility[nearest] * math.sqrt(years[g])
        scale[g] = s
        mean = 0.0
        for i in range(begin, end):
            x[i] = k[i] / s
            w[i] = volatility[i] * volatility[i] * years[g] / (s * s)
            weight[i] = s * s / (2.0 * volatility[i] * years[g] * doubt[i])
            mean += weight[i] * weight[i]
        mean = math.sqrt(mean / (end - begin))
        for i in range(begin, end):
            weight[i] /= mean
        low, high = x[begin], x[end - 1]
        reach = high - low
        steepest = 2.0 / s
        bounds[g, 0] = steepest
        bounds[g, 1], bounds[g, 2] = 0.5 * (low + high), (0.5 + MARGIN) * reach
        least_log, most_log = math.log(LEAST_SIGMA), math.log(max(MOST_SIGMA * reach, 2.0 * WIDTHS[-1]))
        bounds[g, 3], bounds[g, 4] = 0.5 * (least_log + most_log), 0.5 * (most_log - least_log)
        least = math.inf
        for i in range(CENTRES):
            m = low + reach * i / (CENTRES - 1)
            for j in range(len(WIDTHS)):
                squares = best_line(x[begin:end], w[begin:end], weight[begin:end], m, WIDTHS[j], steepest, tried)
                if squares < least:
                    least = squares
                    first[g, 0] = math.sqrt(tried[0])
                    first[g, 1] = math.asin(math.sqrt(tried[1] / steepest))
                    first[g, 2] = math.asin(math.sqrt(tried[2] / steepest))
                    first[g, 3] = math.asin((m - bounds[g, 1]) / bounds[g, 2])
                    first[g, 4] = math.asin((math.log(WIDTHS[j]) - bounds[g, 3]) / bounds[g, 4])


@piece
def unpacked(u, bounds):  # pragma: no cover - compiled
    """l - sigma sqrt(p c), p, c, m, sigma."""
    one, two = math.sin(u[1]), math.sin(u[2])
    m, sigma = bounds[1] + bounds[2] * math.sin(u[3]), math.exp(bounds[3] + bounds[4] * math.sin(u[4]))
    level = u[0] * u[0] - sigma * bounds[0] * one * two
    return level, bounds[0] * one * one, bounds[0] * two * two, m, sigma


@piece
def shortfalls(u, nodes, bounds, strength, found):  # pragma: no cover - compiled
    """What g is short of LEAST_G at each node, times `strength`; in scaled units, g has s^2 = (2 / P)^2 in it."""
    level, left, right, m, sigma = unpacked(u, bounds)
    tilt, bend = 0.5 * (right - left), 0.5 * (right + left)
    for i in range(nodes.shape[0]):
        d = nodes[i] - m
        r = math.sqrt(d * d + sigma * sigma)
        w = max(level + tilt * d + bend * r, 1e-6)
        by_x = tilt + bend * d / r
        slant = 1.0 - 0.5 * nodes[i] * by_x / w
        g = slant * slant - 0.25 * by_x * by_x * (1.0 / w + 1.0 / (bounds[0] * bounds[0]))
        g += 0.5 * bend * sigma * sigma / (r * r * r)
        found[i] = strength * min(max(LEAST_G - g, 0.0), 10.0)


@entry(f"{_F}({_F}, {_F}, {_F}, {_F}, {_F}, {_F}, f8)")
def residuals(u, x, w, weight, bounds, nodes, strength):  # pragma: no cover - compiled
    """Of the points, then of the nodes at which the density must not be negative."""
    level, left, right, m, sigma = unpacked(u, bounds)
    tilt, bend = 0.5 * (right - left), 0.5 * (right + left)
    n = x.shape[0]
    found = np.empty(n + nodes.shape[0])
    for i in range(n):
        d = x[i] - m
        found[i] = weight[i] * (level + tilt * d + bend * math.sqrt(d * d + sigma * sigma) - w[i])
    shortfalls(u, nodes, bounds, strength, found[n:])
    return found


@entry(f"{_FF}({_F}, {_F}, {_F}, {_F}, {_F}, {_F}, f8)")
def derivatives(u, x, w, weight, bounds, nodes, strength):  # pragma: no cover - compiled
    """Rows: by u0 .. u4. At the nodes by differences."""
    _, left, right, m, sigma = unpacked(u, bounds)
    one, two, three, four = math.sin(u[1]), math.sin(u[2]), math.cos(u[3]), math.cos(u[4])
    by_one, by_two = bounds[0] * math.cos(u[1]), bounds[0] * math.cos(u[2])
    root = bounds[0] * one * two
    tilt, bend = 0.5 * (right - left), 0.5 * (right + left)
    n = x.shape[0]
    found = np.empty((5, n + nodes.shape[0]))
    for i in range(n):
        d = x[i] - m
        r = math.sqrt(d * d + sigma * sigma)
        found[0, i] = weight[i] * 2.0 * u[0]
        found[1, i] = weight[i] * by_one * ((r - d) * one - sigma * two)
        found[2, i] = weight[i] * by_two * ((r + d) * two - sigma * one)
        found[3, i] = weight[i] * bounds[2] * three * (-tilt - bend * d / r)
        found[4, i] = weight[i] * bounds[4] * four * sigma * (bend * sigma / r - root)
    if nodes.shape[0]:
        here, there = np.empty(nodes.shape[0]), u.copy()
        shortfalls(u, nodes, bounds, strength, here)
        for j in range(5):
            there[j] = u[j] + 1e-6
            shortfalls(there, nodes, bounds, strength, found[j, n:])
            there[j] = u[j]
            for i in range(nodes.shape[0]):
                found[j, n + i] = (found[j, n + i] - here[i]) * 1e6
    return found


@entry(f"UniTuple(f8, 5)({_F}, {_F}, f8)")
def raw_parameters(u, bounds, scale):
    """Return a, b, rho, m, sigma in the units of k and w."""
    level, left, right, m, sigma = unpacked(u, bounds)
    b = 0.5 * (left + right)
    rho = (right - left) / (right + left) if b > 0.0 else 0.0
    return level * scale * scale, b * scale, rho, m * scale, sigma * scale
