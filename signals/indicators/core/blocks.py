"""Memory for outputs, which is used again once nobody holds it: fresh pages cost more than the indicators in them."""

import sys
import threading

import numpy as np

from signals.indicators.core.run import Floats

MOST_KEPT = 64 << 20  # bytes for each thread
_local = threading.local()


def _references(cell: list[Floats]) -> int:
    return sys.getrefcount(cell[0])


_NOBODY = _references([np.empty(1)])
"""Of an array that only its cell holds. Versions of Python count differently."""


def block(outputs: int, rows: int, lanes: int) -> Floats:
    """Return an array of this shape with any content."""
    size = outputs * rows * lanes
    cell: list[Floats] | None = getattr(_local, "cell", None)
    # A view refers to the array that it is of, so no output is in use when nothing but the cell does.
    if cell is None or cell[0].size < size or _references(cell) > _NOBODY:
        cell = [np.empty(size)]
    _local.cell = cell if size * 8 <= MOST_KEPT else None
    return cell[0][:size].reshape(outputs, rows, lanes)
