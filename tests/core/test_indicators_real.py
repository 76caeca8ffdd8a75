"""Indicators on real bars: TA-Lib, pandas_ta, and published results. Every difference from TA-Lib stands in a table."""

# ruff: noqa: E741 - the columns go by their letters

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib

from signals.indicators.core.catalogue import indicators
from signals.indicators.core.compute import compute_indicators
from signals.indicators.core.library import run_library
from signals.indicators.core.spec import parse_spec
from tests.core.test_indicators import NAMES, OFFERED, assert_close

DATA = Path(__file__).parents[2] / "../shared/data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not on this machine")
COLUMNS = ("open", "high", "low", "close", "volume")
FILES = ("5_crypto_ohlcv/BTCUSDT_1d_2020_2022.csv.gz", "7_reference/SPY_daily_pandas_ta.csv.gz")

Theirs = Callable[[Any, Any, Any, Any, Any], Sequence[np.ndarray]]
TALIB: dict[str, Theirs] = {
    "sma(length=20)": lambda o, h, l, c, v: [talib.SMA(c, 20)],
    "ema(length=20)": lambda o, h, l, c, v: [talib.EMA(c, 20)],
    "wma(length=20)": lambda o, h, l, c, v: [talib.WMA(c, 20)],
    "dema(length=20)": lambda o, h, l, c, v: [talib.DEMA(c, 20)],
    "tema(length=20)": lambda o, h, l, c, v: [talib.TEMA(c, 20)],
    "trima(length=21)": lambda o, h, l, c, v: [talib.TRIMA(c, 21)],
    "t3(length=5)": lambda o, h, l, c, v: [talib.T3(c, 5, 0.7)],
    "kama": lambda o, h, l, c, v: [talib.KAMA(c, 10)],
    "linreg": lambda o, h, l, c, v: [talib.LINEARREG(c, 14)],
    "linregslope": lambda o, h, l, c, v: [talib.LINEARREG_SLOPE(c, 14)],
    "midpoint(length=14)": lambda o, h, l, c, v: [talib.MIDPOINT(c, 14)],
    "midprice(length=14)": lambda o, h, l, c, v: [talib.MIDPRICE(h, l, 14)],
    "hl2": lambda o, h, l, c, v: [talib.MEDPRICE(h, l)],
    "hlc3": lambda o, h, l, c, v: [talib.TYPPRICE(h, l, c)],
    "ohlc4": lambda o, h, l, c, v: [talib.AVGPRICE(o, h, l, c)],
    "rsi": lambda o, h, l, c, v: [talib.RSI(c, 14)],
    "macd": lambda o, h, l, c, v: [talib.MACD(c)[place] for place in (0, 2, 1)],
    "ppo": lambda o, h, l, c, v: [talib.PPO(c, 12, 26, 0)],
    "stoch": lambda o, h, l, c, v: talib.STOCH(h, l, c, 14, 3, 0, 3, 0),
    "stochf": lambda o, h, l, c, v: talib.STOCHF(h, l, c, 5, 3, 0),
    "stochrsi(k=1)": lambda o, h, l, c, v: talib.STOCHRSI(c, 14, 14, 3, 0),
    "willr": lambda o, h, l, c, v: [talib.WILLR(h, l, c, 14)],
    "cci": lambda o, h, l, c, v: [talib.CCI(h, l, c, 14)],
    "mom": lambda o, h, l, c, v: [talib.MOM(c, 10)],
    "roc": lambda o, h, l, c, v: [talib.ROC(c, 10)],
    "trix": lambda o, h, l, c, v: [talib.TRIX(c, 30)],
    "uo": lambda o, h, l, c, v: [talib.ULTOSC(h, l, c)],
    "bop": lambda o, h, l, c, v: [talib.BOP(o, h, l, c)],
    "adx": lambda o, h, l, c, v: [talib.ADX(h, l, c, 14), talib.PLUS_DI(h, l, c, 14), talib.MINUS_DI(h, l, c, 14)],
    "aroon": lambda o, h, l, c, v: [*talib.AROON(h, l, 14), talib.AROONOSC(h, l, 14)],
    "bbands(length=20)": lambda o, h, l, c, v: [talib.BBANDS(c, 20)[place] for place in (2, 1, 0)],
    "true_range": lambda o, h, l, c, v: [talib.TRANGE(h, l, c)],
    "atr": lambda o, h, l, c, v: [talib.ATR(h, l, c, 14)],
    "natr": lambda o, h, l, c, v: [talib.NATR(h, l, c, 14)],
    "variance": lambda o, h, l, c, v: [talib.VAR(c, 30)],
    "stdev": lambda o, h, l, c, v: [talib.STDDEV(c, 30)],
    "obv": lambda o, h, l, c, v: [talib.OBV(c, v)],
    "ad": lambda o, h, l, c, v: [talib.AD(h, l, c, v)],
    "adosc": lambda o, h, l, c, v: [talib.ADOSC(h, l, c, v)],
    "mfi": lambda o, h, l, c, v: [talib.MFI(h, l, c, v, 14)],
}
# Output: our first value, theirs, and the bar from which both agree within 1e-9 (docs/indicators.md says why).
DIFFERENT = {
    "KAMA_10_2_30": (9, 10, 10),
    "MACD_12_26_9": (25, 33, 140),
    "MACDh_12_26_9": (33, 33, 150),
    "MACDs_12_26_9": (33, 33, 150),
    "STOCHk_14_3_3": (15, 17, 17),
    "STOCHFk_5_3": (4, 6, 6),
    "STOCHRSIk_14_14_1_3": (27, 29, 29),
    "UO_7_14_28": (27, 28, 28),
    "MFI_14": (13, 14, 460),
}


