"""The cells of portfolios, gathered from the steps in which they were computed."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from signals.positions.core.grid import Cells
from signals.positions.core.statement import GREEK, VALUED
from signals.positions.core.values import TOTALS

OF_CELL = ("model_value", *TOTALS[TOTALS.index("profit_and_loss") :])
CELL_NAMES = ("value", *OF_CELL[1:])
"""What a cell has: the model's value, the profit since now, the Greeks, and those in money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """C cells of P portfolios. `values` is CELL_NAMES x C x P; the others are C x P of int64."""

    values: np.ndarray
    missing: np.ndarray  # how many legs have no value or no Greeks
    expired: np.ndarray  # how many legs have expired by then


def gather(steps: Iterable[Cells], cells: int, portfolios: int) -> Grid:
    rows = [TOTALS.index(name) for name in OF_CELL]
    values = np.full((len(rows), cells, portfolios), np.nan)
    missing, expired = np.zeros((cells, portfolios), np.int64), np.zeros((cells, portfolios), np.int64)
    for step in steps:
        shape = (len(step.cell), portfolios)
        values[:, step.cell] = step.totals.values[rows].reshape(len(rows), *shape)
        missing[step.cell] = step.totals.missing[[VALUED, GREEK]].max(axis=0).reshape(shape)
        expired[step.cell] = step.expired.reshape(shape)
    return Grid(values=values, missing=missing, expired=expired)
