"""How far our numbers are from a vendor's: by column, by days to expiry and by moneyness."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from signals.comparison.core.ours import VOLATILITY_FACTORS, OurColumns
from signals.comparison.core.settings import VENDOR, Settings
from signals.comparison.core.vendor import COMPARED, Floats, VendorColumns
from signals.greeks.core.status import Status

DAYS: Sequence[tuple[str, float, float]] = (
    ("expired", -np.inf, 0.0),
    ("under 1 day", 0.0, 1.0),
    ("1 to 7 days", 1.0, 7.0),
    ("7 to 30 days", 7.0, 30.0),
    ("30 to 90 days", 30.0, 90.0),
    ("90 to 365 days", 90.0, 365.0),
    ("over a year", 365.0, np.inf),
)
MONEYNESS: Sequence[tuple[str, float, float]] = (
    ("out of the money, over 10 %", -np.inf, -0.10),
    ("out of the money, 2 to 10 %", -0.10, -0.02),
    ("at the money, 2 %", -0.02, 0.02),
    ("in the money, 2 to 10 %", 0.02, 0.10),
    ("in the money, over 10 %", 0.10, np.inf),
)
"""Of ln(forward / strike) for calls, ln(strike / forward) for puts."""


@dataclass(frozen=True)
class Difference:
    """Of the legs for which both have a number: median, 90 % quantile and maximum of |ours - theirs|, and the median of
    ours - theirs. NaN where no leg has both."""

    column: str
    unit: str
    part: str
    both: int
    only_theirs: int
    only_ours: int
    neither: int
    median: float
    p90: float
    greatest: float
    bias: float


def signed(vendor: VendorColumns, ours: OurColumns, settings: Settings, name: str) -> Floats:
    """Return ours - theirs in the vendor's units, of volatility in points (0.01)."""
    with np.errstate(over="ignore", invalid="ignore"):
        found: Floats = ours.in_units(name, settings) - getattr(vendor, name)
    return found * (100.0 / VOLATILITY_FACTORS[settings.volatility_unit] if name == "implied_volatility" else 1.0)


def by_column(vendor: VendorColumns, ours: OurColumns, settings: Settings) -> Iterator[Difference]:
    for name in vendor.given():
        yield _difference(vendor, ours, settings, name, "all", np.ones(len(vendor), bool))


def by_days(vendor: VendorColumns, ours: OurColumns, settings: Settings) -> Iterator[Difference]:
    yield from _by_part(vendor, ours, settings, vendor.seconds_to_expiry / 86_400.0, DAYS)


def by_moneyness(vendor: VendorColumns, ours: OurColumns, settings: Settings) -> Iterator[Difference]:
    forward = np.where(ours.forward > 0, ours.forward, np.nan)
    yield from _by_part(vendor, ours, settings, vendor.sign * np.log(forward / vendor.strike), MONEYNESS)


def _by_part(
    vendor: VendorColumns,
    ours: OurColumns,
    settings: Settings,
    position: Floats,
    parts: Sequence[tuple[str, float, float]],
) -> Iterator[Difference]:
    for name in vendor.given():
        for part, low, high in parts:
            inside = (position > low) & (position <= high)
            if inside.any():
                yield _difference(vendor, ours, settings, name, part, inside)
        unknown = np.isnan(position)
        if unknown.any():
            yield _difference(vendor, ours, settings, name, "no forward", unknown)


def _difference(
    vendor: VendorColumns, ours: OurColumns, settings: Settings, name: str, part: str, rows: np.ndarray
) -> Difference:
    theirs = np.isfinite(getattr(vendor, name)[rows])
    mine = np.isfinite(ours.in_units(name, settings)[rows])
    apart = signed(vendor, ours, settings, name)[rows][theirs & mine]
    spread = np.abs(apart)
    known = len(apart) > 0
    return Difference(
        column=name,
        unit=unit_of(name, settings),
        part=part,
        both=int((theirs & mine).sum()),
        only_theirs=int((theirs & ~mine).sum()),
        only_ours=int((mine & ~theirs).sum()),
        neither=int((~mine & ~theirs).sum()),
        median=float(np.median(spread)) if known else np.nan,
        p90=float(np.quantile(spread, 0.9)) if known else np.nan,
        greatest=float(spread.max()) if known else np.nan,
        bias=float(np.median(apart)) if known else np.nan,
    )


def unit_of(name: str, settings: Settings) -> str:
    units = {
        "implied_volatility": "points",
        "delta": "per 1",
        "gamma": "per 1",
        "price": "currency",
    }
    return units[name] if name in units else getattr(settings, f"{name}_unit").replace("_", " ")


def reasons(vendor: VendorColumns, ours: OurColumns, settings: Settings) -> Counter[str]:
    """Count why we have no volatility where the vendor has a number in any column."""
    theirs = np.zeros(len(vendor), bool)
    for name in COMPARED:
        theirs |= np.isfinite(getattr(vendor, name))
    missing = theirs & (ours.status != Status.OK)
    found = Counter(Status(code).word for code in ours.status[missing].tolist())
    if settings.greeks_at == VENDOR:
        without = theirs & ~np.isfinite(vendor.implied_volatility)
        found["no volatility of the vendor's for the Greeks"] += int(without.sum())
    return +found
