"""Moving averages and what is drawn over prices."""

import numpy as np

from signals.indicators.core.formulas import Bars, Params, kernel, typical
from signals.indicators.core.run import Run, Series, apart, combined

Outputs = list[Series]


@kernel("SMA_{length}")
def sma(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.mean(bars["close"], p["length"])]


@kernel("EMA_{length}")
def ema(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.ema(bars["close"], p["length"])]


@kernel("RMA_{length}")
def rma(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.wilder(bars["close"], p["length"])]


@kernel("WMA_{length}")  # pandas_ta ignores asc=False
def wma(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.weighted(bars["close"], p["length"])]


@kernel("DEMA_{length}")
def dema(run: Run, bars: Bars, p: Params) -> Outputs:
    one, two = _chain(run, bars["close"], p["length"], 2)
    return [one * 2.0 - two]


@kernel("TEMA_{length}")
def tema(run: Run, bars: Bars, p: Params) -> Outputs:
    one, two, three = _chain(run, bars["close"], p["length"], 3)
    return [(one - two) * 3.0 + three]


@kernel("T3_{length}_{a}")
def t3(run: Run, bars: Bars, p: Params) -> Outputs:
    _, _, three, four, five, six = _chain(run, bars["close"], p["length"], 6)
    a = p["a"]
    factors = (-(a**3), 3 * a**2 + 3 * a**3, -6 * a**2 - 3 * a - 3 * a**3, a**3 + 3 * a**2 + 3 * a + 1)
    return [six * factors[0] + five * factors[1] + four * factors[2] + three * factors[3]]


def _chain(run: Run, x: Series, n: int, depth: int) -> Outputs:
    found = [run.ema(x, n)]
    while len(found) < depth:
        found.append(run.ema(found[-1], n))
    return found


@kernel("HMA_{length}")
def hma(run: Run, bars: Bars, p: Params) -> Outputs:
    n, close = p["length"], bars["close"]
    return [run.weighted(run.weighted(close, n // 2) * 2.0 - run.weighted(close, n), int(n**0.5))]


@kernel("TRIMA_{length}")
def trima(run: Run, bars: Bars, p: Params) -> Outputs:
    n = p["length"] // 2 + 1
    return [run.mean(run.mean(bars["close"], n), n)]


@kernel("KAMA_{length}_{fast}_{slow}", drift=1)
def kama(run: Run, bars: Bars, p: Params) -> Outputs:
    n, close = p["length"], bars["close"]
    fast, slow = 2.0 / (p["fast"] + 1), 2.0 / (p["slow"] + 1)
    steps = run.sum(abs(apart(close, run.shift(close, 1))), n)
    efficiency = abs(apart(close, run.shift(close, n))) / steps
    root = efficiency * (fast - slow) + slow
    return [run.adapt(root * root, close, n, min(fast, slow) ** 2)]


@kernel("VWMA_{length}")
def vwma(run: Run, bars: Bars, p: Params) -> Outputs:
    n, volume = p["length"], bars["volume"]
    return [run.mean(bars["close"] * volume, n) / run.mean(volume, n)]


@kernel("LR_{length}")
def linreg(run: Run, bars: Bars, p: Params) -> Outputs:
    slope, intercept = run.line(bars["close"], p["length"])
    return [slope * (p["length"] - 1.0) + intercept]


@kernel("LRm_{length}")
def linregslope(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.line(bars["close"], p["length"])[0]]


@kernel("MIDPOINT_{length}")
def midpoint(run: Run, bars: Bars, p: Params) -> Outputs:
    return [_middle(run, bars["close"], bars["close"], p["length"])]


@kernel("MIDPRICE_{length}")
def midprice(run: Run, bars: Bars, p: Params) -> Outputs:
    return [_middle(run, bars["high"], bars["low"], p["length"])]


def _middle(run: Run, high: Series, low: Series, n: int) -> Series:
    return (run.lowest(low, n) + run.highest(high, n)) * 0.5


@kernel("HL2")
def hl2(run: Run, bars: Bars, p: Params) -> Outputs:
    return [(bars["high"] + bars["low"]) * 0.5]


@kernel("HLC3")
def hlc3(run: Run, bars: Bars, p: Params) -> Outputs:
    return [typical(bars)]


@kernel("OHLC4")
def ohlc4(run: Run, bars: Bars, p: Params) -> Outputs:
    return [(bars["open"] + bars["high"] + bars["low"] + bars["close"]) * 0.25]


@kernel("VWAP_{anchor}")
def vwap(run: Run, bars: Bars, p: Params) -> Outputs:
    price, volume, period = typical(bars), bars["volume"], bars["period_" + p["anchor"]]
    state = run.state(lambda: [np.full((3, price.values.shape[1]), np.nan)])
    out = np.empty_like(price.values)
    run.paths.average_by_period(price.values, volume.values, period.values, state[0], out)
    return [Series(out)]


@kernel("ISA_{tenkan}", "ISB_{kijun}", "ITS_{tenkan}", "IKS_{kijun}")
def ichimoku(run: Run, bars: Bars, p: Params) -> Outputs:
    high, low = bars["high"], bars["low"]
    turning = _middle(run, high, low, p["tenkan"])
    base = _middle(run, high, low, p["kijun"])
    leading = run.shift((turning + base) * 0.5, p["kijun"])
    return [leading, run.shift(_middle(run, high, low, p["senkou"]), p["kijun"]), turning, base]


@kernel(*(f"SUPERT{part}_{{length}}_{{multiplier}}" for part in ("", "d", "l", "s")))
def supertrend(run: Run, bars: Bars, p: Params) -> Outputs:
    close = bars["close"]
    band = run.wilder(true_range(run, bars), p["length"]) * p["multiplier"]
    middle = (bars["high"] + bars["low"]) * 0.5
    upper, lower = middle + band, middle - band
    skip = min(max(upper.first - run.begin, 0), len(close.values))
    (state,) = run.state(lambda: [np.zeros((3, close.values.shape[1]))])
    out = np.empty((4, len(close.values) - skip, close.values.shape[1]))
    rows = [np.ascontiguousarray(each.values[skip:]) for each in (close, upper, lower)]
    run.paths.supertrend(*rows, state, out)
    blank = np.full((skip, close.values.shape[1]), np.nan)
    # The path forgets its beginning when it turns, which no number of bars can promise.
    return [Series(np.concatenate([blank, each]), upper.first, 2 * upper.settled + 20 * p["length"]) for each in out]


@kernel(*(f"PSAR{part}_{{af0}}_{{max_af}}" for part in ("l", "s", "af", "r")), same={"af0": "af"})
def psar(run: Run, bars: Bars, p: Params) -> Outputs:
    high, low, close = bars["high"], bars["low"], bars["close"]
    (state,) = run.state(lambda: [np.zeros((8, close.values.shape[1]))])
    out = np.empty((4, *close.values.shape))
    run.paths.parabolic(high.values, low.values, close.values, run.begin, p["af0"], p["max_af"], state, out)
    settled = 500  # as above
    return [
        Series(out[0], 1, settled),
        Series(out[1], 1, settled),
        Series(out[2], 0, settled),
        Series(out[3], 0, settled),
    ]


def true_range(run: Run, bars: Bars) -> Series:
    """Return the range of each bar from the close before it, from the second bar on."""
    high, low, before = bars["high"], bars["low"], run.shift(bars["close"], 1)
    return combined(
        lambda h, l, p: np.maximum(np.maximum(h - l, np.abs(h - p)), np.abs(l - p)),  # noqa: E741
        high,
        low,
        before,
    )