def load(name: str) -> dict[str, np.ndarray]:
    table = pd.read_csv(DATA / name)
    table.columns = [str(column).lower() for column in table.columns]
    return {column: table[column].to_numpy(float).copy() for column in COLUMNS if column in table}


@pytest.mark.parametrize("file", FILES)
def test_equal_to_talib_but_for_the_table(file: str) -> None:
    columns = load(file)
    for text, theirs in TALIB.items():
        ours = compute_indicators(columns, [parse_spec(text, "x")])[0]
        for (name, values), other in zip(ours.items(), theirs(*columns.values()), strict=False):
            first, their_first = (int(np.argmax(~np.isnan(each))) for each in (values, other))
            if name in DIFFERENT:
                assert (first, their_first) == DIFFERENT[name][:2], name
            else:
                assert first == their_first, name
            begin = DIFFERENT[name][2] if name in DIFFERENT else first
            scale = float(np.nanmax(np.abs(other)))
            np.testing.assert_allclose(values[begin:], other[begin:], rtol=1e-9, atol=1e-9 * scale, err_msg=text)


@pytest.mark.parametrize("text", ["cmo", "trima(length=20)"])
def test_defined_otherwise_than_by_talib(text: str) -> None:
    """TA-Lib smooths the gains of CMO as RSI does, and has windows of two lengths in an even TRIMA."""
    columns = load(FILES[0])
    (ours,) = compute_indicators(columns, [parse_spec(text, "x")])[0].values()
    theirs = talib.CMO(columns["close"], 14) if text == "cmo" else talib.TRIMA(columns["close"], 20)
    assert np.nanmax(np.abs(ours - theirs)) > 1e-3


def test_psar_begins_otherwise_than_talib() -> None:
    columns = load(FILES[0])
    ours = list(compute_indicators(columns, [parse_spec("psar", "x")])[0].values())
    stop = np.where(np.isnan(ours[0]), ours[1], ours[0])
    theirs = talib.SAR(columns["high"], columns["low"], 0.02, 0.2)
    np.testing.assert_allclose(stop[60:], theirs[60:], rtol=1e-12)


@pytest.mark.parametrize("file", FILES)
def test_equal_to_pandas_ta(file: str) -> None:
    columns = load(file)
    time = np.arange(len(columns["close"]), dtype=np.int64) * 86_400_000_000
    specs = [parse_spec(name, "x") for name in NAMES]
    ours = compute_indicators({**columns, "time": time}, specs)
    for name, mine, theirs in zip(NAMES, ours, run_library(columns, time, specs), strict=True):
        if name == "supertrend":
            for output, values in theirs.items():
                values[np.isnan(mine[output]) & np.isin(values, [0.0, 1.0])] = np.nan
        assert_close(mine, theirs, name, 1e-9)


def test_every_indicator_that_is_offered_computes() -> None:
    columns = {name: column[:400] for name, column in load(FILES[1]).items()}
    specs = [parse_spec(name, "x") for name in OFFERED]
    for spec, outputs in zip(specs, compute_indicators(columns, specs), strict=True):
        assert tuple(outputs) == indicators()[spec.name].outputs, spec.name
        assert not any(np.isinf(values).any() for values in outputs.values())
        if spec.name not in ("td_seq", "cdl_pattern"):
            assert any((~np.isnan(values)).any() for values in outputs.values()), spec.name


def test_rsi_of_skender() -> None:
    close = load("7_reference/skender_quotes_default_502.csv")["close"]
    ours = compute_indicators({"close": close}, [parse_spec("rsi", "x")])[0]["RSI_14"]
    truth = [row["rsi"] for row in json.loads((DATA / "7_reference/skender_rsi14_results.json").read_text())]
    expected = np.array([np.nan if value is None else value for value in truth])
    np.testing.assert_allclose(ours, expected, atol=1e-11)


def test_sheets_of_stockcharts() -> None:
    folder = DATA / "7_reference"
    sheet = pd.read_csv(folder / "stockcharts_cs-rsi.csv")
    (rsi,) = compute_indicators({"close": sheet["Close"].to_numpy(float)}, [parse_spec("rsi", "x")])[0].values()
    there = sheet["RSI"].notna().to_numpy() & ~np.isnan(rsi)
    assert there.sum() > 15
    bands = pd.read_csv(folder / "stockcharts_cs-bbands.csv")
    lower, middle, upper, *_ = compute_indicators(
        {"close": bands["Close"].to_numpy(float)}, [parse_spec("bbands(length=20)", "x")]
    )[0].values()
    for mine, name in ((lower, "LowBand"), (middle, "MiddleBand"), (upper, "HighBand")):
        rows = bands[name].notna().to_numpy()
        assert rows.sum() > 15
        np.testing.assert_allclose(mine[rows], bands[name].to_numpy(float)[rows], rtol=2e-4)


def test_macd_is_seeded_as_pandas_ta_does() -> None:
    """On the sheet's closes: each average begins with the mean of its own first bars, and TA-Lib's fast one later."""
    close = pd.read_csv(DATA / "7_reference/stockcharts_cs-macd.csv")["Close"].to_numpy(float)
    line = compute_indicators({"close": close}, [parse_spec("macd", "x")])[0]["MACD_12_26_9"]
    assert np.isnan(line[24]) and not np.isnan(line[25])
    slow, fast = close[:26].mean(), close[:12].mean()
    for price in close[12:26]:
        fast += (price - fast) * 2 / 13
    assert line[25] == pytest.approx(fast - slow, rel=1e-12)
