"""Reads the numbers of each row in the units of the service."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from signals.importers.core.columns import MAX_PRICE, Columns
from signals.importers.core.fields import NUMBER_FIELDS, PRICE_FIELDS, UNDERLYING_FIELDS, VENDOR_FIELDS
from signals.importers.core.mapping import Mapping

Floats = NDArray[np.float64]


def read_numbers(columns: Columns, mapping: Mapping, facts: Counter[str]) -> dict[str, Floats]:
    """Return each field as float64, NaN where not given, and count in `facts` what a reader of the file should know.

    Prices are in the currency, volume and open interest in units, implied volatility is a decimal, theta per calendar
    day, vega and rho per 0.01. `volume_contracts` and `open_interest_contracts` hold what the file gives in contracts:
    a lot that only the database knows can still turn them into units.
    """
    return _Reader(columns, mapping, facts).read()


class _Reader:
    def __init__(self, columns: Columns, mapping: Mapping, facts: Counter[str]) -> None:
        self.columns, self.mapping, self.facts = columns, mapping, facts

    def read(self) -> dict[str, Floats]:
        columns, mapping = self.columns, self.mapping
        found = {
            name: self._vendor(name) if name in VENDOR_FIELDS else columns.numbers(name, least=0.0)
            for name in NUMBER_FIELDS
        }
        for name in (*PRICE_FIELDS, *UNDERLYING_FIELDS):
            column = found[name]
            columns.reject(column >= MAX_PRICE, f"{name} is {MAX_PRICE:g} or more")
            found[name] = np.where(column > 0, column, np.nan)  # 0 stands for no price
        if mapping.bars_need_volume:
            columns.reject(found["bar_volume"] == 0, "no trade in the bar: it repeats an older price")
        if mapping.last_needs_volume:
            stale = (found["volume"] == 0) & ~np.isnan(found["last"])
            self._note("last prices of contracts without volume are of an earlier day and left out", int(stale.sum()))
            found["last"] = np.where(stale, np.nan, found["last"])
        if mapping.price_unit == "coin":
            self._convert(found)
        self._units(found)
        if mapping.mark_is_settle and "settle" not in columns.names:
            found["settle"] = found["mark_price"]
        with np.errstate(invalid="ignore"):
            crossed = int(((found["bid"] > found["ask"]) & (columns.reason == "")).sum())
        self._note("crossed quotes (bid above ask) are kept as they are", crossed)
        return found

    def _vendor(self, name: str) -> Floats:
        mapping = self.mapping
        column = self.columns.numbers(name, strict=False)
        for number in mapping.missing:
            column = np.where(column == number, np.nan, column)
        if name == "implied_volatility":
            column = np.where(column > 0, column, np.nan)
            return column / 100.0 if mapping.volatility_unit == "percent" else column
        if name == "theta" and mapping.theta_per_year:
            return column / 365.0
        return column * mapping.greeks_per_unit if name in ("vega", "rho") else column

    def _convert(self, found: dict[str, Floats]) -> None:
        """Turn prices in coin into the currency. A row without an underlying price cannot be converted."""
        forward = found["forward_price"]
        price = np.where(np.isnan(forward), found["spot_price"], forward)
        quoted = np.zeros(len(price), dtype=bool)
        for name in PRICE_FIELDS:
            quoted |= ~np.isnan(found[name])
        self.columns.reject(quoted & np.isnan(price), "prices in coin without an underlying price")
        for name in PRICE_FIELDS:
            found[name] = found[name] * price
        kept = int((quoted & (self.columns.reason == "")).sum())
        self._note(f"prices in coin are converted to {self.mapping.currency} by the row's underlying price", kept)

    def _units(self, found: dict[str, Floats]) -> None:
        """Turn contracts into units by the row's own lot. Without one they stay contracts, and `contracts` says so."""
        mapping = self.mapping
        traded = found["contracts_traded"]
        with np.errstate(divide="ignore", invalid="ignore"):
            lot = np.where(np.isnan(found["lot_size"]), found["volume"] / traded, found["lot_size"])
        found["lot_size"] = lot = np.where((lot > 0) & (lot < 2**31) & (lot == np.floor(lot)), lot, np.nan)
        for name, unit in (("volume", mapping.volume_unit), ("open_interest", mapping.interest_unit)):
            if unit == "contracts":
                found[f"{name}_contracts"] = found[name]
                found[name] = np.where(found[name] == 0, 0.0, found[name] * lot)

    def _note(self, what: str, count: int) -> None:
        if count:
            self.facts[what] += count
