"""Internal functions on the bars of many instruments at once, of which only the newest bar's values are asked.

Columns have two dimensions, bars x instruments, and NaN before an instrument's first bar. The values equal the last
ones of `InternalFunction.compute` on each instrument's own bars.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signals.functions.core.internal import SESSION, SESSION_BEGIN, quotient
from signals.functions.core.sessions import CAMARILLA, FIBONACCI

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]
LastValues = dict[str, Floats]


def _returns(close: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return np.diff(np.log(np.where(close > 0, close, np.nan)), axis=0)


def _tail(column: Floats, length: int) -> Floats | None:
    """Return the last so many bars, None where there are fewer."""
    return column[len(column) - length :] if len(column) >= length else None


def _nothing(columns: Columns) -> Floats:
    return np.full(columns["close"].shape[1], np.nan)


def _realised(columns: Columns, params: Mapping[str, Any]) -> Floats:
    found = _tail(_returns(columns["close"][-params["length"] - 1 :]), params["length"])
    return _nothing(columns) if found is None else found.std(axis=0, ddof=1) * np.sqrt(params["bars_per_year"])


def realised_volatility(columns: Columns, params: Mapping[str, Any]) -> LastValues:
    return {"volatility": _realised(columns, params)}


def close_zscore(columns: Columns, params: Mapping[str, Any]) -> LastValues:
    close = _tail(columns["close"], params["length"])
    if close is None:
        return {"zscore": _nothing(columns)}
    return {"zscore": quotient(close[-1] - close.mean(axis=0), close.std(axis=0, ddof=1))}


def volatility_zscore(columns: Columns, params: Mapping[str, Any]) -> LastValues:
    length, history = params["length"], params["history"]
    returns = _tail(_returns(columns["close"][-length - history :]), length + history - 1)
    if returns is None:
        return {"zscore": _nothing(columns), "volatility": _realised(columns, params)}
    windows = np.lib.stride_tricks.sliding_window_view(returns, length, axis=0)
    volatility = windows.std(axis=-1, ddof=1) * np.sqrt(params["bars_per_year"])
    score = quotient(volatility[-1] - volatility.mean(axis=0), volatility.std(axis=0, ddof=1))
    return {"zscore": score, "volatility": volatility[-1]}


def drawdown(columns: Columns, params: Mapping[str, Any]) -> LastValues:
    close = columns["close"]
    with np.errstate(all="ignore"):
        down = 100 * (quotient(close, np.fmax.accumulate(close, axis=0)) - 1)
    return {"drawdown_percent": down[-1], "worst_percent": np.fmin.reduce(down, axis=0)}


def range_position(columns: Columns, params: Mapping[str, Any]) -> LastValues:
    highs, lows = (_tail(columns[name], params["length"]) for name in ("high", "low"))
    if highs is None or lows is None:
        return {"position": _nothing(columns)}
    high, low = highs.max(axis=0), lows.min(axis=0)
    return {"position": quotient(columns["close"][-1] - low, high - low)}


def relative_volume(columns: Columns, params: Mapping[str, Any]) -> LastValues:
    volume = _tail(columns["volume"], params["length"] + 1)
    if volume is None:
        return {"relative_volume": _nothing(columns)}
    return {"relative_volume": quotient(volume[-1], volume[:-1].mean(axis=0))}


def pivots(columns: Columns, params: Mapping[str, Any]) -> LastValues:
    high, low, close = _session_before(columns)
    span, pivot = high - low, (high + low + close) / 3
    match params["method"]:
        case "fibonacci":
            up, down = [pivot + each * span for each in FIBONACCI], [pivot - each * span for each in FIBONACCI]
        case "camarilla":
            up, down = [close + each * span for each in CAMARILLA], [close - each * span for each in CAMARILLA]
        case _:
            up = [2 * pivot - low, pivot + span, high + 2 * (pivot - low)]
            down = [2 * pivot - high, pivot - span, low - 2 * (high - pivot)]
    return {
        "pivot": pivot,
        **{f"r{place}": each for place, each in enumerate(up, 1)},
        **{f"s{place}": each for place, each in enumerate(down, 1)},
    }


def _session_before(columns: Columns) -> tuple[Floats, Floats, Floats]:
    """Return high, low and close of the session before the newest bar's; NaN where its first bars are missing."""
    session = columns[SESSION]
    earlier = session < session[-1]  # NaN is not
    before = np.fmax.reduce(np.where(earlier, session, np.nan), axis=0)
    inside = session == before
    high = np.fmax.reduce(np.where(inside, columns["high"], np.nan), axis=0)
    low = np.fmin.reduce(np.where(inside, columns["low"], np.nan), axis=0)
    lanes = np.arange(session.shape[1])
    last = len(session) - 1 - np.argmax(inside[::-1], axis=0)
    close = np.where(inside.any(axis=0), columns["close"][last, lanes], np.nan)
    first = np.argmax(~np.isnan(session), axis=0)
    begins = columns[SESSION_BEGIN][first, lanes]
    cut = (session[first, lanes] == before) & (columns["timestamp"][first, lanes] > begins)
    return np.where(cut, np.nan, high), np.where(cut, np.nan, low), close


LAST_VALUES: Mapping[str, Callable[[Columns, Mapping[str, Any]], LastValues]] = {
    "close_zscore": close_zscore,
    "drawdown": drawdown,
    "pivots": pivots,
    "range_position": range_position,
    "realised_volatility": realised_volatility,
    "relative_volume": relative_volume,
    "volatility_zscore": volatility_zscore,
}
"""By name of the function. The others are called for each instrument."""
