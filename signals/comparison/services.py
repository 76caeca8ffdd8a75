"""Compares a vendor's file with our numbers. Nothing is stored, and no server is needed."""

from collections.abc import Mapping as Names
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from signals.comparison.core.differences import signed
from signals.comparison.core.ours import Computer, OurColumns
from signals.comparison.core.search import Found, Search
from signals.comparison.core.settings import AMERICAN, EUROPEAN, Settings
from signals.comparison.files import MAX_LEGS, VendorFile, read_vendor_file
from signals.greeks.core.status import Status
from signals.importers.core.mapping import Mapping
from signals.importers.core.presets import PRESETS
from signals.importers.core.raw_table import NotATable
from signals.instruments.core.underlyings import american_by_default
from signalsite.foundation.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Comparison:
    """`asked` are the service's defaults for the file's underlying, with what the caller fixed. `found` is None where
    nothing was searched."""

    file: VendorFile
    asked: Settings
    ours_as_asked: OurColumns
    found: Found | None
    ours: OurColumns

    @property
    def settings(self) -> Settings:
        return self.found.settings if self.found else self.asked


def compare_file(
    path: Path, mapping: Mapping, fixed: Names[str, str | float], *, search: bool = True, limit: int = MAX_LEGS
) -> Comparison:
    """Compare up to `limit` legs. Raises UnreadableFile, or NotATable if there is nothing to compare."""
    file = read_vendor_file(path, mapping, limit)
    vendor = file.columns
    if not vendor.given():
        raise NotATable("the file has no number of the vendor's to compare: no volatility, Greek or valuation")
    computer = Computer.of(vendor)
    asked = Settings(exercise=_exercise(file)).changed(**fixed)
    as_asked = computer.compute(asked)
    if not search:
        return Comparison(file, asked, as_asked, None, as_asked)
    found = Search(computer, fixed).find()
    return Comparison(file, asked, as_asked, found, computer.compute(found.settings))


def _exercise(file: VendorFile) -> str:
    """Return how the service would exercise most of the file's legs, were their underlyings new."""
    early = np.array([american_by_default(each.exchange, each.symbol) for each in file.contracts])
    return AMERICAN if np.mean(early[file.columns.contract]) > 0.5 else EUROPEAN


GUESSED = (
    *("nse_chain", "deribit", "cboe", "tda", "tradier", "nse_flat", "nse_wide", "nse_snapshots", "dhan_bars", "plain"),
)
"""Presets of files with a vendor's numbers, in the order in which they are tried."""


def guess_mapping(path: Path) -> Mapping:
    """Return the first preset by which the file has options with numbers of the vendor's. Raises NotATable."""
    for name in GUESSED:
        mapping = PRESETS[name]
        try:
            if read_vendor_file(path, mapping, 1_000).columns.given():
                return mapping
        except InvalidInput:
            continue
    raise NotATable("no preset finds a vendor's numbers in it: give one with --preset, or its columns with --map")


def rows_of(comparison: Comparison) -> pa.Table:
    """Return one row per leg: the vendor's numbers, ours in the vendor's units, and ours less theirs.

    A difference of volatility is in points (0.01). `status` is of our volatility.
    """
    file, ours, settings = comparison.file, comparison.ours, comparison.settings
    vendor = file.columns
    keys = np.array(file.keys, dtype=object)
    columns: dict[str, pa.Array] = {
        "row": pa.array(file.row),
        "instrument_key": pa.array(keys[vendor.contract], pa.string()),
        "time": pa.array((vendor.time * 1e6).round().astype(np.int64), pa.timestamp("us", "UTC")),
        "expiry_years": _floats(ours.expiry_years),
        "forward": _floats(ours.forward),
        "price_used": _floats(ours.price_used),
        "status": pa.array([Status(code).word for code in ours.status.tolist()]),
    }
    for name in vendor.given():
        columns[f"vendor_{name}"] = _floats(getattr(vendor, name))
        columns[name] = _floats(ours.in_units(name, settings))
        columns[f"{name}_difference"] = _floats(signed(vendor, ours, settings, name))
    return pa.table(columns)


def _floats(values: np.ndarray) -> pa.Array:
    return pa.array(np.where(np.isfinite(values), values, np.nan), pa.float64(), from_pandas=True)
