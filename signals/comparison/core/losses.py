"""How far our numbers are from a vendor's, as one bounded number that a few bad legs cannot decide."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from signals.comparison.core.ours import OurColumns
from signals.comparison.core.settings import Settings
from signals.comparison.core.vendor import Floats, VendorColumns

SCALES: Mapping[str, float] = MappingProxyType({"implied_volatility": 5e-4, "delta": 5e-4})
"""Differences that count half: absolute, a twentieth of a point of volatility, and half a thousandth of delta."""
RELATIVE = 5e-3
"""The same for the other columns, as a share of the vendor's number or, where that is small, of the usual one."""
WEIGHTS: Mapping[str, float] = MappingProxyType({"implied_volatility": 2.0})


@dataclass(frozen=True, eq=False)
class _Column:
    rows: np.ndarray  # the legs for which the vendor has a number that counts
    theirs: Floats
    scale: Floats | float


@dataclass(frozen=True, eq=False)
class Measure:
    """Measures the distance of our numbers from those of `vendor`.

    `left_out`: legs whose volatility does not count. `volatility_factor`: how many of the vendor's units are 1.
    """

    vendor: VendorColumns
    left_out: np.ndarray
    volatility_factor: float
    _columns: dict[str, _Column] = field(default_factory=dict)

    def loss(self, ours: OurColumns, settings: Settings, names: Iterable[str], width: float) -> float:
        """Return the mean over columns and legs of d / (d + scale x width): 0 for equal, near 1 for unlike or absent.

        Legs for which the vendor has no number do not count. 1 if there is nothing to compare.
        """
        total = weights = 0.0
        for name in names:
            column = self._columns.get(name) or self._prepare(name)
            if len(column.rows):
                apart = np.abs(ours.in_units(name, settings)[column.rows] - column.theirs)
                apart /= column.scale
                shares = apart / (apart + width)
                weight = WEIGHTS.get(name, 1.0)
                total += weight * float(np.where(np.isnan(shares), 1.0, shares).mean())
                weights += weight
        return total / weights if weights else 1.0

    def _prepare(self, name: str) -> _Column:
        theirs = getattr(self.vendor, name)
        counts = np.isfinite(theirs)
        if name == "implied_volatility":
            counts &= ~self.left_out
        rows = np.flatnonzero(counts)
        theirs = theirs[rows]
        if name in SCALES:
            scale: Floats | float = SCALES[name] * (self.volatility_factor if name == "implied_volatility" else 1.0)
        else:
            usual = float(np.median(np.abs(theirs))) if len(rows) else 1.0
            scale = RELATIVE * np.maximum(np.abs(theirs), max(0.1 * usual, 1e-12))
        self._columns[name] = _Column(rows, theirs, scale)
        return self._columns[name]
