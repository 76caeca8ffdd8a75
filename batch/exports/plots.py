"""Draw the smile of each expiry and the term structure of a job's Greeks. matplotlib is optional."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from batch.exports.chain_table import NEEDED
from signalsite.foundation.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg")
LEAST_DELTA = 0.02  # of an option that is drawn: further out, a price of a tick or two says little
MOST_SMILES = 8  # the nearest; all expiries are in the term structure
_COLUMNS = 4
LABEL_GAP = 1.18  # between labelled expiries, as a ratio of their days
_INK, _GREY, _GRID, _PUT, _CALL = "#1c2430", "#5b6675", "#e3e7ec", "#2563a8", "#d9822b"
_STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _GREY,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _GRID,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "svg.hashsalt": "signalsite",  # equal plots are equal files
}


class MatplotlibMissing(ConfigurationError):
    """The group `plot` is not installed."""


class NothingToDraw(InvalidInput):
    """The rows hold no smile."""


def check_plot(path: Path) -> None:
    """Raise InvalidInput for another kind of file, and MatplotlibMissing if there is nothing to draw with."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput("plot", f"{path} must end in {' or '.join(SUFFIXES)}")
    if find_spec("matplotlib") is None:
        raise MatplotlibMissing(
            "--plot needs matplotlib, which is not installed; run `.venv/bin/pip install --group plot`"
        )


@dataclass(frozen=True, slots=True)
class Smile:
    """Out-of-the-money options of one expiry by strike. `at_the_money` is interpolated at the forward."""

    expiry: date
    days: float
    moneyness: np.ndarray  # strike / forward
    volatility: np.ndarray
    at_the_money: float


def smiles(rows: pa.Table) -> tuple[str, list[Smile]]:
    """Return the underlying and its smiles by expiry. Raises NothingToDraw, for example for several underlyings."""
    if not set(rows.column_names) >= NEEDED:
        raise NothingToDraw("plot", "there are no volatilities in these rows: draw the answers of greeks")
    out = pc.if_else(pc.equal(rows.column("right"), "call"), 1.0, -1.0)
    ahead = pc.multiply(out, pc.subtract(rows.column("strike"), rows.column("forward")))
    near = pc.greater_equal(pc.abs(rows.column("delta")), LEAST_DELTA)
    ok = pc.equal(rows.column("status"), "ok")
    drawn = rows.filter(pc.fill_null(pc.and_(ok, pc.and_(near, pc.greater_equal(ahead, 0.0))), False))
    names = pc.unique(drawn.column("underlying")).to_pylist()
    if len(names) > 1:
        raise NothingToDraw("plot", f"a plot shows one underlying, not {len(names)}; choose one with --underlying")
    found = []
    for expiry in sorted(pc.unique(drawn.column("expiry")).to_pylist()):
        smile = drawn.filter(pc.equal(drawn.column("expiry"), expiry)).sort_by("strike")
        moneyness = pc.divide(smile.column("strike"), smile.column("forward")).to_numpy()
        volatility = smile.column("implied_volatility").to_numpy()
        if len(smile) >= 3 and moneyness[0] <= 1.0 <= moneyness[-1]:
            at_the_money = float(np.interp(1.0, moneyness, volatility))
            days = 365 * float(smile.column("expiry_years")[0].as_py())
            found.append(Smile(date.fromisoformat(expiry), days, moneyness, volatility, at_the_money))
    if not found:
        raise NothingToDraw("plot", "no expiry has three volatilities around its forward")
    return names[0], found


def draw(path: Path, rows: pa.Table, *, as_of: str) -> None:
    """Draw the smiles and the term structure in a .png or .svg file. Raises NothingToDraw."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    underlying, found = smiles(rows)
    near = found[:MOST_SMILES]
    columns = min(_COLUMNS, len(near))
    rows_of_smiles = -(-len(near) // columns)
    with rc_context(_STYLE):
        figure: Any = Figure(figsize=(12.5, 2.4 * rows_of_smiles + 4.0), dpi=150, layout="constrained")
        figure.get_layout_engine().set(hspace=0.06, wspace=0.03)
        grid = figure.add_gridspec(rows_of_smiles + 1, columns, height_ratios=[*[1.0] * rows_of_smiles, 1.25])
        first: Any = None
        for place, smile in enumerate(near):
            first = axes = figure.add_subplot(grid[place // columns, place % columns], sharey=first)
            _smile(axes, smile, left=place % columns == 0)
        figure.axes[0].legend(loc="upper right", ncols=2, frameon=False, fontsize=9, handletextpad=0.1)
        levels = np.concatenate([smile.volatility for smile in near])
        first.set_ylim(0.85 * levels.min(), min(1.08 * levels.max(), 2.5 * np.median(levels)))
        _term_structure(figure.add_subplot(grid[rows_of_smiles, :]), found)
        figure.suptitle(f"{underlying}: implied volatility, {as_of}", x=0.008, ha="left", fontsize=14, weight="bold")
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def _smile(axes: "Axes", smile: Smile, *, left: bool) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    for name, colour, side in (("OTM puts", _PUT, smile.moneyness < 1.0), ("OTM calls", _CALL, smile.moneyness >= 1.0)):
        axes.plot(smile.moneyness[side], smile.volatility[side], "o", color=colour, ms=3.2, mew=0, label=name)
    axes.axvline(1.0, color=_GREY, lw=0.8, ls=(0, (4, 3)), zorder=2.5)
    axes.set_title(f"{smile.expiry:%d %b %Y}, {smile.days:,.0f} days")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    axes.tick_params(labelleft=left, labelsize=8.5)
    if left:
        axes.set_ylabel("volatility, annual", fontsize=9)
    axes.set_xlabel("strike / forward", fontsize=9)


def _term_structure(axes: "Axes", found: Sequence[Smile]) -> None:
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, PercentFormatter

    days = np.array([max(smile.days, 0.5) for smile in found])
    levels = np.array([smile.at_the_money for smile in found])
    axes.plot(days, levels, color=_PUT, lw=1.4, marker="o", ms=6)
    labelled = 0.0
    for place, (day, level) in enumerate(zip(days, levels, strict=True)):
        if day > LABEL_GAP * labelled:  # else its label would cover the last
            dip = level <= levels[max(place - 1, 0)] and level < levels[min(place + 1, len(levels) - 1)]
            offset = (0, -16 if dip else 9)
            axes.annotate(f"{level:.1%}", (day, level), offset, textcoords="offset points", ha="center", fontsize=9)
            labelled = day
    axes.set_xscale("log")
    marks = {1: "1 day", 7: "1 week", 30: "1 month", 91: "3 months", 182: "6 months", 365: "1 year", 1095: "3 years"}
    axes.xaxis.set_major_locator(FixedLocator(list(marks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: marks.get(round(value), ""))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    axes.set(title="Term structure: at-the-money volatility by time to expiry", ylabel="volatility, annual")
    axes.set_xlim(days.min() / 1.25, days.max() * 1.25)
    axes.margins(y=0.22)
