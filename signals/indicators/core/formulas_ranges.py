"""Volatility, statistics and volume."""

import numpy as np

from signals.indicators.core.formulas import Bars, Params, kernel, typical
from signals.indicators.core.formulas_averages import true_range as range_of
from signals.indicators.core.run import Run, Series, apart, combined, settling

Outputs = list[Series]


@kernel(*(f"BB{part}_{{length}}_{{std}}" for part in "LMUBP"), mamode="sma")
def bbands(run: Run, bars: Bars, p: Params) -> Outputs:
    close, n = bars["close"], p["length"]
    middle, squares = run.moments(close, n)
    band = combined(lambda s: np.sqrt(s * (1.0 / (n - p["ddof"]))) * p["std"], squares)
    lower, upper = middle - band, middle + band
    width = upper - lower  # 0 where prices do not move: then there is no place in it
    return [lower, middle, upper, width * 100.0 / middle, (close - lower) / width]


@kernel("TRUERANGE_{drift}", drift=1)
def true_range(run: Run, bars: Bars, p: Params) -> Outputs:
    return [range_of(run, bars)]


@kernel("ATRr_{length}", mamode="rma", drift=1)
def atr(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.wilder(range_of(run, bars), p["length"])]


@kernel("NATR_{length}", mamode="rma", drift=1)
def natr(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.wilder(range_of(run, bars), p["length"]) * p["scalar"] / bars["close"]]


@kernel("KCLe_{length}_{scalar}", "KCBe_{length}_{scalar}", "KCUe_{length}_{scalar}", mamode="ema")
def kc(run: Run, bars: Bars, p: Params) -> Outputs:
    middle = run.ema(bars["close"], p["length"])
    band = run.ema(range_of(run, bars), p["length"]) * p["scalar"]
    return [middle - band, middle, middle + band]


@kernel(*(f"DC{part}_{{lower_length}}_{{upper_length}}" for part in "LMU"))
def donchian(run: Run, bars: Bars, p: Params) -> Outputs:
    lower, upper = run.lowest(bars["low"], p["lower_length"]), run.highest(bars["high"], p["upper_length"])
    return [lower, (lower + upper) * 0.5, upper]


@kernel("VAR_{length}")
def variance(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.moments(bars["close"], p["length"])[1] / float(p["length"] - p["ddof"])]


@kernel("STDEV_{length}")
def stdev(run: Run, bars: Bars, p: Params) -> Outputs:
    squares = run.moments(bars["close"], p["length"])[1] / float(p["length"] - p["ddof"])
    return [squares.with_values(np.sqrt(squares.values))]


@kernel("ZS_{length}")
def zscore(run: Run, bars: Bars, p: Params) -> Outputs:
    n = p["length"]
    middle, squares = run.moments(bars["close"], n)
    deviation = combined(lambda s: np.sqrt(s / (n - 1)) * p["std"], squares)
    return [(bars["close"] - middle) / deviation]


@kernel("OBV")
def obv(run: Run, bars: Bars, p: Params) -> Outputs:
    change = run.change(bars["close"])
    sign = change.with_values(np.sign(change.values))
    if run.begin == 0 and len(sign.values):
        sign.values[0] = 1.0  # the first bar counts as a rise
    sign.first = 0
    return [run.cumulate(sign * bars["volume"])]


def _flow(bars: Bars) -> Series:
    """Return volume, times where the close lies in the bar from -1 to 1."""
    high, low, close = bars["high"], bars["low"], bars["close"]
    return (close * 2.0 - (high + low)) * (bars["volume"] / apart(high, low))


@kernel("AD")
def ad(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.cumulate(_flow(bars))]


@kernel("ADOSC_{fast}_{slow}")
def adosc(run: Run, bars: Bars, p: Params) -> Outputs:
    total = run.cumulate(_flow(bars))
    found = run.follow(total, p["fast"]) - run.follow(total, p["slow"])
    first = max(p["slow"] - 1, 1)
    blank = min(max(first - run.begin, 0), len(found.values))
    found.values[:blank] = np.nan
    # Where the sum begins does not matter: it is the same in both averages.
    return [Series(found.values, first, first + settling(2.0 / (max(p["fast"], p["slow"]) + 1)))]


@kernel("CMF_{length}")
def cmf(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.sum(_flow(bars), p["length"]) / run.sum(bars["volume"], p["length"])]


@kernel("MFI_{length}", drift=1)
def mfi(run: Run, bars: Bars, p: Params) -> Outputs:
    price = typical(bars)
    change, money = run.change(price), price * bars["volume"]
    change.first, change.settled = 0, 1  # the first bar is neither up nor down
    up = combined(lambda c, m: np.where(c > 0.0, m, m * 0.0), change, money)
    down = combined(lambda c, m: np.where(c < 0.0, m, m * 0.0), change, money)
    rises, falls = run.sum(up, p["length"]), run.sum(down, p["length"])
    return [rises * 100.0 / (rises + falls)]


@kernel("EFI_{length}", mamode="ema", drift=1)
def efi(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.ema(run.change(bars["close"]) * bars["volume"], p["length"])]


@kernel("PVT")
def pvt(run: Run, bars: Bars, p: Params) -> Outputs:
    before = run.shift(bars["close"], p["drift"])
    return [run.cumulate((bars["close"] - before) * 100.0 / before * bars["volume"])]
