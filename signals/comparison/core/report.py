"""The comparison in words and tables."""

from collections.abc import Iterable, Sequence

import numpy as np

from signals.comparison.core.differences import Difference, by_column, by_days, by_moneyness, reasons
from signals.comparison.core.ours import OurColumns
from signals.comparison.core.search import Found
from signals.comparison.core.settings import BOUNDS, NAMES, Settings
from signals.comparison.core.vendor import VendorColumns

HEADS = ("column", "unit", "both", "median", "90 %", "all", "median, signed", "only theirs", "only ours", "neither")


def compared(vendor: VendorColumns, ours: OurColumns, settings: Settings) -> list[str]:
    """Return the table by column, and why we have no value."""
    rows = [(each.column, each.unit, *_numbers(each)) for each in by_column(vendor, ours, settings)]
    lines = table(HEADS, rows)
    why = reasons(vendor, ours, settings)
    if why:
        lines.append("none of ours where the vendor has one: " + _counted(why.most_common()))
    return lines


def parts(vendor: VendorColumns, ours: OurColumns, settings: Settings) -> list[str]:
    """Return the tables by days to expiry and by moneyness."""
    lines = []
    for title, found in (("days to expiry", by_days), ("moneyness", by_moneyness)):
        rows = [(each.column, each.part, *_numbers(each)) for each in found(vendor, ours, settings)]
        lines += ["", f"By {title}:", *table(("column", title, *HEADS[2:]), rows)]
    return lines


def nearest(found: Found, vendor: VendorColumns, ours: OurColumns) -> list[str]:
    """Return the settings found, how near they bring our numbers, and what each of them is worth."""
    lines = [f"Nearest settings: {found.settings.words(found.names)}"]
    for each in by_column(vendor, ours, found.settings):
        count = each.both + each.only_theirs
        spread = f": half within {number(each.median)}, 90 % within {number(each.p90)}, all within "
        spread += f"{number(each.greatest)} {each.unit}"
        lines.append(f"  {each.column}: {each.both:,} of {count:,}{spread if each.both else ''}")
    if found.settings.greeks_at == "vendor":
        lines.append("  Greeks and price are at the vendor's own volatility, so that its error is not counted twice.")
    if found.pinned:
        lines.append(f"  {found.pinned:,} volatilities are one and the same number: a default, left out of the search.")
    rows = []
    for worth in found.worth:
        told = "decided" if worth.decided else "not decided by this file"
        if worth.name in BOUNDS:
            told += ", one point away"
        values = _value(worth.value), _value(worth.other)
        rows.append((worth.name, *values, f"{worth.loss:.4f}", f"{worth.other_loss:.4f}", told))
    if rows:
        lines += ["", f"What each setting is worth ({found.tried:,} tried; 0 is equal, 1 is unlike or absent):"]
        lines += table(("setting", "nearest", "next best", "distance", "with the next best", ""), rows)
    return lines


def defaults(settings: Settings, vendor: VendorColumns) -> str:
    given = vendor.given()
    names = [name for name in NAMES if not name.endswith("_unit") and name != "rho_holds"]
    names += [f"{name}_unit" for name in ("theta", "vega", "rho") if name in given]
    return settings.words(tuple(names))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table. The first column and text are set to the left, numbers to the right."""
    body = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in [list(heads), *body]) for place in range(len(heads))]
    left = [place < 2 or not any(_is_number(row[place]) for row in body) for place in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        shown = (
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(cells, widths, left, strict=True)
        )
        return "  ".join(shown).rstrip()

    return [line(heads), *map(line, body)]


def number(value: float) -> str:
    """Return four significant digits, without an exponent for usual sizes."""
    if not np.isfinite(value):
        return ""
    if value and not 1e-7 <= abs(value) < 1e7:
        return f"{value:.3e}"
    text = f"{value:.4g}"
    return f"{value:.10f}".rstrip("0").rstrip(".") if "e" in text else text


def _numbers(each: Difference) -> tuple[str, ...]:
    return (
        f"{each.both:,}",
        *map(number, (each.median, each.p90, each.greatest, each.bias)),
        *(f"{count:,}" for count in (each.only_theirs, each.only_ours, each.neither)),
    )


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _is_number(text: str) -> bool:
    return text[:1].isdigit() or text[:2].lstrip("-")[:1].isdigit()


def _counted(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count:,} {word}" for word, count in counts)
