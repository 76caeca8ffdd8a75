"""Functions of windows: volatilities, scores, correlation and beta, drawdown."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from signals.functions.core.internal import (
    BENCHMARK,
    Argument,
    Bars,
    InternalFunction,
    Result,
    at_end,
    log_returns,
    quotient,
    windows,
)

LENGTH = Argument(name="length", default=20, lowest=2, highest=10_000, whole=True, help="Bars in the window.")
BARS_PER_YEAR = Argument(
    name="bars_per_year",
    default=252.0,
    lowest=1.0,
    highest=31_536_000.0,
    help="Bars in a year, which annualise: 252 for days, 94,500 for minutes of 6.25 hours.",
)


def window_deviation(values: np.ndarray, length: int) -> np.ndarray:
    """Return the sample standard deviation of each window."""
    return at_end(windows(values, length).std(axis=1, ddof=1) if values.size >= length else np.empty(0), values.size)


def window_mean(values: np.ndarray, length: int) -> np.ndarray:
    return at_end(windows(values, length).mean(axis=1) if values.size >= length else np.empty(0), values.size)


def _realised(bars: Bars, params: Mapping[str, Any]) -> np.ndarray:
    length: int = params["length"]
    a_year: float = params["bars_per_year"]
    return window_deviation(log_returns(bars["close"]), length) * float(np.sqrt(a_year))


def realised_volatility(bars: Bars, params: Mapping[str, Any]) -> Result:
    return {"volatility": _realised(bars, params)}


def _log(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.where((above > 0) & (below > 0), above / below, np.nan))


def parkinson_volatility(bars: Bars, params: Mapping[str, Any]) -> Result:
    squares = _log(bars["high"], bars["low"]) ** 2 / (4 * np.log(2))
    return {"volatility": np.sqrt(window_mean(squares, params["length"]) * params["bars_per_year"])}


def garman_klass_volatility(bars: Bars, params: Mapping[str, Any]) -> Result:
    squares = 0.5 * _log(bars["high"], bars["low"]) ** 2
    squares -= (2 * np.log(2) - 1) * _log(bars["close"], bars["open"]) ** 2
    mean = window_mean(squares, params["length"])
    return {"volatility": np.sqrt(np.where(mean >= 0, mean, np.nan) * params["bars_per_year"])}


def volatility_zscore(bars: Bars, params: Mapping[str, Any]) -> Result:
    volatility = _realised(bars, params)
    mean, deviation = window_mean(volatility, params["history"]), window_deviation(volatility, params["history"])
    return {"zscore": quotient(volatility - mean, deviation), "volatility": volatility}


def close_zscore(bars: Bars, params: Mapping[str, Any]) -> Result:
    close = bars["close"]
    return {"zscore": quotient(close - window_mean(close, params["length"]), window_deviation(close, params["length"]))}


def _moments(bars: Bars, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the variances of own and of benchmark's returns, and their covariance, for each window."""
    own, other = log_returns(bars["close"]), log_returns(bars[BENCHMARK])
    both = np.isnan(own) | np.isnan(other)
    own, other = np.where(both, np.nan, own), np.where(both, np.nan, other)
    size = own.size
    if size < length:
        nothing = np.full(size, np.nan)
        return nothing, nothing, nothing
    mine, theirs = windows(own, length), windows(other, length)
    mine = mine - mine.mean(axis=1, keepdims=True)
    theirs = theirs - theirs.mean(axis=1, keepdims=True)
    return tuple(  # type: ignore[return-value]
        at_end((left * right).sum(axis=1) / (length - 1), size)
        for left, right in ((mine, mine), (theirs, theirs), (mine, theirs))
    )


def correlation(bars: Bars, params: Mapping[str, Any]) -> Result:
    own, other, both = _moments(bars, params["length"])
    return {"correlation": np.clip(quotient(both, np.sqrt(own * other)), -1.0, 1.0)}


def beta(bars: Bars, params: Mapping[str, Any]) -> Result:
    own, other, both = _moments(bars, params["length"])
    slope = quotient(both, other)
    return {"beta": slope, "r_squared": np.clip(quotient(both**2, own * other), 0.0, 1.0)}


def drawdown(bars: Bars, params: Mapping[str, Any]) -> Result:
    close = bars["close"]
    peak = np.fmax.accumulate(close) if close.size else close
    down = 100 * (quotient(close, peak) - 1)
    return {"drawdown_percent": down, "worst_percent": np.fmin.accumulate(down) if down.size else down}


def relative_volume(bars: Bars, params: Mapping[str, Any]) -> Result:
    volume, length = bars["volume"], params["length"]
    before = np.concatenate((np.full(min(volume.size, 1), np.nan), window_mean(volume, length)[:-1]))
    return {"relative_volume": quotient(volume, before)}


