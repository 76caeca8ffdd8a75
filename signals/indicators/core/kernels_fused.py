# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
"""The most used indicators in one loop each, over many instruments: from the first bar.

They do what their formulas do in the same order, so that the values are the same to the last digit (a test compares
them), without the arrays in between. Instruments go in blocks whose state stays in the nearest cache.
"""

import numpy as np

from signals.indicators.core.kernels import NAN, _compiled

BLOCK = 1024


@_compiled("void(f8[:,::1], i8, f8, f8[:,::1])")
def ema(x, n, alpha, out):  # pragma: no cover - compiled
    share = 1.0 / n
    value = np.empty(BLOCK)
    for begin in range(0, x.shape[1], BLOCK):
        width = min(BLOCK, x.shape[1] - begin)
        value[:] = 0.0
        for t in range(x.shape[0]):
            row, to = x[t, begin : begin + width], out[t, begin : begin + width]
            if t < n - 1:
                for i in range(width):
                    value[i] += row[i]
                    to[i] = NAN
            elif t == n - 1:
                for i in range(width):
                    value[i] = (value[i] + row[i]) * share
                    to[i] = value[i]
            else:
                for i in range(width):
                    v = value[i]
                    v = v + (row[i] - v) * alpha
                    value[i] = v
                    to[i] = v


@_compiled("void(f8[:,::1], i8, f8, f8[:,::1])")
def rsi(x, n, scalar, out):  # pragma: no cover - compiled
    share = 1.0 / n
    up, down = np.empty(BLOCK), np.empty(BLOCK)
    for begin in range(0, x.shape[1], BLOCK):
        width = min(BLOCK, x.shape[1] - begin)
        up[:] = 0.0
        down[:] = 0.0
        for t in range(x.shape[0]):
            to = out[t, begin : begin + width]
            if t == 0:
                to[:] = NAN
                continue
            row, before = x[t, begin : begin + width], x[t - 1, begin : begin + width]
            for i in range(width):
                change = row[i] - before[i]
                rise = change if change > 0.0 else 0.0
                fall = -change if change < 0.0 else 0.0
                a, b = up[i], down[i]
                if t < n:
                    a, b = a + rise, b + fall
                elif t == n:
                    a, b = (a + rise) * share, (b + fall) * share
                else:
                    a, b = a + (rise - a) * share, b + (fall - b) * share
                up[i], down[i] = a, b
                to[i] = a * scalar / (a + b) if t >= n else NAN


@_compiled("void(f8[:,::1], f8[:,::1], f8[:,::1], i8, f8[:,::1])")
def atr(high, low, close, n, out):  # pragma: no cover - compiled
    share = 1.0 / n
    value = np.empty(BLOCK)
    for begin in range(0, high.shape[1], BLOCK):
        width = min(BLOCK, high.shape[1] - begin)
        value[:] = 0.0
        for t in range(high.shape[0]):
            to = out[t, begin : begin + width]
            if t == 0:
                to[:] = NAN
                continue
            h, l, p = high[t, begin : begin + width], low[t, begin : begin + width], close[t - 1, begin : begin + width]  # noqa: E741
            for i in range(width):
                span = max(max(h[i] - l[i], abs(h[i] - p[i])), abs(l[i] - p[i]))
                v = value[i]
                if t < n:
                    v = v + span
                elif t == n:
                    v = (v + span) * share
                else:
                    v = v + (span - v) * share
                value[i] = v
                to[i] = v if t >= n else NAN


