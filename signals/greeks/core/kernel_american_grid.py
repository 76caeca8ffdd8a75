# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""American options by finite differences: discrete dividends, and exercise regions of any shape.

Slower than kernel_american.py by two orders of magnitude, and free of what that assumes. In units of the strike and of
T, with x = ln(F/K), F the spot less the present value of the dividends until expiry (escrowed dividends), which is what
diffuses, and u the time to expiry:

    V_u = s^2/2 V_xx + (a - b - s^2/2) V_x - a V,     V >= w (exp(x) + pv(u) - 1)

pv(u) is the value then of the dividends that are still to come: exercise pays the full spot. A dividend is one step of
pv, and the last moment at which a holder can still exercise for it is a time of its own.

Crank-Nicolson in time, each stretch between dividends starting with implicit steps and with steps that grow
quadratically, since exercise and payoff have kinks there; central differences on an even grid in x with the spot on a
node; the payoff averaged over cells; the obstacle by penalty iteration (Forsyth and Vetzal 2002). The European option
is on the same grid, and its error, which is known, is taken off.
"""

import math

import numpy as np

from .kernel_compile import block, cached_entry, full_width_vectors
from .kernel_math import exp

LANES = 8  # options side by side in one register
WIDTH = 6.0  # standard deviations on either side
PENALTY = 1e9
MOST_ROUNDS = 20
IMPLICIT = 3  # steps at the start of a stretch

_V = "f8[::1]"


@block
def payoff_block(nodes, grid, sign, value, european):  # pragma: no cover - compiled
    """The payoff at expiry, averaged over each cell."""
    for j in range(nodes):
        for i in range(LANES):
            x, half, w = grid[0, i] + j * grid[1, i], 0.5 * grid[1, i], sign[i]
            low, high = x - half, x + half
            if w > 0.0:
                low = min(max(low, 0.0), high)
            else:
                high = max(min(high, 0.0), low)
            mean = w * (math.exp(high) - math.exp(low) - (high - low)) / (2.0 * half) if high > low else 0.0
            value[j, i] = mean
            european[j, i] = mean


@block
def step_block(
    nodes, implicit, dt, pv, grid, terms, sign, spots, ends, value, european, work
):  # pragma: no cover - compiled
    """One step of both options: European first, whose elimination is the American's without its obstacle."""
    full_width_vectors()
    low, mid, up, old_low, old_mid, old_up = work[0], work[1], work[2], work[3], work[4], work[5]
    pivot, held, right = work[6 : 6 + nodes], work[6 + nodes : 6 + 2 * nodes], work[6 + 2 * nodes : 6 + 3 * nodes]
    for i in range(LANES):
        h = grid[1, i]
        diffusion = 0.5 * terms[0, i] * terms[0, i] / (h * h)
        drift = 0.5 * (terms[1, i] - terms[2, i] - 0.5 * terms[0, i] * terms[0, i]) / h
        new = dt if implicit else 0.5 * dt
        old = dt - new
        low[i], up[i] = -new * (diffusion - drift), -new * (diffusion + drift)
        mid[i] = 1.0 + new * (2.0 * diffusion + terms[1, i])
        old_low[i], old_up[i] = old * (diffusion - drift), old * (diffusion + drift)
        old_mid[i] = 1.0 - old * (2.0 * diffusion + terms[1, i])
    for i in range(LANES):
        pivot[0, i], held[0, i], right[0, i] = 0.0, ends[0, i], ends[2, i]
    for j in range(1, nodes - 1):
        for i in range(LANES):
            source = old_low[i] * european[j - 1, i] + old_mid[i] * european[j, i] + old_up[i] * european[j + 1, i]
            scale = 1.0 / (mid[i] - low[i] * pivot[j - 1, i])
            pivot[j, i] = up[i] * scale
            held[j, i] = (source - low[i] * held[j - 1, i]) * scale
            right[j, i] = old_low[i] * value[j - 1, i] + old_mid[i] * value[j, i] + old_up[i] * value[j + 1, i]
    for i in range(LANES):
        european[nodes - 1, i] = ends[1, i]
    for back in range(nodes - 1):
        j = nodes - 2 - back
        for i in range(LANES):
            european[j, i] = held[j, i] - pivot[j, i] * european[j + 1, i]
    for _ in range(MOST_ROUNDS):
        changed = 0.0
        for i in range(LANES):
            pivot[0, i], held[0, i] = 0.0, ends[2, i]
        for j in range(1, nodes - 1):
            for i in range(LANES):
                exercised = sign[i] * (spots[j, i] + pv[i] - 1.0)
                penalty = PENALTY if value[j, i] < exercised else 0.0
                scale = 1.0 / (mid[i] + penalty - low[i] * pivot[j - 1, i])
                pivot[j, i] = up[i] * scale
                held[j, i] = (right[j, i] + penalty * exercised - low[i] * held[j - 1, i]) * scale
        for i in range(LANES):
            value[nodes - 1, i] = ends[3, i]
            value[0, i] = ends[2, i]
        for back in range(nodes - 2):
            j = nodes - 2 - back
            for i in range(LANES):
                exercised = sign[i] * (spots[j, i] + pv[i] - 1.0)
                solved = held[j, i] - pivot[j, i] * value[j + 1, i]
                changed += 1.0 if (value[j, i] < exercised) != (solved < exercised) else 0.0
                value[j, i] = solved
        if changed == 0.0:
            break


