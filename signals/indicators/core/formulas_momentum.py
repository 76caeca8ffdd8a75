"""Oscillators, and indicators of the strength of trends."""

import numpy as np

from signals.indicators.core.formulas import Bars, Params, kernel, typical
from signals.indicators.core.formulas_averages import true_range
from signals.indicators.core.run import Run, Series, apart, combined, gains, losses

Outputs = list[Series]
_STANDS_STILL = 1e-9  # of an oscillator from 0 to 100


@kernel("RSI_{length}", drift=1)
def rsi(run: Run, bars: Bars, p: Params) -> Outputs:
    return [_strength(run, bars["close"], p["length"], p["scalar"])]


def _strength(run: Run, close: Series, n: int, scalar: float) -> Series:
    change = run.change(close)
    up, down = run.wilder(gains(change), n), run.wilder(losses(change), n)
    return up * scalar / (up + down)


@kernel(
    *(f"MACD{part}_{{fast}}_{{slow}}_{{signal}}" for part in ("", "h", "s")),
    ordered=("fast", "slow"),
)
def macd(run: Run, bars: Bars, p: Params) -> Outputs:
    line = run.ema(bars["close"], p["fast"]) - run.ema(bars["close"], p["slow"])
    signal = run.ema(line, p["signal"])
    return [line, line - signal, signal]


@kernel(
    *(f"PPO{part}_{{fast}}_{{slow}}_{{signal}}" for part in ("", "h", "s")),
    ordered=("fast", "slow"),
    mamode="sma",
)
def ppo(run: Run, bars: Bars, p: Params) -> Outputs:
    fast, slow = run.mean(bars["close"], p["fast"]), run.mean(bars["close"], p["slow"])
    line = (fast - slow) * p["scalar"] / slow
    signal = run.ema(line, p["signal"])
    return [line, line - signal, signal]


@kernel("STOCHk_{k}_{d}_{smooth_k}", "STOCHd_{k}_{d}_{smooth_k}", mamode="sma")
def stoch(run: Run, bars: Bars, p: Params) -> Outputs:
    slow = run.mean(_place(run, bars["high"], bars["low"], bars["close"], p["k"]), p["smooth_k"])
    return [slow, run.mean(slow, p["d"])]


@kernel("STOCHFk_{fastk}_{fastd}", "STOCHFd_{fastk}_{fastd}", mamode="sma")
def stochf(run: Run, bars: Bars, p: Params) -> Outputs:
    fast = _place(run, bars["high"], bars["low"], bars["close"], p["fastk"])
    return [fast, run.mean(fast, p["fastd"])]


@kernel(*(f"STOCHRSI{part}_{{length}}_{{rsi_length}}_{{k}}_{{d}}" for part in "kd"), mamode="sma")
def stochrsi(run: Run, bars: Bars, p: Params) -> Outputs:
    strength = _strength(run, bars["close"], p["rsi_length"], 100.0)
    place = combined(
        # Where prices stand still, the strength moves by nothing but rounding.
        lambda part, span: np.where(span < _STANDS_STILL, part * 0.0, part),
        _place(run, strength, strength, strength, p["length"]),
        run.highest(strength, p["length"]) - run.lowest(strength, p["length"]),
    )
    slow = run.mean(place, p["k"])
    return [slow, run.mean(slow, p["d"])]


def _place(run: Run, high: Series, low: Series, close: Series, n: int) -> Series:
    """Return where close lies between the lowest and highest of n bars, in percent."""
    bottom = run.lowest(low, n)
    return (close - bottom) * 100.0 / apart(run.highest(high, n), bottom)


@kernel("WILLR_{length}")
def willr(run: Run, bars: Bars, p: Params) -> Outputs:
    bottom, top = run.lowest(bars["low"], p["length"]), run.highest(bars["high"], p["length"])
    return [((bars["close"] - bottom) / (top - bottom) - 1.0) * 100.0]


@kernel("CCI_{length}_{c}")
def cci(run: Run, bars: Bars, p: Params) -> Outputs:
    price = typical(bars)
    return [(price - run.mean(price, p["length"])) / (run.mean_deviation(price, p["length"]) * p["c"])]


@kernel("CMO_{length}", drift=1)
def cmo(run: Run, bars: Bars, p: Params) -> Outputs:
    change = run.change(bars["close"])
    up, down = run.sum(gains(change), p["length"]), run.sum(losses(change), p["length"])
    return [(up - down) * p["scalar"] / (up + down)]


@kernel("MOM_{length}")
def mom(run: Run, bars: Bars, p: Params) -> Outputs:
    return [run.change(bars["close"], p["length"])]


@kernel("ROC_{length}")
def roc(run: Run, bars: Bars, p: Params) -> Outputs:
    return [_rate(run, bars["close"], p["length"], p["scalar"])]


