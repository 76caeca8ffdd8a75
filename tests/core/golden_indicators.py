"""Golden values of indicators, made by TA-Lib: `python -m tests.core.golden_indicators` writes the file again.

They are values at a few bars of series of two kinds: bars that are drawn from a seed, and real minutes of NIFTY and
days of BTC, of which the file holds nothing but what TA-Lib makes of them.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from signals.indicators.core.library import example_bars

FILE = Path(__file__).with_name("golden_indicators.json")
DATA = Path(__file__).parents[2] / "../shared/data"
DRAWN = "drawn"
REAL = {
    "NIFTY 1m": "3_intraday_india/NIFTY_1min_2024-01_05.csv.gz",
    "BTC 1d": "5_crypto_ohlcv/BTCUSDT_1d_2020_2022.csv.gz",
}
COLUMNS = ("open", "high", "low", "close", "volume")
BARS, TALIB_VERSION = 1_000, "0.8"
PLACES = (250, 251, 333, 470, 777, 999)
"""From 250 on the beginnings do not differ any more (docs/indicators.md), but for MFI's."""

Columns = dict[str, np.ndarray]


def bars_of(name: str) -> Columns:
    """Return the first BARS bars of a series. An index has no volume: it counts bars."""
    if name == DRAWN:
        return example_bars(BARS)[0]
    table = pd.read_csv(DATA / REAL[name], nrows=BARS)
    table.columns = [str(column).lower() for column in table.columns]
    columns = {each: table[each].to_numpy(float).copy() for each in COLUMNS if each in table}
    return {"volume": np.arange(1.0, BARS + 1), **columns}


def golden() -> dict[str, dict[str, list[list[float]]]]:
    """Return the file's content: by series and indicator, each output at PLACES."""
    return json.loads(FILE.read_text())


def made() -> Iterator[tuple[str, dict[str, list[list[float]]]]]:
    from tests.core.test_indicators_real import TALIB

    for name in (DRAWN, *REAL):
        bars = bars_of(name)
        columns = [bars[each] for each in COLUMNS]
        yield (
            name,
            {text: [[float(each[p]) for p in PLACES] for each in make(*columns)] for text, make in TALIB.items()},
        )


if __name__ == "__main__":
    FILE.write_text(json.dumps(dict(made())) + "\n")
