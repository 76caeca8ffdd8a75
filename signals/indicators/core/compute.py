"""`compute_indicators`: columns of bars in, columns of indicators out, whichever kernel or library serves a name.

One instrument's columns have one dimension; those of many have two, bars x instruments, each instrument's bars from row
0 on and NaN after its last one.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from signals.indicators.core.blocks import block
from signals.indicators.core.formulas import KERNELS, Kernel
from signals.indicators.core.fused import FUSED, NEEDS
from signals.indicators.core.kernel_names import KERNEL_NAMES
from signals.indicators.core.run import Floats, Run, Series
from signals.indicators.core.spec import COLUMNS, Spec

LANES = 64
"""Instruments at a time: what they need stays in the processor's cache."""
PERIODS = ("D", "W", "M")
_DAY = 86_400_000_000
Columns = Mapping[str, Any]
Outputs = dict[str, Floats]


def compute_indicators(columns: Columns, specs: Sequence[Spec]) -> list[Outputs]:
    """Return each indicator's outputs by name, of the shape of the columns.

    `columns`: float64 open, high, low, close and volume; `time`, the beginnings of bars in microseconds since 1970;
    `session`, the days since 1970 of their sessions' dates (default: of their UTC dates). What is not there is missing
    in every bar. A value that does not exist is NaN.
    """
    shape = np.shape(columns["close"])
    wide = prepared(columns)
    found: list[Outputs] = [{} for _ in specs]
    served = [kernel_of(spec) is not None for spec in specs]
    if any(served):
        ours = [spec for spec, kernel in zip(specs, served, strict=True) if kernel]
        for place, made in zip(np.flatnonzero(served), _by_kernels(wide, ours), strict=True):
            found[place] = made
    if not all(served):
        theirs = [spec for spec, kernel in zip(specs, served, strict=True) if not kernel]
        for place, made in zip(np.flatnonzero(~np.array(served)), _by_library(wide, theirs), strict=True):
            found[place] = made
    return [{name: values.reshape(shape) for name, values in made.items()} for made in found]


@lru_cache(maxsize=4096)
def kernel_of(spec: Spec) -> Kernel | None:
    """Return the kernel that serves an indicator with these parameters, if one does."""
    found = KERNELS[spec.name] if spec.name in KERNEL_NAMES else None
    return found if found is not None and found.serves(dict(spec.params)) else None


@lru_cache(maxsize=4096)
def names_of(spec: Spec) -> tuple[str, ...]:
    """Return the names of an indicator's outputs."""
    kernel = kernel_of(spec)
    if kernel is not None:
        return kernel.outputs(dict(spec.params))
    from signals.indicators.core.library import output_names

    return output_names(spec)


def outputs_of(run: Run, bars: Mapping[str, Series], spec: Spec, kernel: Kernel) -> Sequence[Series]:
    """Return the outputs of one indicator in a run. Of the bars it reads only what the formula asks for."""
    seen = bars if spec.source == "close" else ChainMap({"close": bars[spec.source]}, cast(Any, bars))
    made = kernel.formula(run, seen, kernel.completed(dict(spec.params)))
    return [run.shift(each, spec.offset) for each in made]


