"""Import and warm everything that a locked process may need, since it can open no file later."""

import contextlib
import importlib
import pkgutil
import sys
import zoneinfo
from types import ModuleType
from typing import Any

ZONES = (
    *("UTC", "Asia/Kolkata", "Asia/Calcutta", "Asia/Tokyo", "Asia/Hong_Kong", "Asia/Singapore", "Asia/Shanghai"),
    *("America/New_York", "America/Chicago", "Europe/London", "Europe/Berlin", "Europe/Paris", "Australia/Sydney"),
)
_NOT_NEEDED = (".tests", ".testing", ".conftest", ".f2py", ".distutils", ".io.", "._pyinstaller", ".plotting", "_numba")
_LEFT_OUT = (
    *("pyarrow", "scipy", "numba", "numexpr", "bottleneck", "matplotlib", "jinja2", "sqlalchemy", "lxml", "tables"),
    *(
        "fsspec",
        "openpyxl",
        "xlsxwriter",
        "pytest",
        "hypothesis",
        "psycopg2",
        "adbc_driver_manager",
        "sqlite3",
        "requests",
    ),
)
"""Optional parts of pandas, installed for others. They would bring threads, files and code that nobody needs."""
kept: list[Any] = []


def leave_out() -> None:
    """Make imports of optional parts fail. Call it before anything imports pandas."""
    for name in _LEFT_OUT:
        sys.modules[name] = None  # type: ignore[assignment]


def preload() -> None:
    import numpy as np
    import pandas as pd

    for package in (np, pd):
        _all_modules_of(package)
    for name in ("_strptime", "encodings.idna", "encodings.ascii", "encodings.latin_1", "encodings.utf_16", "difflib"):
        importlib.import_module(name)
    for zone in ZONES:
        with contextlib.suppress(zoneinfo.ZoneInfoNotFoundError):  # without tzdata, on a machine without zones
            kept.append(zoneinfo.ZoneInfo(zone))
    _warm(np, pd)


def _all_modules_of(package: ModuleType) -> None:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda name: None):
        if any(part in f"{found.name}." for part in _NOT_NEEDED):
            continue
        with contextlib.suppress(Exception):  # optional parts need packages that are not installed
            importlib.import_module(found.name)


def _warm(np: Any, pd: Any) -> None:
    """Run what loads or allocates on first use: OpenBLAS's buffers, random seeds, pandas' windows and groups."""
    square = np.arange(16.0).reshape(4, 4) + np.eye(4)
    np.linalg.inv(square @ square)
    np.linalg.lstsq(square, square[0], rcond=None)
    np.fft.rfft(square[0])
    np.random.default_rng(1).normal(size=4)
    frame = pd.DataFrame({"a": np.arange(8.0), "b": [1, 2] * 4})
    frame.index = pd.date_range("2026-01-01", periods=8, freq="min", tz="Asia/Kolkata")
    for made in (frame.a.rolling(3), frame.a.ewm(span=3), frame.a.expanding(), frame.groupby("b").a):
        made.mean()
    frame.a.rolling(3).apply(lambda each: each[0], raw=True)
    frame.groupby("b").a.transform(lambda each: each - each.mean())
    frame.resample("2min").agg({"a": "sum"})
    frame.a.quantile(0.5)
    frame.corr()
    repr(frame)
    pd.to_datetime(["2026-01-01"])
    pd.concat([frame, frame]).sort_values("a").merge(frame, on="b").pivot_table(index="b", values="a_x")
    pd.merge_asof(frame.sort_values("a"), frame.sort_values("a"), on="a")
    pd.cut(frame.a, 3)
    frame.a.shift(1).fillna(0.0).cumsum().pct_change().interpolate()


def forget_the_way_back() -> None:
    """Take from the interpreter what finds and loads further modules."""
    sys.path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.meta_path.clear()
    sys.argv.clear()
