"""The numpy twin of kernel_american_grid.py: the same steps, all options side by side, scipy's tridiagonal solver."""

import math

import numpy as np
from scipy.linalg import solve_banded

WIDTH, PENALTY, MOST_ROUNDS, IMPLICIT = 6.0, 1e9, 20, 3


def american_grid(
    s: np.ndarray,
    lm: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    sign: np.ndarray,
    offsets: np.ndarray,
    when: np.ndarray,
    amount: np.ndarray,
    width: np.ndarray,
    nodes: int,
    steps: int,
    result: np.ndarray,
) -> None:
    for i in range(len(s)):
        own = slice(offsets[i], offsets[i + 1])
        s_i, lm_i, a_i, b_i, sign_i, width_i = (float(each[i]) for each in (s, lm, a, b, sign, width))
        due = when[own].tolist(), amount[own].tolist()
        result[:, i] = _one(s_i, lm_i, a_i, b_i, sign_i, width_i, *due, nodes, steps)


def _one(
    s: float,
    lm: float,
    a: float,
    b: float,
    sign: float,
    width: float,
    when: list[float],
    amount: list[float],
    nodes: int,
    steps: int,
) -> list[float]:
    m = nodes // 2
    h = 2.0 * (WIDTH * width + abs(a - b - 0.5 * width * width)) / (nodes - 1)
    x = lm + h * (np.arange(nodes) - m)
    spot = np.exp(x)
    low, high = x - h / 2, x + h / 2
    low, high = (np.clip(low, 0.0, high), high) if sign > 0 else (low, np.clip(high, low, 0.0))
    value = np.where(high > low, sign * (np.exp(high) - np.exp(low) - (high - low)) / h, 0.0)
    european = value.copy()
    diffusion, drift = 0.5 * s * s / (h * h), 0.5 * (a - b - 0.5 * s * s) / h
    off_low, middle, off_high = diffusion - drift, -(2.0 * diffusion + a), diffusion + drift
    pv = 0.0
    moments = [0.0, *when, 1.0]
    for stretch, begin in enumerate(moments[:-1]):
        if stretch:
            pv += amount[stretch - 1]
            value = np.maximum(value, sign * (spot + pv - 1.0))
        length = moments[stretch + 1] - begin
        if length <= 0.0:
            continue
        many = max(math.ceil(steps * math.sqrt(length)), 12)
        for step in range(many):
            share, before = ((step + 1.0) / many) ** 2, (step / many) ** 2
            dt, u = (share - before) * length, begin + share * length
            pv *= math.exp(-a * dt)
            new = dt if step < IMPLICIT else 0.5 * dt
            old = dt - new
            ends = np.maximum(sign * (spot[[0, -1]] * math.exp(-b * u) - math.exp(-a * u)), 0.0)
            bands = np.zeros((3, nodes))
            bands[0, 2:], bands[1], bands[2, :-2] = -new * off_high, 1.0, -new * off_low
            bands[1, 1:-1] = 1.0 - new * middle
            sides = []
            for each in (european, value):
                side = each + old * (off_low * np.roll(each, 1) + middle * each + off_high * np.roll(each, -1))
                sides.append(side)
            sides[0][[0, -1]] = ends
            exercise = sign * (spot + pv - 1.0)
            sides[1][[0, -1]] = np.maximum(ends, exercise[[0, -1]])
            european = solve_banded((1, 1), bands, sides[0])
            for _ in range(MOST_ROUNDS):
                penalty = np.where(value < exercise, PENALTY, 0.0)
                penalty[[0, -1]] = 0.0
                stiff = bands.copy()
                stiff[1] += penalty
                solved = solve_banded((1, 1), stiff, sides[1] + penalty * exercise)
                same = ((value < exercise) == (solved < exercise))[1:-1].all()
                value = solved
                if same:
                    break
    found = [
        each
        for grid in (value, european)
        for each in (
            float(grid[m]),
            float(grid[m + 1] - grid[m - 1]) / (2.0 * h),
            float(grid[m + 1] - 2.0 * grid[m] + grid[m - 1]) / (h * h),
        )
    ]
    return [*found, float(sign * (spot[m] + pv - 1.0))]