def bar_series(columns: Mapping[str, Floats]) -> dict[str, Series]:
    """Return the columns as series, with the periods that averages restart in. They have two dimensions."""
    shape = columns["close"].shape
    missing = np.full(shape, np.nan)
    found = {name: Series(columns.get(name, missing)) for name in COLUMNS}
    if "session" in columns or "time" in columns:  # only an average by period needs them
        return found | periods(np.asarray(columns["session"] if "session" in columns else columns["time"] // _DAY))
    return found | {f"period_{name}": Series(np.zeros(shape)) for name in PERIODS}


def periods(day: NDArray[np.int64]) -> dict[str, Series]:
    """Return the numbers of the days, weeks and months. `day`: days since 1970."""
    months = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    numbers = {"D": day, "W": (day + 3) // 7, "M": months}  # 1970-01-01 is a Thursday, and weeks begin on Mondays
    return {f"period_{name}": Series(np.ascontiguousarray(each, np.float64)) for name, each in numbers.items()}


def prepared(columns: Columns) -> dict[str, NDArray[Any]]:
    """Return the columns as kernels take them: of two dimensions, contiguous, writeable, float64 or int64."""
    found = {}
    for name, column in columns.items():
        kind = np.int64 if name in ("session", "time") else np.float64
        array = np.require(column, kind, ["C", "W"])
        found[name] = array[:, None] if array.ndim == 1 else array
    return found


def _by_kernels(columns: Mapping[str, NDArray[Any]], specs: Sequence[Spec]) -> list[Outputs]:
    rows, lanes = columns["close"].shape
    names = [names_of(spec) for spec in specs]
    outputs = iter(block(sum(map(len, names)), rows, lanes))
    found = [{name: next(outputs) for name in each} for each in names]
    with np.errstate(all="ignore"):
        _by_formulas(columns, _by_loops(columns, list(zip(specs, found, strict=True))))
    return found


def _by_loops(
    columns: Mapping[str, NDArray[Any]], wanted: Sequence[tuple[Spec, Outputs]]
) -> list[tuple[Spec, Outputs]]:
    """Compute what has a loop of its own for many instruments. Return the rest."""
    rest: list[tuple[Spec, Outputs]] = []
    bars = {name: columns[name] for name in COLUMNS if name in columns}
    for spec, outputs in wanted:
        kernel = kernel_of(spec)
        fits = spec.name in FUSED and not spec.offset and {spec.source, *NEEDS.get(spec.name, ())} <= bars.keys()
        if kernel is None or not fits:
            rest.append((spec, outputs))
            continue
        made = list(outputs.values())
        FUSED[spec.name]({**bars, "close": bars[spec.source]}, kernel.completed(dict(spec.params)), made)
        if not len(made[0]) or not all(np.isfinite(each[-1]).all() for each in made):
            rest.append((spec, outputs))
    return rest


def _by_formulas(columns: Mapping[str, NDArray[Any]], wanted: Sequence[tuple[Spec, Outputs]]) -> None:
    if not wanted:
        return
    close = columns["close"]
    periods = {"session", "time"} if any(spec.name == "vwap" for spec, _ in wanted) else set()
    needed = {"close", *(name for name in COLUMNS if name in columns), *(periods & columns.keys())}
    for first in range(0, close.shape[1], LANES):
        part = slice(first, first + LANES)
        here = {name: np.ascontiguousarray(columns[name][:, part]) for name in needed}
        bars = bar_series(here)
        over = np.isnan(here["close"])
        ragged = bool(over.any())
        for spec, outputs in wanted:
            kernel = kernel_of(spec)
            assert kernel is not None
            for values, series in zip(outputs.values(), outputs_of(Run(0), bars, spec, kernel), strict=True):
                made = series.values
                bad = np.isinf(made)
                values[:, part] = np.where(bad | over, np.nan, made) if ragged or bad.any() else made


def _by_library(columns: Mapping[str, NDArray[Any]], specs: Sequence[Spec]) -> list[Outputs]:
    from signals.indicators.core.library import run_library

    close = columns["close"]
    rows, lanes = close.shape
    found = [{name: np.full((rows, lanes), np.nan) for name in names_of(spec)} for spec in specs]
    for lane in range(lanes):
        length = (
            int(np.flatnonzero(~np.isnan(close[:, lane]))[-1]) + 1 if (close[:, lane] == close[:, lane]).any() else 0
        )
        bars = {name: columns[name][:length, lane] for name in COLUMNS if name in columns}
        bars |= {name: np.full(length, np.nan) for name in COLUMNS if name not in bars}
        time = _times(columns, length, lane)
        for spec, outputs, made in zip(specs, found, run_library(bars, time, specs), strict=True):
            for name, values in made.items():
                outputs[name][spec.offset : length, lane] = values[: max(length - spec.offset, 0)]
    return found


def _times(columns: Mapping[str, NDArray[Any]], length: int, lane: int) -> NDArray[np.int64]:
    if "time" not in columns:
        return np.arange(length, dtype=np.int64) * _DAY
    time = columns["time"]
    return np.asarray(time[:length, min(lane, time.shape[1] - 1)], np.int64)
