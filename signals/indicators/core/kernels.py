# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
"""Loops over bars and instruments, compiled: averages, sums and deviations that carry a state from bar to bar.

An array is bars x instruments, so that the inner loop, over instruments, is vector code. `x` holds `kept` rows of
earlier bars (at least as many as the window, or all there were), then the rows to do. `count` is how many bars of the
input there were before. State arrays are changed in place. No liberty of floating point is taken: a bar gives the same
value alone as among thousands, to the last digit.
"""

from typing import Any

import numpy as np
from numba import njit

NAN = np.nan


def _compiled(signature: str) -> Any:
    return njit(signature, cache=True, nogil=True, error_model="numpy")


@_compiled("void(f8[:,::1], i8, f8, f8[::1], f8[::1], f8[:,::1])")
def smooth(x, n, alpha, seen, value, out):  # pragma: no cover - compiled
    """Exponential average whose first value is the mean of the first n: v += (x - v) alpha.

    A missing input leaves it as it is.
    """
    share = 1.0 / n
    for t in range(x.shape[0]):
        for i in range(x.shape[1]):
            v, a, c = value[i], x[t, i], seen[i]
            there = a == a
            c = c + 1.0 if there else c
            total = v + a
            new = total if c < n else (total * share if c == n else v + (a - v) * alpha)
            v = new if there else v
            value[i] = v
            seen[i] = c
            out[t, i] = v if c >= n else NAN


@_compiled("void(f8[:,::1], i8, f8[::1], b1[::1], f8[:,::1])")
def follow(x, n_alpha, value, begun, out):  # pragma: no cover - compiled
    """Exponential average of 2 / (n + 1) whose first value is the first input."""
    alpha = 2.0 / (n_alpha + 1.0)
    for t in range(x.shape[0]):
        for i in range(x.shape[1]):
            a = x[t, i]
            v = value[i] + (a - value[i]) * alpha if begun[i] else a
            begun[i] = True
            value[i] = v
            out[t, i] = v


@_compiled("void(f8[:,::1], i8, f8[::1])")
def count_equal(x, r, same):  # pragma: no cover - compiled
    """Count how many values in a row have been equal, with that of row r: then nothing is left to rounding."""
    for i in range(x.shape[1]):
        same[i] = same[i] + 1.0 if r > 0 and x[r, i] == x[r - 1, i] else 1.0


@_compiled("void(f8[:,::1], i8, i8, i8, f8, f8[::1], f8[::1], f8[::1], f8[:,::1])")
def rolling_sum(x, kept, count, n, scale, total, missing, same, out):  # pragma: no cover - compiled
    """Sum of the last n, times scale. Every n bars it is made afresh, so that errors do not grow. Of n equal ones it is
    exact."""
    for r in range(kept, x.shape[0]):
        t = r - kept
        c = count + t
        count_equal(x, r, same)
        if c % n == n - 1:
            total[:] = 0.0
            missing[:] = 0.0
            for j in range(r - n + 1, r + 1):
                for i in range(x.shape[1]):
                    a = x[j, i]
                    there = a == a
                    total[i] += a if there else 0.0
                    missing[i] += 0.0 if there else 1.0
        elif c >= n:
            for i in range(x.shape[1]):
                a, b = x[r, i], x[r - n, i]
                there, was = a == a, b == b
                total[i] += (a if there else 0.0) - (b if was else 0.0)
                missing[i] += (0.0 if there else 1.0) - (0.0 if was else 1.0)
        if c >= n - 1:
            for i in range(x.shape[1]):
                total[i] = x[r, i] * n if same[i] >= n else total[i]
                out[t, i] = total[i] * scale if missing[i] == 0.0 else NAN
        else:
            for i in range(x.shape[1]):
                out[t, i] = NAN


