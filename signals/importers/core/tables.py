"""Small tables of text: a header, then rows. What cannot be read is rejected row by row."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache

from signals.importers.core.raw_table import NotATable, Rejected
from signals.rates.core.bounds import FIRST_DAY, LAST_DAY
from signalsite.foundation.errors import InvalidInput

_NUMBER = re.compile(r"([+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE][+-]?[0-9]{1,2})?) ?(%?)", re.ASCII)
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class BadRow(InvalidInput):
    """A row or cell that cannot be used. `field` holds the reason, the message its detail."""


class Dates(StrEnum):
    """How a file writes its dates. 2026-06-11 and 11-Jun-2026 can always be read."""

    ISO = "iso"
    MDY = "mdy"  # 06/11/2026
    DMY = "dmy"  # 11/06/2026


class Unit(StrEnum):
    DECIMAL = "decimal"
    PERCENT = "percent"


_FORMATS = {
    Dates.ISO: ("%d-%b-%Y", "%d %b %Y"),
    Dates.MDY: ("%m/%d/%Y", "%m/%d/%y", "%d-%b-%Y"),
    Dates.DMY: ("%d/%m/%Y", "%d-%m-%Y", "%d-%b-%Y", "%d %b %Y"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file: its number (the first is 1), its text, and its fields."""

    number: int
    text: str
    fields: Sequence[str]

    def rejected(self, error: BadRow) -> Rejected:
        return Rejected(self.number, error.field, str(error), self.text)


def read_lines(text: str) -> tuple[list[str], list[Line], list[Rejected]]:
    """Return the header's names (in small letters), the lines below it, and those with another number of fields.

    Raises NotATable for an empty file. Blank lines do not count.
    """
    lines = [(number, line) for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1) if line.strip(", \t")]
    if not lines:
        raise NotATable("the file is empty")
    try:
        names = [name.strip().lower() for name in _split(lines[0][1])]
    except BadRow as error:
        raise NotATable(f"the header cannot be read: {error}") from None
    read, rejected = [], []
    for number, line in lines[1:]:
        try:
            fields = _split(line)
            if len(fields) != len(names):
                raise BadRow("wrong number of fields", f"{len(fields)}, not {len(names)}")
            read.append(Line(number, line, fields))
        except BadRow as error:
            rejected.append(Rejected(number, error.field, str(error), line))
    return names, read, rejected


def _split(line: str) -> list[str]:
    """Split one line. A quoted field cannot go on in the next one: an odd quote would swallow the rest of the file."""
    if line.count('"') % 2:
        raise BadRow("wrong number of fields", "a quote is not closed")
    try:
        return [field.strip() for field in next(csv.reader([line]))]
    except csv.Error as error:
        raise BadRow("wrong number of fields", str(error)) from None


def column(names: Sequence[str], *spellings: str) -> int | None:
    """Return the place of the first of these columns that the table has."""
    return next((names.index(each) for each in spellings if each in names), None)


@lru_cache(maxsize=65_536)
def _parse_date(text: str, dates: Dates) -> date | None:
    if _ISO.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            return None
    for form in _FORMATS[dates]:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
    return None


def read_date(text: str, dates: Dates, what: str) -> date:
    """Read a date. Raises BadRow; `what` names the column."""
    found = _parse_date(text[:40], dates)
    if found is None:
        raise BadRow(f"{what} is not a date", f"{text[:40]!r}, read as {dates}")
    if not FIRST_DAY <= found <= LAST_DAY:
        raise BadRow(f"{what} is not from {FIRST_DAY} to {LAST_DAY}", text[:40])
    return found


def read_number(text: str, what: str, unit: Unit = Unit.DECIMAL) -> float:
    """Read a number. A percent sign, or the unit, divides it by 100. Raises BadRow; `what` names the column."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise BadRow(f"{what} is not a number", f"{text[:40]!r}")
    number = float(found[1])
    if not math.isfinite(number):
        raise BadRow(f"{what} is not a number", f"{text[:40]!r}")
    return number / 100.0 if unit is Unit.PERCENT or found[2] else number
