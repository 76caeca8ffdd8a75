"""Reads tables of dividends and of dividend yields: text in, facts and rejected rows out.

The header says which: `underlying,ex_date,amount` and perhaps `currency` and `announced`, or
`underlying,since,dividend_yield`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import NamedTuple, TypeVar

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
from signals.rates.core.bounds import HIGHEST_AMOUNT, HIGHEST_RATE, LOWEST_RATE


class DividendRow(NamedTuple):
    line: Line
    underlying: str  # as the file has it: a key or a bare symbol
    ex_date: date
    amount: float
    currency: str  # empty where the file does not say
    announced: date | None


class YieldRow(NamedTuple):
    line: Line
    underlying: str
    since: date
    dividend_yield: float


@dataclass(frozen=True)
class DividendFile:
    """One of `dividends` and `yields` is empty."""

    dividends: list[DividendRow]
    yields: list[YieldRow]
    rejected: list[Rejected]
    rows_read: int


def read_dividends(text: str, *, dates: Dates, unit: Unit) -> DividendFile:
    """Read a file's text. `unit` is that of yields. Raises NotATable if it has neither table's columns."""
    names, lines, rejected = read_lines(text)
    underlying = column(names, "underlying", "symbol")
    ex_date, amount = column(names, "ex_date", "ex-date", "ex date"), column(names, "amount", "dividend")
    since, dividend_yield = column(names, "since", "date"), column(names, "dividend_yield", "yield")
    rows_read = len(lines) + len(rejected)
    if underlying is not None and ex_date is not None and amount is not None:
        places = underlying, ex_date, amount, column(names, "currency"), column(names, "announced")
        dividends = list(_readable(lines, partial(_dividend, places=places, dates=dates), rejected))
        return DividendFile(dividends, [], rejected, rows_read)
    if underlying is not None and since is not None and dividend_yield is not None:
        where = underlying, since, dividend_yield
        yields = list(_readable(lines, partial(_yield, places=where, dates=dates, unit=unit), rejected))
        return DividendFile([], yields, rejected, rows_read)
    raise NotATable(
        "the columns are neither underlying, ex_date, amount nor underlying, since, dividend_yield; "
        f"the file has {', '.join(names)[:200]}"
    )


_Read = TypeVar("_Read")


def _readable(lines: Iterable[Line], read: Callable[[Line], _Read], rejected: list[Rejected]) -> Iterator[_Read]:
    for line in lines:
        try:
            yield read(line)
        except BadRow as error:
            rejected.append(line.rejected(error))


def _dividend(line: Line, *, places: tuple[int, int, int, int | None, int | None], dates: Dates) -> DividendRow:
    underlying, ex_date, amount, currency, announced = places
    day = read_date(line.fields[ex_date], dates, "ex_date")
    paid = read_number(line.fields[amount], "amount")
    if not 0 <= paid <= HIGHEST_AMOUNT:
        raise BadRow(f"amount is not from 0 to {HIGHEST_AMOUNT:g}", f"{paid:g}")
    said = line.fields[announced] if announced is not None else ""
    known = read_date(said, dates, "announced") if said else None
    if known and known > day:
        raise BadRow("announced after the ex-date", f"{known}")
    whose = line.fields[currency] if currency is not None else ""
    return DividendRow(line, line.fields[underlying], day, paid, whose, known)


def _yield(line: Line, *, places: tuple[int, int, int], dates: Dates, unit: Unit) -> YieldRow:
    underlying, since, dividend_yield = places
    day = read_date(line.fields[since], dates, "since")
    value = read_number(line.fields[dividend_yield], "dividend_yield", unit)
    if not LOWEST_RATE <= value <= HIGHEST_RATE:
        detail = f"{value:g}: in percent? then --unit percent"
        raise BadRow(f"dividend_yield is not from {LOWEST_RATE:g} to {HIGHEST_RATE:g} a year", detail)
    return YieldRow(line, line.fields[underlying], day, value)
