"""Reads tables of interest rates: text in, points of zero curves and rejected rows out.

Two layouts. A long table has a row for each point, under `date`, `tenor`, `rate` and perhaps `currency`. A wide table
has a row for each date, and a column for each tenor: the US Treasury publishes its par yields so.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from signals.importers.core.raw_table import NotATable, Rejected
from signals.importers.core.tables import (
    BadRow,
    Dates,
    Line,
    Unit,
    column,
    read_date,
    read_lines,
    read_number,
)
from signals.rates.core.bounds import CURRENCY, HIGHEST_RATE, LONGEST_TENOR, LOWEST_RATE
from signals.rates.core.conversions import Compounding, to_continuous, zeros_of_par

_TENOR = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?)[ -]?([a-z]*)", re.ASCII)
_DAYS = {
    **dict.fromkeys(("", "d", "day", "days"), 1.0),
    **dict.fromkeys(("w", "wk", "week", "weeks"), 7.0),
    **dict.fromkeys(("m", "mo", "mon", "mth", "month", "months"), 365.0 / 12.0),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), 365.0),
}
_NOT_PUBLISHED = {"", "n/a", "na", "nd", "-", "."}
_OUT_OF_BOUNDS = f"rate is not from {LOWEST_RATE:g} to {HIGHEST_RATE:g} a year"
REPEATED = "repeated point, a later row counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateConventions:
    """What a file does not say itself. `currency`: of a file without such a column; empty if it has one."""

    currency: str = ""
    unit: Unit = Unit.DECIMAL
    compounding: Compounding = Compounding.CONTINUOUS
    dates: Dates = Dates.ISO


PRESETS = {
    # home.treasury.gov, "Daily Treasury Par Yield Curve Rates", CSV
    "us-treasury": RateConventions(currency="USD", unit=Unit.PERCENT, compounding=Compounding.PAR, dates=Dates.MDY),
    # FBIL's treasury bill rates: yields to maturity of discount bills, a year of 365 days
    "fbil-tbill": RateConventions(currency="INR", unit=Unit.PERCENT, compounding=Compounding.SIMPLE, dates=Dates.DMY),
}


class CurvePoint(NamedTuple):
    currency: str
    day: date
    tenor_days: int
    rate: float  # continuous zero rate, as a decimal


@dataclass(frozen=True)
class RateFile:
    """`points` are of the usable cells, each point once; `cells` counts those that say something."""

    points: list[CurvePoint]
    rejected: list[Rejected]
    cells: int


class _Cell(NamedTuple):
    line: Line
    currency: str
    day: date
    tenor_days: int
    rate: float  # as it is published, as a decimal


def tenor_days(text: str) -> int:
    """Read 91, 91d, 3m, "3 Mo", "1.5 Month", 1y: a month is a twelfth of 365 days, rounded to days. Raises BadRow."""
    lowered = text.strip().lower()
    if lowered in ("on", "o/n", "overnight"):
        return 1
    found = _TENOR.fullmatch(lowered)
    if found is None or found[2] not in _DAYS:
        raise BadRow("tenor is neither days nor such as 3m or 1y", f"{text[:40]!r}")
    days = round(float(found[1]) * _DAYS[found[2]])
    if not 1 <= days <= LONGEST_TENOR:
        raise BadRow(f"tenor is not from 1 to {LONGEST_TENOR} days", f"{text[:40]!r}")
    return days


def read_rates(text: str, conventions: RateConventions) -> RateFile:
    """Read a file's text. Raises NotATable if it is no table of rates, or if none of its rows can be used."""
    names, lines, rejected = read_lines(text)
    tenor = column(names, "tenor", "tenor_days", "maturity")
    rate = column(names, "rate", "rate (%)", "zero_rate", "yield", "yield (%)")
    day, currency = column(names, "date"), column(names, "currency")
    if day is None:
        raise NotATable(f"no column date; it has {', '.join(names)[:200]}")
    if currency is None and not re.fullmatch(CURRENCY, conventions.currency):
        raise NotATable("no column currency: give one with --currency, such as INR")
    cells: list[_Cell] = []
    if tenor is not None and rate is not None:
        unit = Unit.PERCENT if "%" in names[rate] else conventions.unit
        count = _long(lines, cells, rejected, (currency, day, tenor, rate), conventions, unit)
    else:
        count = _wide(names, lines, cells, rejected, (currency, day), conventions)
    points = _points(cells, rejected, conventions.compounding)
    if not points:
        why = f"; the first: {rejected[0].reason} ({rejected[0].detail})" if rejected else ""
        raise NotATable(f"none of the {count:,} rates can be used{why}")
    return RateFile(points, sorted(rejected, key=lambda row: row.row), count)


