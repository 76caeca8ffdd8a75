"""Measure five indicators over 1,000 instruments x 500 bars, against TA-Lib and pandas_ta on the same bars.

python -m bench.indicators

RSI, Bollinger bands (with width and place, which TA-Lib has not), MACD, EMA and ATR. TA-Lib: a call for each instrument
and indicator, from one process, on contiguous columns. pandas_ta: one df.ta.strategy for each instrument, on few of
them. Each takes turns with the others, and the shortest run counts, which other load on the machine disturbs least.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import talib

from signals.indicators.core.compute import compute_indicators
from signals.indicators.core.library import execute_indicators, frame_of
from signals.indicators.core.spec import parse_spec
from signals.indicators.core.stream import IndicatorStream

INSTRUMENTS, BARS, SAMPLE = 1_000, 500, 20
ASKED = ("rsi", "bbands(length=20)", "macd", "ema(length=20)", "atr")
MOST_RATIO = 0.3
ROUNDS = 25


def market() -> dict[str, np.ndarray]:
    """Return random walks, bars x instruments."""
    random = np.random.default_rng(2026)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, (BARS, INSTRUMENTS)), axis=0))
    wide = np.exp(np.abs(random.normal(0.0, 0.005, (2, BARS, INSTRUMENTS))))
    columns = {"open": np.roll(close, 1, axis=0), "close": close}
    columns["open"][0] = close[0]
    top, bottom = np.maximum(columns["open"], close), np.minimum(columns["open"], close)
    return {**columns, "high": top * wide[0], "low": bottom / wide[1], "volume": np.full(close.shape, 1_000.0)}


def run() -> dict[str, float]:
    specs, bars = [parse_spec(text, "indicators") for text in ASKED], market()
    each = {name: np.ascontiguousarray(column.T) for name, column in bars.items()}
    when = np.arange(BARS, dtype=np.int64) * 86_400_000_000

    def ours() -> Any:
        return compute_indicators(bars, specs)

    def talibs() -> None:
        for place in range(INSTRUMENTS):
            high, low, close = each["high"][place], each["low"][place], each["close"][place]
            talib.RSI(close, 14)
            talib.BBANDS(close, 20)
            talib.MACD(close)
            talib.EMA(close, 20)
            talib.ATR(high, low, close, 14)

    def theirs() -> None:
        for place in range(SAMPLE):
            execute_indicators(frame_of({name: column[place] for name, column in each.items()}, when), specs)

    stream = IndicatorStream(specs)
    stream.push({name: column[:-1] for name, column in bars.items()})
    forming = {name: column[-1:] for name, column in bars.items()}
    found = shortest({"ours": ours, "talib": talibs, "pandas_ta": theirs, "forming": lambda: stream.peek(forming)})
    library = found["pandas_ta"] * INSTRUMENTS / SAMPLE
    figures = {
        "indicators.ms_1000x500x5": found["ours"] * 1e3,
        "indicators.talib_ms_1000x500x5": found["talib"] * 1e3,
        "indicators.pandas_ta_ms_1000x500x5": library * 1e3,
        "indicators.ratio_vs_talib": found["ours"] / found["talib"],
        "indicators.ratio_vs_pandas_ta": found["ours"] / library,
        "indicators.forming_bar_us_1000x5": found["forming"] * 1e6,
    }
    print(f"Five indicators, {INSTRUMENTS:,} instruments x {BARS} bars, one core")
    for name, value in figures.items():
        print(f"  {name:40} {value:12.4f}")
    ratio = figures["indicators.ratio_vs_talib"]
    print(f"  {'within' if ratio <= MOST_RATIO else 'OVER'} {MOST_RATIO} of TA-Lib's loop")
    return figures


def shortest(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the shortest run of each, in seconds."""
    best = dict.fromkeys(calls, np.inf)
    for number in range(ROUNDS):
        for name, call in calls.items():
            if name == "pandas_ta" and number >= 3:
                continue
            begun = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - begun)
    return best


if __name__ == "__main__":
    run()
