"""Series over bars and instruments, and one pass of formulas over them that can be continued bar by bar.

A formula is written once, on `Series`. A `Run` of all bars and a run bar by bar (which carries `Run.states`) go through
the same kernels in the same order, so they give the same values to the last digit.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EPSILON = 2.220446049250313e-16  # in the place of a range of 0, as in pandas_ta
FORGOTTEN = 1e-10
"""What is left of a beginning's effect when an average counts as settled."""
NEVER = math.inf


class Series:
    """Values (bars x instruments) of the bars that a run does, and from which bar of all they mean something.

    `first`: the first bar with a value. `settled`: the bars after which the beginning has no effect above FORGOTTEN;
    NEVER for sums since the beginning.
    """

    __slots__ = ("first", "settled", "values")
    __array_ufunc__ = None

    def __init__(self, values: Floats, first: int = 0, settled: float = 0) -> None:
        self.values, self.first, self.settled = values, first, settled

    def with_values(self, values: Floats) -> "Series":
        return Series(values, self.first, self.settled)

    def __add__(self, other: "Series | float") -> "Series":
        return combined(np.add, self, other)

    def __sub__(self, other: "Series | float") -> "Series":
        return combined(np.subtract, self, other)

    def __mul__(self, other: "Series | float") -> "Series":
        return combined(np.multiply, self, other)

    def __truediv__(self, other: "Series | float") -> "Series":
        return combined(np.divide, self, other)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: float) -> "Series":
        return self.with_values(other - self.values)

    def __abs__(self) -> "Series":
        return self.with_values(np.abs(self.values))


def combined(function: Callable[..., Floats], *parts: Series | float) -> Series:
    """Return a function of the same bar's values, which takes and returns arrays."""
    series = [each for each in parts if isinstance(each, Series)]
    values = function(*(each.values if isinstance(each, Series) else each for each in parts))
    return Series(values, max(each.first for each in series), max(each.settled for each in series))


def gains(x: Series) -> Series:
    return x.with_values(np.maximum(x.values, 0.0))


def losses(x: Series) -> Series:
    return x.with_values(np.maximum(-x.values, 0.0))


def apart(high: Series, low: Series) -> Series:
    """Return the difference, EPSILON where it is 0: a divisor."""
    difference = high - low
    return difference.with_values(np.where(difference.values == 0.0, EPSILON, difference.values))


def settling(alpha: float) -> int:
    """Return after how many bars an exponential average has forgotten its beginning."""
    return 0 if alpha >= 1.0 else math.ceil(math.log(FORGOTTEN) / math.log1p(-alpha))


