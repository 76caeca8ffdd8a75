"""Writes rates, dividends and yields."""

from collections.abc import Iterable, Mapping
from datetime import date

from psycopg import sql

from signals.rates.models import DatedYield, Dividend, ZeroRate
from signalsite.foundation.staging import upsert


def record_zero_rates(points: Mapping[tuple[str, date, int], float], *, source: str) -> int:
    """Store points, by (currency, date, tenor in days), and return how many were new or changed.

    The other points of a curve stay. Runs in one transaction, or in the caller's, as all of these do.
    """
    rows = ((*key, rate, source) for key, rate in points.items())
    columns = {"currency": "text", "date": "date", "tenor_days": "int4", "rate": "float8", "source": "text"}
    return upsert(ZeroRate, columns, rows, key=("currency", "date", "tenor_days"), update=_replace("rate"))


def record_dividends(dividends: Mapping[tuple[str, date, date | None], tuple[float, str]], *, source: str) -> int:
    """Store (amount, currency) by (underlying, ex-date, date of the announcement). Return as record_zero_rates does."""
    rows = ((*key, *value, source) for key, value in dividends.items())
    columns = {
        "underlying_id": "text",
        "ex_date": "date",
        "announced": "date",
        "amount": "float8",
        "currency": "text",
        "source": "text",
    }
    key = ("underlying_id", "ex_date", "announced")
    return upsert(Dividend, columns, rows, key=key, update=_replace("amount", "currency"))


def record_yields(yields: Mapping[tuple[str, date], float], *, source: str) -> int:
    """Store yields by (underlying, first day). Return as record_zero_rates does."""
    rows = ((*key, value, source) for key, value in yields.items())
    columns = {"underlying_id": "text", "since": "date", "dividend_yield": "float8", "source": "text"}
    return upsert(DatedYield, columns, rows, key=("underlying_id", "since"), update=_replace("dividend_yield"))


def _replace(*columns: str) -> sql.Composable:
    """Replace what differs. A row that says the same keeps its source."""
    names = map(sql.Identifier, (*columns, "source"))
    setting = sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(name) for name in names)
    stored, new = (_row(table, columns) for table in ("stored", "EXCLUDED"))
    return sql.SQL("SET {} WHERE {} IS DISTINCT FROM {}").format(setting, stored, new)


def _row(table: str, columns: Iterable[str]) -> sql.Composable:
    fields = sql.SQL(", ").join(sql.SQL(f"{table}.{{}}").format(sql.Identifier(name)) for name in columns)
    return sql.SQL("ROW({})").format(fields)