def range_position(bars: Bars, params: Mapping[str, Any]) -> Result:
    size, length = bars["close"].size, params["length"]
    if size < length:
        return {"position": np.full(size, np.nan)}
    high, low = windows(bars["high"], length).max(axis=1), windows(bars["low"], length).min(axis=1)
    return {"position": quotient(bars["close"] - at_end(low, size), at_end(high - low, size))}


_VOLATILITY = {"volatility": "Annualised, as a decimal."}
WINDOW_FUNCTIONS = (
    InternalFunction(
        name="realised_volatility",
        version=1,
        summary="Realised volatility of closes",
        formula="std(ln(C_t / C_t-1), n - 1) sqrt(bars_per_year)",
        source="Hull, Options, Futures, and Other Derivatives, section 15.4.",
        arguments=(LENGTH, BARS_PER_YEAR),
        outputs=_VOLATILITY,
        needs=("close",),
        compute=realised_volatility,
    ),
    InternalFunction(
        name="parkinson_volatility",
        version=1,
        summary="Volatility of highs and lows",
        formula="sqrt(mean(ln(H / L)^2) / (4 ln 2) bars_per_year)",
        source="Parkinson, Journal of Business 53 (1980), 61-65.",
        arguments=(LENGTH, BARS_PER_YEAR),
        outputs=_VOLATILITY,
        needs=("high", "low"),
        compute=parkinson_volatility,
    ),
    InternalFunction(
        name="garman_klass_volatility",
        version=1,
        summary="Volatility of open, high, low and close",
        formula="sqrt(mean(ln(H / L)^2 / 2 - (2 ln 2 - 1) ln(C / O)^2) bars_per_year)",
        source="Garman and Klass, Journal of Business 53 (1980), 67-78.",
        arguments=(LENGTH, BARS_PER_YEAR),
        outputs=_VOLATILITY,
        needs=("open", "high", "low", "close"),
        compute=garman_klass_volatility,
    ),
    InternalFunction(
        name="volatility_zscore",
        version=1,
        summary="How far realised volatility stands from its own mean",
        formula="(v_t - mean(v, history)) / std(v, history - 1), where v is realised_volatility(length)",
        source="Definition.",
        arguments=(
            LENGTH,
            Argument(
                name="history", default=100, lowest=2, highest=10_000, whole=True, help="Bars of mean and deviation."
            ),
            BARS_PER_YEAR,
        ),
        outputs={"zscore": "In standard deviations.", **_VOLATILITY},
        needs=("close",),
        compute=volatility_zscore,
    ),
    InternalFunction(
        name="close_zscore",
        version=1,
        summary="How far the close stands from its mean",
        formula="(C_t - mean(C, length)) / std(C, length - 1)",
        source="Definition.",
        arguments=(LENGTH,),
        outputs={"zscore": "In standard deviations."},
        needs=("close",),
        compute=close_zscore,
    ),
    InternalFunction(
        name="correlation",
        version=1,
        summary="Correlation of returns with those of a benchmark",
        formula="cov(r, b) / sqrt(var(r) var(b)) of log returns over `length` bars that both have",
        source="Pearson.",
        arguments=(LENGTH,),
        outputs={"correlation": "From -1 to 1."},
        needs=("close", BENCHMARK),
        compute=correlation,
    ),
    InternalFunction(
        name="beta",
        version=1,
        summary="Beta of returns to those of a benchmark",
        formula="cov(r, b) / var(b) of log returns over `length` bars; r_squared = cov^2 / (var(r) var(b))",
        source="Sharpe, Journal of Finance 19 (1964), 425-442.",
        arguments=(LENGTH,),
        outputs={"beta": "The slope.", "r_squared": "From 0 to 1."},
        needs=("close", BENCHMARK),
        compute=beta,
    ),
    InternalFunction(
        name="drawdown",
        version=1,
        summary="Fall from the highest close so far",
        formula="100 (C_t / max(C_1..t) - 1); worst_percent: the least of it so far",
        source="Definition.",
        arguments=(),
        outputs={"drawdown_percent": "0 or less.", "worst_percent": "0 or less."},
        needs=("close",),
        compute=drawdown,
    ),
    InternalFunction(
        name="relative_volume",
        version=1,
        summary="Volume beside the mean of the bars before",
        formula="V_t / mean(V_t-length..t-1)",
        source="Definition.",
        arguments=(LENGTH,),
        outputs={"relative_volume": "1 is usual."},
        needs=("volume",),
        compute=relative_volume,
    ),
    InternalFunction(
        name="range_position",
        version=1,
        summary="Where the close stands in the range of the window",
        formula="(C_t - min(L)) / (max(H) - min(L)) over `length` bars",
        source="Lane's %K, as a decimal.",
        arguments=(LENGTH,),
        outputs={"position": "0 at the low, 1 at the high."},
        needs=("high", "low", "close"),
        compute=range_position,
    ),
)