class Run:
    """One pass over bars that follow `begin` earlier ones. `states`: of the pass over those, in the order of use.

    `after` is then what a later pass needs. The states given are not changed.
    """

    def __init__(self, begin: int, states: "list[Any] | None" = None) -> None:
        from signals.indicators.core import kernels, kernels_paths  # loading them takes half a second

        self.kernels, self.paths = kernels, kernels_paths
        self.begin, self.before, self.after = begin, states, list[Any]()

    def state(self, make: Callable[[], Any]) -> Any:
        """Return a copy of the next state in turn, or a new one. It is kept for a later pass as it is then."""
        found = make() if self.before is None else _copy(self.before[len(self.after)])
        self.after.append(found)
        return found

    def _fresh(self, x: Series) -> tuple[Floats, int, Floats]:
        """Return the rows of x that have begun, how many had before, and an array for the output of all."""
        skip = min(max(x.first - self.begin, 0), len(x.values))
        out = np.empty_like(x.values)
        out[:skip] = np.nan
        return np.ascontiguousarray(x.values[skip:]), max(self.begin - x.first, 0), out

    def _window(self, x: Series, n: int) -> tuple[Floats, int, int, Floats, Floats]:
        """Return the rows with the kept ones before them, how many those are, the count before, and outputs: of all
        rows, and its part of those that have begun."""
        rows, count, out = self._fresh(x)
        lanes = rows.shape[1]
        tail = self.state(lambda: [np.empty((0, lanes))])
        kept: Floats = tail[0]
        whole = np.concatenate([kept, rows]) if len(kept) else rows
        tail[0] = whole[max(len(whole) - n, 0) :].copy()
        return whole, len(kept), count, out, out[len(out) - len(rows) :]

    def shift(self, x: Series, bars: int) -> Series:
        if bars == 0:
            return x
        lanes = x.values.shape[1]
        tail = self.state(lambda: [np.full((bars, lanes), np.nan)])
        whole = np.concatenate([tail[0], x.values])
        tail[0] = whole[len(whole) - bars :].copy()
        return Series(whole[: len(x.values)], x.first + bars, x.settled + bars)

    def change(self, x: Series, bars: int = 1) -> Series:
        return x - self.shift(x, bars)

    def smooth(self, x: Series, n: int, alpha: float) -> Series:
        rows, _, out = self._fresh(x)
        seen, value = self.state(lambda: [np.zeros(rows.shape[1]), np.zeros(rows.shape[1])])
        self.kernels.smooth(rows, n, alpha, seen, value, out[len(out) - len(rows) :])
        return Series(out, x.first + n - 1, x.settled + n - 1 + settling(alpha))

    def ema(self, x: Series, n: int) -> Series:
        return self.smooth(x, n, 2.0 / (n + 1))

    def wilder(self, x: Series, n: int) -> Series:
        return self.smooth(x, n, 1.0 / n)

    def follow(self, x: Series, n: int) -> Series:
        rows, _, out = self._fresh(x)
        value, begun = self.state(lambda: [np.zeros(rows.shape[1]), np.zeros(rows.shape[1], bool)])
        self.kernels.follow(rows, n, value, begun, out[len(out) - len(rows) :])
        return Series(out, x.first, x.settled + settling(2.0 / (n + 1)))

    def sum(self, x: Series, n: int, scale: float = 1.0) -> Series:
        whole, kept, count, out, part = self._window(x, n)
        total, missing, same = self.state(lambda: [np.zeros(whole.shape[1]) for _ in range(3)])
        self.kernels.rolling_sum(whole, kept, count, n, scale, total, missing, same, part)
        return Series(out, x.first + n - 1, x.settled + n - 1)

    def mean(self, x: Series, n: int) -> Series:
        return self.sum(x, n, 1.0 / n)

    def moments(self, x: Series, n: int) -> tuple[Series, Series]:
        """Return the mean of the last n, and the sum of squared deviations from it."""
        whole, kept, count, out, part = self._window(x, n)
        squares = out.copy()
        mean, sums, same = self.state(lambda: [np.zeros(whole.shape[1]) for _ in range(3)])
        self.kernels.moments(whole, kept, count, n, mean, sums, same, part, squares[len(out) - len(part) :])
        first, settled = x.first + n - 1, x.settled + n - 1
        return Series(out, first, settled), Series(squares, first, settled)

    def _windowed(self, kernel: Any, x: Series, n: int, *more: Any) -> Series:
        whole, kept, count, out, part = self._window(x, n)
        kernel(whole, kept, count, n, *more, part)
        return Series(out, x.first + n - 1, x.settled + n - 1)

    def highest(self, x: Series, n: int) -> Series:
        return self._windowed(self.kernels.highest, x, n)

    def lowest(self, x: Series, n: int) -> Series:
        return self._windowed(self.kernels.lowest, x, n)

    def since_highest(self, x: Series, n: int) -> Series:
        return self._windowed(self.kernels.since_extreme, x, n, 1.0)

    def since_lowest(self, x: Series, n: int) -> Series:
        return self._windowed(self.kernels.since_extreme, x, n, -1.0)

    def weighted(self, x: Series, n: int) -> Series:
        return self._windowed(self.kernels.weighted, x, n)

    def mean_deviation(self, x: Series, n: int) -> Series:
        return self._windowed(self.kernels.mean_deviation, x, n)

    def line(self, x: Series, n: int) -> tuple[Series, Series]:
        """Return the slope and intercept of the least-squares line through the last n, at 0 to n - 1."""
        whole, kept, count, out, part = self._window(x, n)
        other = out.copy()
        self.kernels.line(whole, kept, count, n, part, other[len(out) - len(part) :])
        first, settled = x.first + n - 1, x.settled + n - 1
        return Series(out, first, settled), Series(other, first, settled)

    def cumulate(self, x: Series) -> Series:
        rows, _, out = self._fresh(x)
        (total,) = self.state(lambda: [np.zeros(rows.shape[1])])
        self.kernels.cumulate(rows, total, out[len(out) - len(rows) :])
        return Series(out, x.first, NEVER)

    def wilder_sum(self, x: Series, n: int) -> Series:
        rows, count, out = self._fresh(x)
        (value,) = self.state(lambda: [np.zeros(rows.shape[1])])
        self.kernels.wilder_sum(rows, count, n, value, out[len(out) - len(rows) :])
        return Series(out, x.first + n - 1, x.settled + n - 1 + settling(1.0 / n))

    def adapt(self, constant: Series, x: Series, n: int, slowest: float) -> Series:
        """Kaufman's average. `constant` may have no value before bar n. `slowest`: the least it can be."""
        (value,) = self.state(lambda: [np.zeros(x.values.shape[1])])
        out = np.empty_like(x.values)
        self.kernels.adapt(constant.values, x.values, self.begin, n, value, out)
        return Series(out, n - 1, constant.settled + settling(slowest))


def _copy(state: list[Any]) -> list[Any]:
    return [each.copy() for each in state]
