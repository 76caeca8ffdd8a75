"""Functions of columns that join: what the options imply beside what the underlying did."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from signals.functions.core.internal import (
    Argument,
    Bars,
    InternalFunction,
    Result,
    at_end,
    log_returns,
    quotient,
    windows,
)
from signals.functions.core.statistics import BARS_PER_YEAR, LENGTH, window_deviation, window_mean

_PERCENT = 0.01
_IV_IN = Argument(
    name="iv_in",
    default="decimal",
    choices=("decimal", "percent"),
    help="How the column iv is written: 0.15 (Greeks) or 15 (closes of a volatility index).",
)
_HISTORY = Argument(name="history", default=252, lowest=2, highest=10_000, whole=True, help="Bars to compare with.")


def _implied(bars: Bars, params: Mapping[str, Any]) -> np.ndarray:
    """Return the implied volatility as a decimal, NaN where it is not positive."""
    iv = bars["iv"] * (_PERCENT if params["iv_in"] == "percent" else 1.0)
    return np.where(iv > 0, iv, np.nan)


def volatility_premium(bars: Bars, params: Mapping[str, Any]) -> Result:
    implied = _implied(bars, params)
    realised = window_deviation(log_returns(bars["underlying"]), params["length"]) * float(
        np.sqrt(params["bars_per_year"])
    )
    return {
        "premium": implied - realised,
        "variance_premium": implied**2 - realised**2,
        "implied": implied,
        "realised": realised,
    }


def iv_zscore(bars: Bars, params: Mapping[str, Any]) -> Result:
    implied, history = _implied(bars, params), params["history"]
    zscore = quotient(implied - window_mean(implied, history), window_deviation(implied, history))
    if implied.size < history:
        nothing = np.full(implied.size, np.nan)
        return {"zscore": zscore, "rank": nothing, "percentile": nothing, "implied": implied}
    seen, now = windows(implied, history), implied[history - 1 :]
    low, high = seen.min(axis=1), seen.max(axis=1)  # NaN where any is
    below = (seen[:, :-1] < now[:, None]).sum(axis=1) / (history - 1)
    return {
        "zscore": zscore,
        "rank": at_end(quotient(now - low, high - low), implied.size),
        "percentile": at_end(np.where(np.isnan(low), np.nan, below), implied.size),
        "implied": implied,
    }


def hedged_gain(bars: Bars, params: Mapping[str, Any]) -> Result:
    if not bars["close"].size:
        return dict.fromkeys(("gain", "total", "unhedged"), bars["close"])
    option, underlying = np.diff(bars["close"]), np.diff(bars["underlying"])
    gain = at_end(option - bars["delta"][:-1] * underlying, bars["close"].size)
    total = np.where(np.isnan(gain), np.nan, np.nancumsum(gain))
    return {"gain": gain, "total": total, "unhedged": at_end(option, bars["close"].size)}


VOLATILITY_FUNCTIONS = (
    InternalFunction(
        name="volatility_premium",
        version=1,
        summary="Implied less realised volatility",
        formula="iv_t - std(ln(U_t / U_t-1), length - 1) sqrt(bars_per_year); variance_premium: the same of squares",
        source="Bollerslev, Tauchen and Zhou, Review of Financial Studies 22 (2009), 4463-4492: implied less realised "
        "variance.",
        arguments=(LENGTH, BARS_PER_YEAR, _IV_IN),
        outputs={
            "premium": "In volatility, as a decimal; over 0 where options are dear.",
            "variance_premium": "In variance.",
            "implied": "Annual, as a decimal.",
            "realised": "Annual, as a decimal.",
        },
        needs=("iv", "underlying"),
        compute=volatility_premium,
    ),
    InternalFunction(
        name="iv_zscore",
        version=1,
        summary="Where implied volatility stands in its own history: score, rank and percentile",
        formula="zscore: (iv_t - mean) / std(n - 1); rank: (iv_t - min) / (max - min); percentile: the share of the "
        "others that are below iv_t; each of the last `history` bars, this one included",
        source="Definition.",
        arguments=(_HISTORY, _IV_IN),
        outputs={
            "zscore": "In standard deviations.",
            "rank": "0 at the lowest, 1 at the highest.",
            "percentile": "From 0 to 1.",
            "implied": "Annual, as a decimal.",
        },
        needs=("iv",),
        compute=iv_zscore,
    ),
    InternalFunction(
        name="hedged_gain",
        version=1,
        summary="Gain of an option whose delta is hedged at each close",
        formula="(C_t - C_t-1) - delta_t-1 (U_t - U_t-1), without interest; total: its sum, where a bar without one "
        "adds nothing",
        source="Bakshi and Kapadia, Review of Financial Studies 16 (2003), 527-566.",
        arguments=(),
        outputs={
            "gain": "Of one long option in the bar, in its currency.",
            "total": "Since the first bar.",
            "unhedged": "The option's own change.",
        },
        needs=("close", "delta", "underlying"),
        compute=hedged_gain,
    ),
)
