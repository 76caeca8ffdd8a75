"""Measure `manage.py import_quotes` from a file to rows in PostgreSQL. python -m bench.quotes

The file is made: an option chain by the minute, in the columns of NSE's snapshots, of 576,000 rows. It goes in once
(new rows) and again (nothing changes). The command's own start is not counted; its report gives the seconds.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from bench.service import manage
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.state import CHECKOUT, own_state_dir

STRIKES, EXPIRIES, MINUTES = 200, ("27-Aug-2026", "03-Sep-2026", "10-Sep-2026", "29-Sep-2026"), 360
ROWS = STRIKES * 2 * len(EXPIRIES) * MINUTES
SECONDS = re.compile(r"seconds\s+([0-9.]+)")


def run() -> dict[str, float]:
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    with keep_running(wait=True), tempfile.TemporaryDirectory() as folder:
        manage("migrate", "-v0")
        manage("flush", "--noinput", "-v0")
        path = Path(folder) / "chain.csv"
        write_chain(path)
        size = path.stat().st_size
        first, whole = _import(path, folder)
        again, _ = _import(path, folder)
    print("\n| import_quotes, 576,000 rows of a chain by the minute | first time | again |\n| --- | --- | --- |")
    print(f"| rows/s, from file to PostgreSQL | {ROWS / first:,.0f} | {ROWS / again:,.0f} |")
    print(f"| MB/s of CSV | {size / 1e6 / first:.1f} | {size / 1e6 / again:.1f} |")
    print(f"| seconds, with the start of the command | {whole:.1f} | |")
    return {"quotes.import_rows_per_second": ROWS / first, "quotes.import_again_rows_per_second": ROWS / again}


def write_chain(path: Path, minutes: int = MINUTES) -> None:
    """Write a chain by the minute: `spot` moves, prices follow it, far strikes have no bid."""
    rng = np.random.default_rng(12)
    each = STRIKES * 2 * len(EXPIRIES)
    strike = np.tile(np.repeat(19_200.0 + 50.0 * np.arange(STRIKES), 2), len(EXPIRIES))
    right = np.tile(["CE", "PE"], STRIKES * len(EXPIRIES))
    expiry = np.repeat(EXPIRIES, STRIKES * 2)
    spot = np.round(24_200 + np.cumsum(rng.normal(0.0, 2.0, minutes)), 2)
    for minute in range(minutes):
        intrinsic = np.maximum(np.where(right == "CE", 1.0, -1.0) * (spot[minute] - strike), 0.0)
        price = np.round(intrinsic + 80.0 * np.exp(-(((strike - spot[minute]) / 600.0) ** 2)) + 0.5, 2)
        table = pd.DataFrame(
            {
                "timestamp": _stamp(minute),
                "symbol": "NIFTY50",
                "expiry": expiry,
                "strike": strike,
                "option_type": right,
                "spot": spot[minute],
                "ltp": price,
                "bid": np.where(price > 1.0, np.round(price - 0.3, 2), 0.0),
                "ask": np.round(price + 0.3, 2),
                "volume": rng.integers(0, 50_000, each),
                "oi": rng.integers(0, 90_000, each),
                "iv": np.round(rng.uniform(8, 30, each), 2),
                "delta": np.round(rng.uniform(-1, 1, each), 4),
            }
        )
        table.to_csv(path, mode="a" if minute else "w", header=not minute, index=False)


def _stamp(minute: int) -> str:
    clock = 9 * 60 + 20 + minute
    return f"20260820{clock // 60:02d}{clock % 60:02d}"


def _import(path: Path, folder: str) -> tuple[float, float]:
    """Return the seconds that the report gives, and those of the whole command."""
    begun = time.perf_counter()
    command = [sys.executable, str(CHECKOUT / "manage.py"), "import_quotes", str(path), "--preset", "nse_snapshots"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    whole = time.perf_counter() - begun
    found = SECONDS.search(done.stdout)
    if done.returncode or not found or f"{ROWS:,}" not in done.stdout:
        raise SystemExit(f"import_quotes failed:\n{done.stdout}{done.stderr[-2000:]}")
    return float(found[1]), whole


if __name__ == "__main__":
    run()
