"""Compares bars of one instrument with coarser ones: the finer ones folded must be the same.

Only bars all of whose parts are there take part. Prices must be equal to nine digits, volumes to those and to 5e-7.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from timeframes.core.bar_checks import MOST_EXAMPLES, Finding, iso
from timeframes.core.bar_dates import grid_of
from timeframes.core.bars import BarColumns
from timeframes.core.fold import fold
from timeframes.core.grid import SECOND
from timeframes.core.keys import InstrumentKey
from timeframes.core.timeframe import DAY, format_timeframe

_PRICES = ("open", "high", "low", "close")
_LONGEST_SHIFT = 14 * 3600
_FEWEST = 20  # equal bars that prove a shift


def compare_bars(
    fine: BarColumns, seconds: int, coarse: BarColumns, coarse_seconds: int, key: InstrumentKey
) -> tuple[int, list[Finding]]:
    """Return how many bars were compared, and what is found: bars that differ, and a clock that is shifted."""
    if not len(fine) or not len(coarse):
        return 0, []
    made, names = _complete(fine, seconds, coarse_seconds, key), _names(seconds, coarse_seconds)
    _, mine, theirs = np.intersect1d(made.time, coarse.time, return_indices=True)
    bad = {
        name: ~_equal(name, getattr(made, name)[mine], getattr(coarse, name)[theirs]) for name in (*_PRICES, "volume")
    }
    differ = np.logical_or.reduce(list(bad.values())) if len(mine) else np.zeros(0, bool)
    found = []
    if differ.any():
        times = made.time[mine][differ]
        counts = ", ".join(f"{name} of {int(each.sum()):,}" for name, each in bad.items() if each.any())
        examples = tuple(_examples(made, coarse, mine, theirs, bad, differ))
        detail = f"of {len(mine):,} compared: {names} differ in {counts}"
        found.append(Finding("differs", len(times), detail, int(times[0]), int(times[-1]), examples))
    if not len(mine) or bad["open"].mean() > 0.5:
        found += _shift(made, coarse, coarse_seconds, names)
    return len(mine), found


def _names(seconds: int, coarse_seconds: int) -> str:
    return f"{format_timeframe(seconds)} folded and {format_timeframe(coarse_seconds)}"


def _complete(fine: BarColumns, seconds: int, coarse_seconds: int, key: InstrumentKey) -> BarColumns:
    """Return the coarser bars that the finer ones make, without those that lack a part."""
    fine = fine.take(np.argsort(fine.time, kind="stable"))
    fine = fine.take(np.append(np.diff(fine.time) != 0, [True]))
    grid = grid_of(key.exchange, coarse_seconds, fine.time)
    made = fold({seconds: fine}, None, grid)
    begins = np.searchsorted(fine.time, made.time)
    ends = grid.bar_ends(made.time)
    if coarse_seconds == DAY and grid.cut:  # a day is its session
        place = grid.place(made.time)
        ends = np.where(place >= 0, grid.ends[place], ends)
    parts = np.searchsorted(fine.time, ends) - begins
    return made.take(parts == -(-(ends - made.time) // (seconds * SECOND)))


def _equal(name: str, mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.bool_]:
    if name == "volume":  # sums of rounded numbers; what a source does not give is no difference
        return np.isnan(mine) | np.isnan(theirs) | np.isclose(mine, theirs, rtol=1e-9, atol=5e-7)
    return np.isclose(mine, theirs, rtol=1e-9, atol=0)


def _examples(
    made: BarColumns,
    coarse: BarColumns,
    mine: NDArray[np.intp],
    theirs: NDArray[np.intp],
    bad: dict[str, NDArray[np.bool_]],
    differ: NDArray[np.bool_],
) -> Iterator[str]:
    for at in np.flatnonzero(differ)[:MOST_EXAMPLES].tolist():
        each = [
            f"{name} {getattr(made, name)[mine[at]]:.10g} and {getattr(coarse, name)[theirs[at]]:.10g}"
            for name, wrong in bad.items()
            if wrong[at]
        ]
        yield f"{iso(made.time[mine[at]])} {', '.join(each)}"


def _shift(made: BarColumns, coarse: BarColumns, coarse_seconds: int, names: str) -> Iterator[Finding]:
    """Look for a shift with which nearly all bars would be equal."""
    step = min(coarse_seconds, 1_800)
    for steps in sorted(range(-_LONGEST_SHIFT // step, _LONGEST_SHIFT // step + 1), key=abs):
        _, mine, theirs = np.intersect1d(made.time + steps * step * SECOND, coarse.time, return_indices=True)
        if steps and len(mine) >= _FEWEST:
            same = _equal("open", made.open[mine], coarse.open[theirs]) & _equal(
                "close", made.close[mine], coarse.close[theirs]
            )
            if same.mean() > 0.9:
                hours = abs(steps) * step / 3600
                way = "ahead of" if steps > 0 else "behind"
                detail = f"{names}: the clock of the latter is {hours:g} h {way} that of the former"
                yield Finding("clock", len(mine), detail, int(coarse.time[theirs[0]]), int(coarse.time[theirs[-1]]))
                return


def below_intrinsic(bars: BarColumns, key: InstrumentKey, spot: BarColumns) -> list[Finding]:
    """Return the bars of an option that close below what exercise at the spot's close would bring.

    An old price explains it; of a European put, or where dividends are due, carry does as well.
    """
    if key.strike is None or not len(bars) or not len(spot):
        return []
    _, mine, theirs = np.intersect1d(bars.time, spot.time, return_indices=True)
    price, strike = spot.close[theirs], float(key.strike)
    intrinsic = price - strike if key.right == "call" else strike - price
    lack = intrinsic - bars.close[mine]
    bad = lack > 1e-9 * price
    if not bad.any():
        return []
    times = bars.time[mine][bad]
    detail = f"of {len(mine):,} compared with the spot: closes below intrinsic value, by {lack.max():.10g} at most"
    examples = tuple(iso(time) for time in times[:MOST_EXAMPLES].tolist())
    return [Finding("intrinsic", len(times), detail, int(times[0]), int(times[-1]), examples)]