def _long(
    lines: Iterable[Line],
    cells: list[_Cell],
    rejected: list[Rejected],
    places: tuple[int | None, int, int, int],
    conventions: RateConventions,
    unit: Unit,
) -> int:
    count = len(rejected)
    currency, day, tenor, rate = places
    for line in lines:
        count += 1
        try:
            whose = _currency(line, currency, conventions)
            when = read_date(line.fields[day], conventions.dates, "date")
            days = tenor_days(line.fields[tenor])
            cells.append(_Cell(line, whose, when, days, _rate(line.fields[rate], "rate", unit)))
        except BadRow as error:
            rejected.append(line.rejected(error))
    return count


def _wide(
    names: Sequence[str],
    lines: Iterable[Line],
    cells: list[_Cell],
    rejected: list[Rejected],
    places: tuple[int | None, int],
    conventions: RateConventions,
) -> int:
    count = len(rejected)
    currency, day = places
    try:
        tenors = {at: tenor_days(name) for at, name in enumerate(names) if at not in places}
    except BadRow as error:
        raise NotATable(f"columns are neither date, tenor, rate nor date and tenors: {error}") from None
    for line in lines:
        said = {at: days for at, days in tenors.items() if line.fields[at].lower() not in _NOT_PUBLISHED}
        count += len(said) or 1
        try:
            whose = _currency(line, currency, conventions)
            when = read_date(line.fields[day], conventions.dates, "date")
        except BadRow as error:
            rejected.append(line.rejected(error))
            continue
        for at, days in said.items():
            try:
                number = _rate(line.fields[at], f"rate of {names[at][:40]}", conventions.unit)
                cells.append(_Cell(line, whose, when, days, number))
            except BadRow as error:
                rejected.append(line.rejected(error))
    return count


def _rate(text: str, what: str, unit: Unit) -> float:
    number = read_number(text, what, unit)
    if not LOWEST_RATE <= number <= HIGHEST_RATE:
        raise BadRow(_OUT_OF_BOUNDS, f"{number:g}: in percent? then --unit percent")
    return number


def _currency(line: Line, place: int | None, conventions: RateConventions) -> str:
    if place is None:
        return conventions.currency
    if not re.fullmatch(CURRENCY, line.fields[place]):
        raise BadRow("currency is not capital letters such as INR", f"{line.fields[place][:40]!r}")
    return line.fields[place]


def _points(cells: Iterable[_Cell], rejected: list[Rejected], compounding: Compounding) -> list[CurvePoint]:
    curves: defaultdict[tuple[str, date], dict[int, _Cell]] = defaultdict(dict)
    for cell in cells:
        curve = curves[cell.currency, cell.day]
        if earlier := curve.pop(cell.tenor_days, None):
            rejected.append(earlier.line.rejected(BadRow(REPEATED, f"{cell.currency} {cell.day} {cell.tenor_days} d")))
        curve[cell.tenor_days] = cell
    points = []
    for (currency, day), curve in curves.items():
        tenors = sorted(curve)
        for days, zero in zip(tenors, _zeros([curve[each] for each in tenors], compounding), strict=True):
            if LOWEST_RATE <= zero <= HIGHEST_RATE:  # no comparison holds for NaN
                points.append(CurvePoint(currency, day, days, zero))
            else:
                detail = f"{curve[days].rate:g} for {days} days, {compounding}, is {zero:g} continuous"
                rejected.append(curve[days].line.rejected(BadRow(_OUT_OF_BOUNDS, detail)))
    return points


def _zeros(cells: Sequence[_Cell], compounding: Compounding) -> list[float]:
    if compounding is Compounding.PAR:
        return zeros_of_par([cell.tenor_days for cell in cells], [cell.rate for cell in cells])
    return [_zero(cell, compounding) for cell in cells]


def _zero(cell: _Cell, compounding: Compounding) -> float:
    try:
        return to_continuous(cell.rate, cell.tenor_days, compounding)
    except (ValueError, OverflowError):  # no price is positive
        return float("nan")
