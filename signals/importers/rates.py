"""Imports zero curves, dividends and dividend yields."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from django.conf import settings
from django.db import transaction

from signals.importers.core.dividends import DividendRow, YieldRow, read_dividends
from signals.importers.core.rates import RateConventions, read_rates
from signals.importers.core.raw_table import NotATable, Rejected
from signals.importers.core.tables import BadRow, Dates, Unit
from signals.importers.files import decode, read_parts
from signals.importers.reports import ImportReport, ProgressCallback, RejectedRow
from signals.instruments.core.underlyings import currency_of
from signals.instruments.selectors import UnknownUnderlying, find_underlying
from signals.instruments.services import register_underlyings
from signals.rates.services import record_dividends, record_yields, record_zero_rates
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InstrumentKey, complete_key, parse_key

REPEATED = "repeated, a later row counts"


def import_rates(path: Path, conventions: RateConventions, *, progress: ProgressCallback) -> ImportReport:
    """Store the points of one file in one transaction.

    Raises UnreadableFile for a damaged file and NotATable for one that is no usable table, and then stores nothing.
    """
    found = read_rates(_text(path), conventions)
    points = {(point.currency, point.day, point.tenor_days): point.rate for point in found.points}
    record_zero_rates(points, source=f"{path.name}, {conventions.compounding}")
    progress(len(points), len(points))
    currencies = ", ".join(sorted({point.currency for point in found.points}))
    what = f"zero rates of {currencies}, {_days(point.day for point in found.points)}"
    return ImportReport(path.name, what, found.cells, len(points), 0, _rejects(path, found.rejected))


def import_dividends(path: Path, *, dates: Dates, unit: Unit, progress: ProgressCallback) -> ImportReport:
    """Store the dividends or the yields of one file in one transaction, and the underlyings that it names by key.

    Raises what import_rates raises.
    """
    found = read_dividends(_text(path), dates=dates, unit=unit)
    rejected = list(found.rejected)
    underlyings = _Underlyings()
    dividends: dict[tuple[str, date, date | None], tuple[DividendRow, tuple[float, str]]] = {}
    yields: dict[tuple[str, date], tuple[YieldRow, float]] = {}
    for paid in found.dividends:
        try:
            key = underlyings.key(paid.underlying)
            currency = _currency(key, paid.currency)
        except BadRow as error:
            rejected.append(paid.line.rejected(error))
            continue
        _put(dividends, (key, paid.ex_date, paid.announced), (paid, (paid.amount, currency)), rejected)
    for each in found.yields:
        try:
            key = underlyings.key(each.underlying)
        except BadRow as error:
            rejected.append(each.line.rejected(error))
            continue
        _put(yields, (key, each.since), (each, each.dividend_yield), rejected)
    if not (dividends or yields):
        why = f"; the first: {rejected[0].reason} ({rejected[0].detail})" if rejected else ""
        raise NotATable(f"none of the {found.rows_read:,} rows can be used{why}")
    with transaction.atomic():
        register_underlyings(underlyings.new)
        record_dividends({key: value for key, (_, value) in dividends.items()}, source=path.name)
        record_yields({key: value for key, (_, value) in yields.items()}, source=path.name)
    count = len(dividends) + len(yields)
    progress(count, count)
    what = "dividends, ex" if dividends else "yields,"
    days = [*(ex_date for _, ex_date, _ in dividends), *(since for _, since in yields)]
    what = f"{what} {_days(days)}"
    rejected.sort(key=lambda row: row.row)
    return ImportReport(path.name, what, found.rows_read, count, 0, _rejects(path, rejected))


class _Underlyings:
    """Finds each underlying of a file once. `new` holds those named by a whole key, which may be unknown."""

    def __init__(self) -> None:
        self.new: dict[str, InstrumentKey] = {}
        self._keys: dict[str, str | BadRow] = {}

    def key(self, name: str) -> str:
        """Return the key of an underlying. Raises BadRow."""
        if name not in self._keys:
            try:
                self._keys[name] = self._find(name)
            except InvalidInput as error:
                self._keys[name] = BadRow("bad underlying", str(error))
        found = self._keys[name]
        if isinstance(found, BadRow):
            raise found
        return found

    def _find(self, name: str) -> str:
        if "@" not in name and "/" not in name:
            parse_key(complete_key(name, settings.DEFAULT_EXCHANGE))  # raises for what cannot be a symbol
            try:
                return find_underlying(name, "underlying").key
            except UnknownUnderlying:  # a bare symbol does not say its exchange
                raise BadRow("bad underlying", f"no underlying {name[:64]!r} is known; write its key") from None
        key = parse_key(name)
        exchange_named(key.exchange)
        if key.underlying != name:
            raise BadRow("bad underlying", f"{name} is an instrument; its underlying is {key.underlying}")
        self.new[name] = key
        return name


def _currency(key: str, said: str) -> str:
    expected = currency_of(key)
    if said and said != expected:
        raise BadRow("another currency than the underlying's", f"{said[:40]!r}, not {expected}")
    return expected


def _put(facts: dict, key: tuple, fact: tuple, rejected: list[Rejected]) -> None:
    if earlier := facts.pop(key, None):
        rejected.append(earlier[0].line.rejected(BadRow(REPEATED, " ".join(map(str, key)))))
    facts[key] = fact


def _text(path: Path) -> str:
    parts = read_parts(path)
    if len(parts) != 1:
        raise NotATable(f"the zip holds {len(parts)} files, not one")
    return decode(next(iter(parts.values())))


def _days(days: Iterable[date]) -> str:
    found = sorted(set(days))
    return f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}, {len(found):,} dates"


def _rejects(path: Path, rejected: Iterable[Rejected]) -> list[RejectedRow]:
    return [RejectedRow(path.name, row.row, row.reason, row.detail, row.text) for row in rejected]
