"""Measure `manage.py import_bars` from a file to rows in PostgreSQL. python -m bench.history_import

The file is made: a year and more of minutes of six instruments, 600,000 rows of CSV with a column that names the
instrument. It goes in once (new rows) and again (nothing changes). The command's own start is not counted; its report
gives the seconds. The memory is the command's highest, for this file and for one six times as long.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from bench.service import manage
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.state import CHECKOUT, own_state_dir

INSTRUMENTS, ROWS = 6, 600_000
SECONDS = re.compile(r"seconds\s+([0-9.]+)")


def run() -> dict[str, float]:
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    with keep_running(wait=True), tempfile.TemporaryDirectory() as folder:
        manage("migrate", "-v0")
        manage("flush", "--noinput", "-v0")
        path = Path(folder) / "bars.csv"
        write_bars(path, ROWS)
        size = path.stat().st_size
        first, again = (_import(path, ROWS) for _ in range(2))
        memory = _highest()
        longer = Path(folder) / "longer.csv"
        write_bars(longer, 6 * ROWS)
        long = _import(longer, 6 * ROWS)
        memory_of_longer = _highest()
    print("\n| import_bars, 600,000 rows of minutes, six instruments | first time | again |\n| --- | --- | --- |")
    print(f"| rows/s, from file to PostgreSQL | {ROWS / first:,.0f} | {ROWS / again:,.0f} |")
    print(f"| MB/s of CSV | {size / 1e6 / first:.1f} | {size / 1e6 / again:.1f} |")
    print(f"| 3,600,000 rows: rows/s | {6 * ROWS / long:,.0f} | |")
    print(f"| MB of memory at most; of 3,600,000 rows | {memory:,.0f} | {memory_of_longer:,.0f} |")
    return {
        "history.import_rows_per_second": ROWS / first,
        "history.import_again_rows_per_second": ROWS / again,
        "history.import_memory_mb": memory_of_longer,
    }


def write_bars(path: Path, rows: int) -> None:
    """Write minutes of an exchange that never closes: a price that moves, and volumes."""
    rng = np.random.default_rng(5)
    each = rows // INSTRUMENTS
    names = [f"BINANCE@C{number}/USDT@crypto_spot" for number in range(INSTRUMENTS)]
    for begin in range(0, each, 50_000):
        minutes = np.arange(begin, min(begin + 50_000, each))
        close = 100 + np.cumsum(rng.normal(0, 0.05, (len(minutes), INSTRUMENTS)), axis=0) % 50
        open_ = close + rng.normal(0, 0.02, close.shape)
        time = np.repeat(
            pd.to_datetime(1_600_000_020 + minutes * 60, unit="s").strftime("%Y-%m-%d %H:%M:%S"), len(names)
        )
        table = pd.DataFrame(
            {
                "key": np.tile(names, len(minutes)),
                "time": time,
                "open": open_.round(4).ravel(),
                "high": (np.maximum(open_, close) + 0.01).round(4).ravel(),
                "low": (np.minimum(open_, close) - 0.01).round(4).ravel(),
                "close": close.round(4).ravel(),
                "volume": rng.integers(0, 50_000, close.shape).ravel(),
            }
        )
        table.to_csv(path, mode="a" if begin else "w", header=not begin, index=False)


def _import(path: Path, rows: int) -> float:
    """Return the seconds that the report gives."""
    command = [sys.executable, str(CHECKOUT / "manage.py"), "import_bars", str(path), "--timeframe", "1m"]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True)
    found = SECONDS.search(done.stdout)
    if done.returncode or not found or f"loaded    {rows:>9,}" not in done.stdout:
        raise SystemExit(f"import_bars failed:\n{done.stdout}{done.stderr[-2000:]}")
    return float(found[1])


def _highest() -> float:
    """Return the most memory that a command so far took, in MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    run()