@_compiled("void(f8[:,::1], i8, i8, i8, f8[::1], f8[::1], f8[::1], f8[:,::1], f8[:,::1])")
def moments(x, kept, count, n, mean, squares, same, out_mean, out_squares):  # pragma: no cover - compiled
    """Mean of the last n and the sum of squared deviations from it, by Welford's update; afresh every n bars. Of
    n equal ones they are exact."""
    share = 1.0 / n
    for r in range(kept, x.shape[0]):
        t = r - kept
        c = count + t
        count_equal(x, r, same)
        if c % n == n - 1:
            mean[:] = 0.0
            squares[:] = 0.0
            for j in range(r - n + 1, r + 1):
                for i in range(x.shape[1]):
                    mean[i] += x[j, i]
            for i in range(x.shape[1]):
                mean[i] *= share
            for j in range(r - n + 1, r + 1):
                for i in range(x.shape[1]):
                    d = x[j, i] - mean[i]
                    squares[i] += d * d
        elif c >= n:
            for i in range(x.shape[1]):
                a, b, m = x[r, i], x[r - n, i], mean[i]
                new = m + (a - b) * share
                s = squares[i] + (a - b) * (a - new + b - m)
                squares[i] = s if s > 0.0 else 0.0
                mean[i] = new
        if c >= n - 1:
            for i in range(x.shape[1]):
                mean[i] = x[r, i] if same[i] >= n else mean[i]
                squares[i] = 0.0 if same[i] >= n else squares[i]
                out_mean[t, i] = mean[i]
                out_squares[t, i] = squares[i]
        else:
            for i in range(x.shape[1]):
                out_mean[t, i] = NAN
                out_squares[t, i] = NAN


@_compiled("void(f8[:,::1], i8, i8, i8, f8[:,::1])")
def highest(x, kept, count, n, out):  # pragma: no cover - compiled
    for r in range(kept, x.shape[0]):
        t = r - kept
        for i in range(x.shape[1]):
            out[t, i] = x[r, i]
        if count + t < n - 1:
            out[t, :] = NAN
            continue
        for j in range(r - n + 1, r):
            for i in range(x.shape[1]):
                a, b = out[t, i], x[j, i]
                out[t, i] = a if a >= b else b


@_compiled("void(f8[:,::1], i8, i8, i8, f8[:,::1])")
def lowest(x, kept, count, n, out):  # pragma: no cover - compiled
    for r in range(kept, x.shape[0]):
        t = r - kept
        for i in range(x.shape[1]):
            out[t, i] = x[r, i]
        if count + t < n - 1:
            out[t, :] = NAN
            continue
        for j in range(r - n + 1, r):
            for i in range(x.shape[1]):
                a, b = out[t, i], x[j, i]
                out[t, i] = a if a <= b else b


@_compiled("void(f8[:,::1], i8, i8, i8, f8, f8[:,::1])")
def since_extreme(x, kept, count, n, sign, out):  # pragma: no cover - compiled
    """How many bars ago the highest (sign 1) or lowest (sign -1) of the last n was; of equal ones the latest."""
    for r in range(kept, x.shape[0]):
        t = r - kept
        for i in range(x.shape[1]):
            if count + t < n - 1:
                out[t, i] = NAN
                continue
            best, ago = x[r, i] * sign, 0
            for j in range(1, n):
                a = x[r - j, i] * sign
                if a > best:
                    best, ago = a, j
            out[t, i] = ago


@_compiled("void(f8[:,::1], i8, i8, i8, f8[:,::1])")
def weighted(x, kept, count, n, out):  # pragma: no cover - compiled
    """Average of the last n with the weights 1 to n, the newest the heaviest."""
    scale = 1.0 / (0.5 * n * (n + 1))
    for r in range(kept, x.shape[0]):
        t = r - kept
        if count + t < n - 1:
            out[t, :] = NAN
            continue
        out[t, :] = 0.0
        for j in range(n):
            for i in range(x.shape[1]):
                out[t, i] += x[r - n + 1 + j, i] * (j + 1)
        for i in range(x.shape[1]):
            out[t, i] *= scale