def _rate(run: Run, close: Series, n: int, scalar: float) -> Series:
    before = run.shift(close, n)
    return (close - before) * scalar / before


@kernel("TRIX_{length}_{signal}", "TRIXs_{length}_{signal}")
def trix(run: Run, bars: Bars, p: Params) -> Outputs:
    x = bars["close"]
    for _ in range(3):
        x = run.ema(x, p["length"])
    line = (x / run.shift(x, p["drift"]) - 1.0) * p["scalar"]
    return [line, run.mean(line, p["signal"])]


@kernel("TSI_{fast}_{slow}_{signal}", "TSIs_{fast}_{slow}_{signal}", mamode="ema")
def tsi(run: Run, bars: Bars, p: Params) -> Outputs:
    change = run.change(bars["close"], p["drift"])
    line = run.ema(run.ema(change, p["slow"]), p["fast"]) * p["scalar"]
    line = line / run.ema(run.ema(abs(change), p["slow"]), p["fast"])
    return [line, run.ema(line, p["signal"])]


@kernel("UO_{fast}_{medium}_{slow}", drift=1)
def uo(run: Run, bars: Bars, p: Params) -> Outputs:
    high, low, close = bars["high"], bars["low"], bars["close"]
    before = run.shift(close, 1)
    before.first, before.settled = 0, 1  # the first bar counts by itself: fmax and fmin skip what is missing
    top, bottom = combined(np.fmax, high, before), combined(np.fmin, low, before)
    pressure, span = close - bottom, top - bottom
    lengths = (("fast", "fast_w"), ("medium", "medium_w"), ("slow", "slow_w"))
    parts = [run.sum(pressure, p[n]) / run.sum(span, p[n]) * p[weight] for n, weight in lengths]
    return [(parts[0] + parts[1] + parts[2]) * (100.0 / (p["fast_w"] + p["medium_w"] + p["slow_w"]))]


@kernel("AO_{fast}_{slow}", ordered=("fast", "slow"))
def ao(run: Run, bars: Bars, p: Params) -> Outputs:
    middle = (bars["high"] + bars["low"]) * 0.5
    return [run.mean(middle, p["fast"]) - run.mean(middle, p["slow"])]


@kernel("BOP")
def bop(run: Run, bars: Bars, p: Params) -> Outputs:
    return [(bars["close"] - bars["open"]) * p["scalar"] / apart(bars["high"], bars["low"])]


@kernel("ADX_{lensig}", "DMP_{length}", "DMN_{length}", same={"lensig": "length"}, mamode="rma", drift=1)
def adx(run: Run, bars: Bars, p: Params) -> Outputs:
    high, low, n = bars["high"], bars["low"], p["length"]
    up, down = run.change(high), run.shift(low, 1) - low
    plus = combined(lambda a, b: np.where((a > b) & (a > 0.0), a, 0.0), up, down)
    minus = combined(lambda a, b: np.where((b > a) & (b > 0.0), b, 0.0), up, down)
    # Wilder's sums have a value one bar before pandas_ta and TA-Lib report one.
    span, rises, falls = (run.wilder_sum(each, n) for each in (true_range(run, bars), plus, minus))
    rising, falling = rises * p["scalar"] / span, falls * p["scalar"] / span
    strength = abs(rising - falling) * p["scalar"] / (rising + falling)
    return [run.wilder(strength, p["lensig"]), rising, falling]


@kernel("AROOND_{length}", "AROONU_{length}", "AROONOSC_{length}")
def aroon(run: Run, bars: Bars, p: Params) -> Outputs:
    n, scalar = p["length"], p["scalar"]
    up = (1.0 - run.since_highest(bars["high"], n + 1) / n) * scalar
    down = (1.0 - run.since_lowest(bars["low"], n + 1) / n) * scalar
    return [down, up, up - down]


@kernel("VTXP_{length}", "VTXM_{length}")
def vortex(run: Run, bars: Bars, p: Params) -> Outputs:
    n, high, low = p["length"], bars["high"], bars["low"]
    span = run.sum(true_range(run, bars), n)
    plus, minus = abs(high - run.shift(low, p["drift"])), abs(low - run.shift(high, p["drift"]))
    return [run.sum(plus, n) / span, run.sum(minus, n) / span]


@kernel("CHOP_{length}_{atr_length}_{scalar}", ln=False)
def chop(run: Run, bars: Bars, p: Params) -> Outputs:
    n = p["length"]
    total = run.sum(run.wilder(true_range(run, bars), p["atr_length"]), n)
    span = run.highest(bars["high"], n) - run.lowest(bars["low"], n)
    scale = np.float64(p["scalar"]) / np.log10(n)  # infinite for n = 1
    return [combined(lambda a, b: (np.log10(a) - np.log10(b)) * scale, total, span)]