@block
def ends_block(nodes, u, pv, grid, terms, sign, spots, ends):  # pragma: no cover - compiled
    """The values at both ends of the grid: rows European low, high, American low, high."""
    for i in range(LANES):
        for side in range(2):
            spot = spots[(nodes - 1) * side, i]
            at_expiry = sign[i] * (spot * math.exp(-terms[2, i] * u) - math.exp(-terms[1, i] * u))
            ends[side, i] = max(at_expiry, 0.0)
            ends[2 + side, i] = max(ends[side, i], sign[i] * (spot + pv[i] - 1.0))


@block
def same_dates(offsets, when, one, other):  # pragma: no cover - compiled
    """Whether two options have dividends at the same times: then their grids can step together."""
    count = offsets[one + 1] - offsets[one]
    same = offsets[other + 1] - offsets[other] == count
    k = 0
    while same and k < count:
        same = when[offsets[one] + k] == when[offsets[other] + k]
        k += 1
    return same


@cached_entry(f"void({_V}, {_V}, {_V}, {_V}, {_V}, i8[::1], {_V}, {_V}, {_V}, i8, i8, f8[:,::1])")
def american_grid(s, lm, a, b, sign, offsets, when, amount, width, nodes, steps, result):  # pragma: no cover - compiled
    """Rows of `result`: American value, its first and second derivative by x, the same of the European on the grid, and
    what exercise now is worth.

    Dividends of option i: places offsets[i] to offsets[i + 1] of `when` (time to expiry, ascending, in units of T) and
    `amount` (in units of the strike). `width` is the s that the grid is laid out for: equal widths make equal grids, so
    that differences between volatilities are smooth. `steps`: for a stretch that is as long as T.
    """
    value, european, spots = np.empty((nodes, LANES)), np.empty((nodes, LANES)), np.empty((nodes, LANES))
    work, ends, grid, terms = (
        np.empty((6 + 3 * nodes, LANES)),
        np.empty((4, LANES)),
        np.empty((2, LANES)),
        np.empty((3, LANES)),
    )
    signs, pv = np.empty(LANES), np.empty(LANES)
    n = s.shape[0]
    first = 0
    while first < n:
        last = first + 1
        while last < min(first + LANES, n) and same_dates(offsets, when, first, last):
            last += 1
        for i in range(LANES):
            at = min(first + i, last - 1)
            terms[0, i], terms[1, i], terms[2, i], signs[i] = s[at], a[at], b[at], sign[at]
            pull = abs(a[at] - b[at] - 0.5 * width[at] * width[at])
            grid[1, i] = 2.0 * (WIDTH * width[at] + pull) / (nodes - 1)
            grid[0, i] = lm[at] - grid[1, i] * (nodes // 2)
            pv[i] = 0.0
        for j in range(nodes):
            for i in range(LANES):
                spots[j, i] = exp(grid[0, i] + j * grid[1, i])
        payoff_block(nodes, grid, signs, value, european)
        stretches = offsets[first + 1] - offsets[first] + 1
        for stretch in range(stretches):
            begin = 0.0 if stretch == 0 else when[offsets[first] + stretch - 1]
            length = (when[offsets[first] + stretch] if stretch < stretches - 1 else 1.0) - begin
            if stretch > 0:
                for i in range(LANES):
                    pv[i] += amount[offsets[min(first + i, last - 1)] + stretch - 1]
                    for j in range(nodes):
                        value[j, i] = max(value[j, i], signs[i] * (spots[j, i] + pv[i] - 1.0))
            if length <= 0.0:
                continue
            many = max(math.ceil(steps * math.sqrt(length)), 12)
            for step in range(many):
                share, before = ((step + 1.0) / many) ** 2, (step / many) ** 2
                dt = (share - before) * length
                u = begin + share * length
                for i in range(LANES):
                    pv[i] *= math.exp(-terms[1, i] * dt)
                ends_block(nodes, u, pv, grid, terms, signs, spots, ends)
                step_block(nodes, step < IMPLICIT, dt, pv, grid, terms, signs, spots, ends, value, european, work)
        m = nodes // 2
        for i in range(last - first):
            h = grid[1, i]
            result[0, first + i] = value[m, i]
            result[1, first + i] = (value[m + 1, i] - value[m - 1, i]) / (2.0 * h)
            result[2, first + i] = (value[m + 1, i] - 2.0 * value[m, i] + value[m - 1, i]) / (h * h)
            result[3, first + i] = european[m, i]
            result[4, first + i] = (european[m + 1, i] - european[m - 1, i]) / (2.0 * h)
            result[5, first + i] = (european[m + 1, i] - 2.0 * european[m, i] + european[m - 1, i]) / (h * h)
            result[6, first + i] = signs[i] * (spots[m, i] + pv[i] - 1.0)
        first = last
