"""Realised volatility of bars: from closes, from ranges, and from both with the jumps between sessions.

All are annual, as decimals: the square root of a variance a bar times the number of bars a year. NaN where a bar of the
window has no usable prices.

Sources: Parkinson, "The Extreme Value Method for Estimating the Variance of the Rate of Return", Journal of Business 53
(1980); Yang and Zhang, "Drift-Independent Volatility Estimation Based on High, Low, Open, and Close Prices", Journal of
Business 73 (2000); Rogers and Satchell, Annals of Applied Probability 1 (1991).
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from timeframes.core.bars import BarColumns, Floats

SESSIONS_A_YEAR = 252.0


def close_to_close(bars: BarColumns, window: int, periods: float = SESSIONS_A_YEAR) -> Floats:
    """Return the sample standard deviation of `window` log returns of closes, one element a bar, NaN before there are.

    s^2 = sum (r - mean r)^2 / (n - 1), r = ln(C_i / C_i-1). `window` is 2 at least. `periods`: bars a year.
    """
    returns = _logarithms(bars.close[1:], bars.close[:-1])
    return _annual(np.var(_windows(returns, window), axis=1, ddof=1), len(bars), window, periods)


def parkinson(bars: BarColumns, window: int, periods: float = SESSIONS_A_YEAR) -> Floats:
    """Return sqrt(sum ln(H/L)^2 / (4 n ln 2)) of the last `window` bars: without drift and without jumps overnight."""
    ranges = np.square(_logarithms(bars.high, bars.low))
    return _annual(np.mean(_windows(ranges, window), axis=1) / (4.0 * np.log(2.0)), len(bars), window - 1, periods)


def yang_zhang(bars: BarColumns, window: int, periods: float = SESSIONS_A_YEAR) -> Floats:
    """Return Yang and Zhang's estimate of the last `window` bars, each with the close before it.

    s^2 = s_open^2 + k s_close^2 + (1 - k) s_rs^2 with k = 0.34 / (1.34 + (n + 1) / (n - 1)): the sample variances of
    ln(O_i / C_i-1) and of ln(C_i / O_i), and the mean of Rogers and Satchell's ln(H/C) ln(H/O) + ln(L/C) ln(L/O).
    `window` is 2 at least.
    """
    jumps = _logarithms(bars.open[1:], bars.close[:-1])
    moves = _logarithms(bars.close[1:], bars.open[1:])
    up, down = _logarithms(bars.high[1:], bars.open[1:]), _logarithms(bars.low[1:], bars.open[1:])
    satchell = up * (up - moves) + down * (down - moves)
    share = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
    variance = (
        np.var(_windows(jumps, window), axis=1, ddof=1)
        + share * np.var(_windows(moves, window), axis=1, ddof=1)
        + (1.0 - share) * np.mean(_windows(satchell, window), axis=1)
    )
    return _annual(variance, len(bars), window, periods)


def _logarithms(above: Floats, below: Floats) -> Floats:
    good = (above > 0) & (below > 0) & np.isfinite(above) & np.isfinite(below)
    found = np.full(len(above), np.nan)
    found[good] = np.log(above[good]) - np.log(below[good])
    return found


def _windows(values: Floats, window: int) -> Floats:
    if len(values) < window:
        return np.empty((0, window))
    found: Floats = sliding_window_view(values, window)
    return found


def _annual(variance: Floats, bars: int, before: int, periods: float) -> Floats:
    """Return the volatility by bar. `before`: bars without one at the beginning."""
    found = np.full(bars, np.nan)
    if len(variance):
        found[before:] = np.sqrt(np.maximum(variance, 0.0) * periods)  # NaN stays
    return found
