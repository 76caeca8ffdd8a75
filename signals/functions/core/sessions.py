"""Functions of sessions: pivots, the opening range, gaps."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from signals.functions.core.internal import SESSION, SESSION_BEGIN, Argument, Bars, InternalFunction, Result, quotient

FIBONACCI = (0.382, 0.618, 1.0)
CAMARILLA = (1.1 / 12, 1.1 / 6, 1.1 / 4)


def _starts(session: np.ndarray) -> np.ndarray:
    """Return the places where a session begins."""
    return np.flatnonzero(np.concatenate(([True], np.diff(session) != 0))) if session.size else np.empty(0, np.intp)


def _begins_late(bars: Bars) -> bool:
    """Whether the first session's first bars are missing, as where a range of bars cuts it."""
    return SESSION_BEGIN in bars and bool(bars["timestamp"][0] > bars[SESSION_BEGIN][0])


def _of_previous(per_session: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Spread one value a session over the bars of the session after it; NaN in the first."""
    shifted = np.concatenate(([np.nan], per_session[:-1]))
    return np.repeat(shifted, lengths)


def _previous_session(bars: Bars) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return high, low and close of the session before each bar's."""
    starts = _starts(bars[SESSION])
    if not starts.size:
        nothing = np.empty(0)
        return nothing, nothing, nothing
    lengths = np.diff(np.append(starts, bars[SESSION].size))
    ends = starts + lengths - 1
    high, low = np.fmax.reduceat(bars["high"], starts), np.fmin.reduceat(bars["low"], starts)
    if _begins_late(bars):
        high[0] = low[0] = np.nan
    return (
        _of_previous(high, lengths),
        _of_previous(low, lengths),
        _of_previous(bars["close"][ends], lengths),
    )


def pivots(bars: Bars, params: Mapping[str, Any]) -> Result:
    high, low, close = _previous_session(bars)
    span = high - low
    pivot = (high + low + close) / 3
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


def opening_range(bars: Bars, params: Mapping[str, Any]) -> Result:
    """High and low of the first minutes of a session, known from their end on: before it they are NaN."""
    size = bars["close"].size
    high, low = np.full(size, np.nan), np.full(size, np.nan)
    ends = np.append(_starts(bars[SESSION])[1:], size)
    for begin, end in zip(_starts(bars[SESSION]), ends, strict=False):
        time = bars["timestamp"][begin:end]
        opened = bars[SESSION_BEGIN][begin] if SESSION_BEGIN in bars else time[0]
        inside = time < opened + 60 * params["minutes"]
        if not inside.any() or (begin == 0 and _begins_late(bars)):
            continue
        after = slice(begin + int(inside.sum()), end)
        high[after] = np.fmax.reduce(bars["high"][begin:end][inside])
        low[after] = np.fmin.reduce(bars["low"][begin:end][inside])
    close = bars["close"]
    breakout = np.where(np.isnan(high), np.nan, np.where(close > high, 1.0, np.where(close < low, -1.0, 0.0)))
    return {"high": high, "low": low, "breakout": breakout}


def gap(bars: Bars, params: Mapping[str, Any]) -> Result:
    _, _, close = _previous_session(bars)
    starts = _starts(bars[SESSION])
    lengths = np.diff(np.append(starts, bars["close"].size))
    opened = np.repeat(bars["open"][starts], lengths)
    return {"gap": opened - close, "gap_percent": 100 * (quotient(opened, close) - 1)}


SESSION_FUNCTIONS = (
    InternalFunction(
        name="pivots",
        version=1,
        summary="Pivot points of the session before",
        formula="P = (H + L + C) / 3; classic R1 = 2P - L, S1 = 2P - H, R2 = P + (H - L), S2 = P - (H - L), "
        "R3 = H + 2(P - L), S3 = L - 2(H - P); fibonacci P ± {0.382, 0.618, 1}(H - L); camarilla C ± "
        "1.1(H - L) / {12, 6, 4}. H, L, C: of the whole session before.",
        source="Person, A Complete Guide to Technical Trading Tactics (2004), chapter 6.",
        arguments=(
            Argument(
                name="method",
                default="classic",
                choices=("classic", "fibonacci", "camarilla"),
                help="How levels follow from the session before.",
            ),
        ),
        outputs={"pivot": "P", **{f"{side}{n}": f"{side.upper()}{n}" for side in "rs" for n in (1, 2, 3)}},
        needs=("high", "low", "close", SESSION),
        compute=pivots,
    ),
    InternalFunction(
        name="opening_range",
        version=1,
        summary="Opening range of the session, and where the close stands to it",
        formula="high = max H, low = min L of the bars that begin in the first `minutes` of the session; breakout = 1 "
        "above, -1 below, 0 inside. NaN until the range is complete.",
        source="Crabel, Day Trading with Short Term Price Patterns and Opening Range Breakout (1990).",
        arguments=(Argument(name="minutes", default=15, lowest=1, highest=1440, whole=True, help="Of the range."),),
        outputs={"high": "Of the range.", "low": "Of the range.", "breakout": "1 above, -1 below, 0 inside."},
        needs=("high", "low", "close", "timestamp", SESSION),
        compute=opening_range,
    ),
    InternalFunction(
        name="gap",
        version=1,
        summary="Gap between the session's first open and the close before it",
        formula="gap = O_first - C_previous; gap_percent = 100 (O_first / C_previous - 1).",
        source="Definition.",
        arguments=(),
        outputs={"gap": "In prices.", "gap_percent": "In percent."},
        needs=("open", "close", "high", "low", SESSION),
        compute=gap,
    ),
)
