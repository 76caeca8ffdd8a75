# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
"""Loops of indicators that follow a path: each value depends on which side of the last one the price is."""

import numpy as np

from signals.indicators.core.kernels import NAN, _compiled


@_compiled("void(f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1], f8[:,:,::1])")
def supertrend(close, upper, lower, state, out):  # pragma: no cover - compiled
    """`state`: the last upper and lower band and the direction (0 before the first band). `out`: trend, direction,
    long, short."""
    for t in range(close.shape[0]):
        for i in range(close.shape[1]):
            c, up, low = close[t, i], upper[t, i], lower[t, i]
            last_up, last_low, direction = state[0, i], state[1, i], state[2, i]
            if direction == 0.0 or c > last_up:
                direction = 1.0
            elif c < last_low:
                direction = -1.0
            elif direction > 0.0:
                low = last_low if low < last_low else low
            else:
                up = last_up if up > last_up else up
            state[0, i], state[1, i], state[2, i] = up, low, direction
            rises = direction > 0.0
            out[0, t, i] = low if rises else up
            out[1, t, i] = direction
            out[2, t, i] = low if rises else NAN
            out[3, t, i] = NAN if rises else up


@_compiled("void(f8[:,::1], f8[:,::1], f8[:,::1], i8, f8, f8, f8[:,::1], f8[:,:,::1])")
def parabolic(high, low, close, count, first, most, state, out):  # pragma: no cover - compiled
    """Wilder's stop and reverse, from the first close. `state`: stop, extreme, factor, falling, then the high and low
    of the last bar and of the one before. `out`: long, short, factor, reversal."""
    for t in range(high.shape[0]):
        c = count + t
        for i in range(high.shape[1]):
            h, l, p = high[t, i], low[t, i], close[t, i]  # noqa: E741
            if c == 0:
                out[0, t, i], out[1, t, i], out[2, t, i], out[3, t, i] = NAN, NAN, first, 0.0
                state[0, i], state[2, i] = p, first
                state[4, i], state[5, i], state[6, i], state[7, i] = h, l, h, l
                continue
            if c == 1:
                up, down = h - state[4, i], state[5, i] - l
                state[3, i] = 1.0 if down > up and down > 0.0 else 0.0
                state[1, i] = l if state[3, i] == 1.0 else h
            stop, extreme, factor, falling = state[0, i], state[1, i], state[2, i], state[3, i] == 1.0
            new = stop + factor * (extreme - stop)
            if falling:
                if l < extreme:
                    extreme = l
                    factor = min(factor + first, most)
                new = max(state[4, i], state[6, i], new)
                reverse = h > new
            else:
                if h > extreme:
                    extreme = h
                    factor = min(factor + first, most)
                new = min(state[5, i], state[7, i], new)
                reverse = l < new
            if reverse:
                new = extreme
                factor = first
                falling = not falling
                extreme = l if falling else h
            state[0, i], state[1, i], state[2, i], state[3, i] = new, extreme, factor, 1.0 if falling else 0.0
            state[6, i], state[7, i], state[4, i], state[5, i] = state[4, i], state[5, i], h, l
            out[0, t, i] = new if new < p else NAN
            out[1, t, i] = new if new >= p else NAN
            out[2, t, i] = factor
            out[3, t, i] = 1.0 if reverse else 0.0


@_compiled("void(f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1])")
def average_by_period(price, volume, period, state, out):  # pragma: no cover - compiled
    """Volume-weighted average since the period began. `state`: period, money, volume."""
    for t in range(price.shape[0]):
        for i in range(price.shape[1]):
            if state[0, i] != period[t, i]:
                state[0, i], state[1, i], state[2, i] = period[t, i], 0.0, 0.0
            v = volume[t, i]
            there = v == v
            state[1, i] += price[t, i] * v if there else 0.0
            state[2, i] += v if there else 0.0
            out[t, i] = state[1, i] / state[2, i] if there and state[2, i] > 0.0 else np.nan
