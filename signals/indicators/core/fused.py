"""Which indicators have a loop of their own for many instruments, and how it is called."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from signals.indicators.core.run import Floats

Bars = Mapping[str, Floats]
Params = Mapping[str, Any]


def _ema(bars: Bars, p: Params, out: Sequence[Floats]) -> None:
    _kernels().ema(bars["close"], p["length"], 2.0 / (p["length"] + 1), *out)


def _rma(bars: Bars, p: Params, out: Sequence[Floats]) -> None:
    _kernels().ema(bars["close"], p["length"], 1.0 / p["length"], *out)


def _rsi(bars: Bars, p: Params, out: Sequence[Floats]) -> None:
    _kernels().rsi(bars["close"], p["length"], p["scalar"], *out)


def _atr(bars: Bars, p: Params, out: Sequence[Floats]) -> None:
    _kernels().atr(bars["high"], bars["low"], bars["close"], p["length"], *out)


def _macd(bars: Bars, p: Params, out: Sequence[Floats]) -> None:
    _kernels().macd(bars["close"], p["fast"], p["slow"], p["signal"], *out)


def _bbands(bars: Bars, p: Params, out: Sequence[Floats]) -> None:
    _kernels().bbands(bars["close"], p["length"], 1.0 / (p["length"] - p["ddof"]), p["std"], *out)


def _kernels() -> Any:
    from signals.indicators.core import kernels_fused

    return kernels_fused


FUSED: dict[str, Callable[[Bars, Params, Sequence[Floats]], None]] = {
    "ema": _ema,
    "rma": _rma,
    "rsi": _rsi,
    "atr": _atr,
    "macd": _macd,
    "bbands": _bbands,
}
"""The kernels write to the outputs in their order. A missing input would be missing in every later bar, so a whole last
row says that there was none."""
NEEDS = {"atr": ("high", "low", "close")}