@_compiled("void(f8[:,::1], i8, i8, i8, f8[:,::1])")
def mean_deviation(x, kept, count, n, out):  # pragma: no cover - compiled
    """Mean distance of the last n from their mean. Of equal ones it is 0, not what rounding their mean leaves."""
    mean, same = np.empty(x.shape[1]), np.zeros(x.shape[1])
    share = 1.0 / n
    for r in range(x.shape[0]):
        t = r - kept
        count_equal(x, r, same)
        if t < 0:
            continue
        if count + t < n - 1:
            out[t, :] = NAN
            continue
        mean[:] = 0.0
        out[t, :] = 0.0
        for j in range(r - n + 1, r + 1):
            for i in range(x.shape[1]):
                mean[i] += x[j, i]
        for j in range(r - n + 1, r + 1):
            for i in range(x.shape[1]):
                out[t, i] += abs(x[j, i] - mean[i] * share)
        for i in range(x.shape[1]):
            out[t, i] = 0.0 if same[i] >= n else out[t, i] * share


@_compiled("void(f8[:,::1], i8, i8, i8, f8[:,::1], f8[:,::1])")
def line(x, kept, count, n, slope, intercept):  # pragma: no cover - compiled
    """Least-squares line through the last n, at 0, 1, ... n - 1."""
    sum_x, sum_squares = 0.5 * n * (n - 1), n * (n - 1) * (2 * n - 1) / 6
    divisor = n * sum_squares - sum_x * sum_x
    for r in range(kept, x.shape[0]):
        t = r - kept
        if count + t < n - 1:
            slope[t, :] = NAN
            intercept[t, :] = NAN
            continue
        slope[t, :] = 0.0
        intercept[t, :] = 0.0
        for j in range(n):
            for i in range(x.shape[1]):
                slope[t, i] += x[r - n + 1 + j, i] * j
                intercept[t, i] += x[r - n + 1 + j, i]
        for i in range(x.shape[1]):
            products, total = slope[t, i], intercept[t, i]
            slope[t, i] = (n * products - sum_x * total) / divisor
            intercept[t, i] = (total * sum_squares - sum_x * products) / divisor


@_compiled("void(f8[:,::1], f8[::1], f8[:,::1])")
def cumulate(x, total, out):  # pragma: no cover - compiled
    """Sum of all. A missing input adds nothing and is missing itself."""
    for t in range(x.shape[0]):
        for i in range(x.shape[1]):
            a = x[t, i]
            total[i] += a if a == a else 0.0
            out[t, i] = total[i] if a == a else NAN


@_compiled("void(f8[:,::1], i8, i8, f8[::1], f8[:,::1])")
def wilder_sum(x, count, n, value, out):  # pragma: no cover - compiled
    """Wilder's sum: the first n - 1 added up, then v - v / n + x. A missing input leaves it as it is."""
    for t in range(x.shape[0]):
        for i in range(x.shape[1]):
            a = x[t, i]
            a = a if a == a else (0.0 if count + t < n - 1 else value[i] / n)
            value[i] = value[i] + a if count + t < n - 1 else value[i] - value[i] / n + a
            out[t, i] = value[i] if count + t >= n - 1 else NAN


@_compiled("void(f8[:,::1], f8[:,::1], i8, i8, f8[::1], f8[:,::1])")
def adapt(constant, x, count, n, value, out):  # pragma: no cover - compiled
    """Kaufman's average: at bar n - 1 the input itself, then v = k x + (1 - k) v. A missing one leaves it as it is."""
    for t in range(x.shape[0]):
        c = count + t
        for i in range(x.shape[1]):
            k, a, v = constant[t, i], x[t, i], value[i]
            if c == n - 1 or v != v:
                v = a
            elif k == k and a == a:
                v = k * a + (1 - k) * v
            value[i] = v
            out[t, i] = v if c >= n - 1 else NAN
