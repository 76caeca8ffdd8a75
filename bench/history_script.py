"""Run by bench/history.py in the service's environment: import a year of minutes, fold it, and let pandas do the same.

Prints one JSON object. Takes the folder for its file as argument.
"""

import json
import statistics
import sys
import time
from datetime import date
from pathlib import Path

import django

django.setup()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from django.db import connection  # noqa: E402

from signals.importers.bars import import_bars  # noqa: E402
from signals.importers.core.bar_presets import BAR_PRESETS  # noqa: E402
from timeframes.bars.folding import fold_stored  # noqa: E402
from timeframes.core.grid import SECOND, Anchor, instant, make_grid  # noqa: E402
from timeframes.core.sessions import is_session  # noqa: E402

KEY = "NSE@BENCH@equity_spot"
FIRST, LAST = date(2023, 1, 1), date(2023, 12, 31)
ROUNDS = 7
_ROWS = """
SELECT time, open, high, low, close, volume FROM historical_data
WHERE instrument_key = %s AND interval = '1m' AND time >= %s AND time < %s ORDER BY time
"""
_FOLD = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def minutes() -> pd.DataFrame:
    """Return the minutes of all sessions of a year: a random walk."""
    grid = make_grid("NSE", 60, Anchor.SESSION, FIRST, LAST)
    sessions = zip(grid.begins.tolist(), grid.ends.tolist(), strict=True)
    open_on = [each for each in sessions if is_session("NSE", instant(each[0]).date())]
    time = np.concatenate([np.arange(*each, 60 * SECOND) for each in open_on])
    walk = 20_000 + np.round(np.cumsum(np.random.default_rng(5).normal(size=len(time) + 1)), 2)
    begins, ends = walk[:-1], walk[1:]
    high, low = np.maximum(begins, ends) + 1, np.minimum(begins, ends) - 1
    return pd.DataFrame(
        {"time": pd.to_datetime(time, unit="us", utc=True), "open": begins, "high": high, "low": low, "close": ends}
    ).assign(volume=np.random.default_rng(6).integers(1, 1000, len(time)))


def main(folder: Path) -> None:
    table = minutes()
    file = folder / "minutes.csv"
    table.assign(time=table["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(file, index=False)
    mapping = BAR_PRESETS["plain"].with_constants({"key": KEY})
    begun = time.perf_counter()
    report = import_bars(file, mapping, 60, progress=lambda done, total: None)
    importing = time.perf_counter() - begun
    assert report.written == len(table), report
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE historical_data")
    grid = make_grid("NSE", 780, Anchor.SESSION, FIRST, LAST)
    ours, theirs = _median(lambda: fold_stored(KEY, grid, [60], ticks=False)), _median(by_pandas)
    _agree(fold_stored(KEY, grid, [60], ticks=False), by_pandas())
    days = sorted({each.date().isoformat() for each in table["time"]})
    print(
        json.dumps(
            {
                "rows": len(table),
                "import_rows_per_second": len(table) / importing,
                "year_ms": ours,
                "pandas_ms": theirs,
                "days": days,
            }
        )
    )


def by_pandas() -> pd.DataFrame:
    """Return what resampling the same rows gives. NSE opens at 03:45 UTC, from where bars of 13 minutes count."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [KEY, "2023-01-01T00:00Z", "2024-01-01T00:00Z"])
        rows = cursor.fetchall()
    frame = pd.DataFrame(rows, columns=["time", *_FOLD]).set_index("time")
    days = frame.groupby(frame.index.date)
    return days.resample("13min", origin="start").agg(_FOLD).droplevel(0).dropna()


def _agree(ours: object, theirs: pd.DataFrame) -> None:
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_allclose(getattr(ours, name), theirs[name].to_numpy())


def _median(call: object) -> float:
    seconds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        call()  # type: ignore[operator]
        seconds.append(time.perf_counter() - begun)
    return 1000 * statistics.median(seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