@_compiled("void(f8[:,::1], i8, i8, i8, f8[:,::1], f8[:,::1], f8[:,::1])")
def macd(x, fast, slow, signal, out, rest, line):  # pragma: no cover - compiled
    """`out`: the difference; `rest`: what it is above its average; `line`: that average."""
    quick, steady, average = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    share_fast, share_slow, share = 1.0 / fast, 1.0 / slow, 1.0 / signal
    alpha_fast, alpha_slow, alpha = 2.0 / (fast + 1), 2.0 / (slow + 1), 2.0 / (signal + 1)
    for begin in range(0, x.shape[1], BLOCK):
        width = min(BLOCK, x.shape[1] - begin)
        quick[:] = 0.0
        steady[:] = 0.0
        average[:] = 0.0
        for t in range(x.shape[0]):
            row = x[t, begin : begin + width]
            one, two, three = (
                out[t, begin : begin + width],
                rest[t, begin : begin + width],
                line[t, begin : begin + width],
            )
            for i in range(width):
                v = quick[i]
                if t < fast - 1:
                    v = v + row[i]
                elif t == fast - 1:
                    v = (v + row[i]) * share_fast
                else:
                    v = v + (row[i] - v) * alpha_fast
                quick[i] = v
            for i in range(width):
                v = steady[i]
                if t < slow - 1:
                    v = v + row[i]
                elif t == slow - 1:
                    v = (v + row[i]) * share_slow
                else:
                    v = v + (row[i] - v) * alpha_slow
                steady[i] = v
            k = t - (slow - 1)
            if k < 0:
                one[:] = NAN
                two[:] = NAN
                three[:] = NAN
                continue
            for i in range(width):
                d, v = quick[i] - steady[i], average[i]
                if k < signal - 1:
                    v = v + d
                elif k == signal - 1:
                    v = (v + d) * share
                else:
                    v = v + (d - v) * alpha
                average[i] = v
                one[i] = d
                two[i] = d - v if k >= signal - 1 else NAN
                three[i] = v if k >= signal - 1 else NAN


@_compiled("void(f8[:,::1], i8, f8, f8, f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1])")
def bbands(x, n, share_squares, std, lower, middle, upper, width_of, place):  # pragma: no cover - compiled
    """`share_squares`: what the sum of squared deviations is multiplied by."""
    mean, squares, same = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    share = 1.0 / n
    for begin in range(0, x.shape[1], BLOCK):
        width = min(BLOCK, x.shape[1] - begin)
        end = begin + width
        same[:] = 0.0
        stood = 0  # rows in which some have equalled the row before: seldom any, so that counting costs nothing
        for t in range(x.shape[0]):
            row, before = x[t, begin:end], x[max(t - 1, 0), begin:end]
            equal = 0
            for i in range(width):
                equal += 1 if row[i] == before[i] else 0
            if equal:
                stood += 1
                for i in range(width):
                    same[i] = same[i] + 1.0 if row[i] == before[i] else 1.0
            elif stood:
                stood = 0
                same[:] = 1.0
            if t % n == n - 1:
                mean[:] = 0.0
                squares[:] = 0.0
                for j in range(t - n + 1, t + 1):
                    old = x[j, begin:end]
                    for i in range(width):
                        mean[i] += old[i]
                for i in range(width):
                    mean[i] *= share
                for j in range(t - n + 1, t + 1):
                    old = x[j, begin:end]
                    for i in range(width):
                        d = old[i] - mean[i]
                        squares[i] += d * d
            elif t >= n:
                old = x[t - n, begin:end]
                for i in range(width):
                    a, b, m = row[i], old[i], mean[i]
                    new = m + (a - b) * share
                    s = squares[i] + (a - b) * (a - new + b - m)
                    squares[i] = s if s > 0.0 else 0.0
                    mean[i] = new
            o1, o2, o3 = lower[t, begin:end], middle[t, begin:end], upper[t, begin:end]
            o4, o5 = width_of[t, begin:end], place[t, begin:end]
            if t < n - 1:
                o1[:] = NAN
                o2[:] = NAN
                o3[:] = NAN
                o4[:] = NAN
                o5[:] = NAN
                continue
            if stood >= n - 1:
                for i in range(width):
                    mean[i] = row[i] if same[i] >= n else mean[i]
                    squares[i] = 0.0 if same[i] >= n else squares[i]
            for i in range(width):
                m = mean[i]
                band = np.sqrt(squares[i] * share_squares) * std
                low, high = m - band, m + band
                span = high - low
                o1[i], o2[i], o3[i] = low, m, high
                o5[i] = (row[i] - low) / span if span != 0.0 else NAN
                o4[i] = span * 100.0 / m if m != 0.0 else NAN
