"""pandas_ta (classic): runs a configuration's indicators as one strategy on one instrument's bars.

Importing it takes a second, so this module does when it is first used.
"""

import logging
import threading
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from signals.indicators.core.spec import Spec

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)
_DAY = 86_400_000_000
_RUNNING = threading.BoundedSemaphore(2)
"""Of a process: the library spreads out windows, some 100 MB for 1,000 bars, and forty requests may come at once."""
FIXED: dict[str, dict[str, Any]] = {
    "ichimoku": {"include_chikou": False},
    "dpo": {"centered": False},
    "cpr": {"virgin_cpr": False},
}
"""Arguments without which these would look ahead."""


def pandas_ta() -> Any:
    """Return the library, as it runs in a worker: without a pool of processes of its own for each frame."""
    import pandas_ta_classic

    pandas_ta_classic.AnalysisIndicators._cores = 0
    logging.getLogger("pandas_ta_classic").setLevel(logging.ERROR)  # it warns of every series that is short
    return pandas_ta_classic


def build_strategy(specs: Sequence[Spec]) -> Any:
    """Return a Strategy of these indicators. The library changes a Strategy when it runs it, so each run needs its own.

    Its columns have a prefix, the place of the indicator: two indicators may have outputs of one name.
    """
    rows = [
        {
            "kind": spec.name,
            **_arguments(spec),
            **FIXED.get(spec.name, {}),
            "prefix": _PREFIX.format(place),
            "delimiter": "",
        }
        for place, spec in enumerate(specs)
    ]
    return pandas_ta().Strategy(name="indicators", ta=rows, created="")


_PREFIX = "{}|"


def _arguments(spec: Spec) -> dict[str, Any]:
    given = dict(spec.params)
    if spec.source != "close":
        given["close"] = spec.source
    return given


def frame_of(columns: Mapping[str, Floats], time: NDArray[np.int64]) -> "pd.DataFrame":
    """Return one instrument's bars as the library takes them. `time`: microseconds since 1970, ascending."""
    import pandas

    return pandas.DataFrame(
        {name: columns[name] for name in ("open", "high", "low", "close", "volume") if name in columns},
        index=pandas.DatetimeIndex(time.astype("datetime64[us]")),
    )


def execute_indicators(frame: "pd.DataFrame", specs: Sequence[Spec]) -> list[dict[str, Floats]]:
    """Run all indicators as one strategy and return their columns. One with too few bars, or that fails, has none."""
    strategy, names = build_strategy(specs), list(frame.columns)  # which imports the library
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            frame.ta.strategy(strategy, timed=False, verbose=False)
        except Exception as error:  # noqa: BLE001 - whatever the library raises
            if len(specs) == 1:
                logger.warning("pandas_ta failed on %s with %d bars: %s", specs[0], len(frame), error)
                return [{}]
            return [execute_indicators(frame[names].copy(), [spec])[0] for spec in specs]
    found: list[dict[str, Floats]] = [{} for _ in specs]
    for name in frame.columns:
        place, mark, output = str(name).partition("|")
        if mark:
            output = output.rpartition("|")[2]  # of some indicators the library sets the prefix twice
            found[int(place)][output] = frame[name].to_numpy(np.float64, na_value=np.nan)
    return found


def run_library(
    columns: Mapping[str, Floats], time: NDArray[np.int64], specs: Sequence[Spec]
) -> list[dict[str, Floats]]:
    """Return each indicator's outputs on one instrument's bars, all of them, with NaN where there is no value."""
    names = [output_names(spec) for spec in specs]
    with _RUNNING:
        found = execute_indicators(frame_of(columns, time), specs) if len(time) else [{} for _ in specs]
    nothing = np.full(len(time), np.nan)
    return [
        {name: _finite(made.get(name, nothing)) for name in outputs} for outputs, made in zip(names, found, strict=True)
    ]


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


@lru_cache(maxsize=4096)
def output_names(spec: Spec) -> tuple[str, ...]:
    """Return the names of an indicator's outputs, which the library says only by making them."""
    columns, time = example_bars(max(300, 4 * sum(v for _, v in spec.params if type(v) is int)))
    return tuple(execute_indicators(frame_of(columns, time), [spec])[0])


@lru_cache(maxsize=4)
def example_bars(count: int) -> tuple[dict[str, Floats], NDArray[np.int64]]:
    """Return bars of a random walk, always the same, a day each."""
    random = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, count)))
    opened = close * np.exp(random.normal(0.0, 0.004, count))
    high = np.maximum(opened, close) * np.exp(np.abs(random.normal(0.0, 0.004, count)))
    low = np.minimum(opened, close) * np.exp(-np.abs(random.normal(0.0, 0.004, count)))
    volume = np.rint(random.lognormal(9.0, 0.5, count))
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    return columns, np.arange(count, dtype=np.int64) * _DAY
