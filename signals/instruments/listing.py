"""Pages of underlyings, expiries and instruments, read with SQL.

A listing is ordered by underlying, expiry, strike and right: the spot comes first, then for each expiry its future and
its options, the call before the put. The index `instrument_listing` holds that order, so a page starts where the last
one ended, however far down that is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from signals.instruments.models import Underlying
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.rows import binary_rows

LiveAmong = Callable[[Sequence[str]], Sequence[bool | None]]
"""Says of each instrument key whether it has a live state, or None where nobody knows."""

ROUND_ROWS = 2_000  # read at once while only live (or only other) instruments are wanted
MOST_ROUNDS = 10  # for one page

_COLUMNS = """i.key, i.underlying_id, u.exchange, i.product, i.expiry, i.expires_at, i.right, i.strike, i.lot_size,
       i.tick_size"""
_ORDER = "i.underlying_id, coalesce(i.expiry, DATE '0001-01-01'), coalesce(i.strike, 0), i.right, i.key"
_CONDITIONS = {
    "after": f"({_ORDER}) > (%(underlying_id)s::text, %(expiry)s::date, %(strike)s::numeric, %(right_)s::text,"
    " %(after)s::text)",
    "underlying": "i.underlying_id = %(underlying)s::text",
    "exchange": "u.exchange = %(exchange)s::text",
    "product": "i.product = %(product)s::text",
    "right": "i.right = %(right)s::text",
    "expiry_min": "i.expiry >= %(expiry_min)s::date",
    "expiry_max": "i.expiry <= %(expiry_max)s::date",
    "strike_min": "i.strike >= %(strike_min)s::numeric",
    "strike_max": "i.strike <= %(strike_max)s::numeric",
}
FILTERS = tuple(name for name in _CONDITIONS if name != "after")
_PAGE = f"""
SELECT {_COLUMNS} FROM signals_instrument i JOIN signals_underlying u ON u.key = i.underlying_id
WHERE {{conditions}}
ORDER BY {_ORDER} LIMIT %(limit)s::int
"""
_ONE = f"""
SELECT {_COLUMNS} FROM signals_instrument i JOIN signals_underlying u ON u.key = i.underlying_id WHERE i.key = %(key)s
"""
_POSITION = """
SELECT underlying_id, coalesce(expiry, DATE '0001-01-01'), coalesce(strike, 0), "right" FROM signals_instrument
WHERE key = %(key)s
"""
_EXPIRIES = """
SELECT expiry, max(expires_at), count(*) FILTER (WHERE "right" <> ''), count(*) FILTER (WHERE "right" = ''),
       count(DISTINCT strike), min(strike), max(strike)
FROM signals_instrument WHERE underlying_id = %(underlying)s AND expiry IS NOT NULL
GROUP BY expiry ORDER BY expiry
"""


class Listed(NamedTuple):
    """One instrument of a listing. None stands for what its source did not say, or what it does not have."""

    key: str
    underlying: str
    exchange: str
    product: str
    expiry: date | None
    expires_at: datetime | None
    right: str
    strike: Any  # Decimal
    lot_size: int | None
    tick_size: Any  # Decimal


class Expiry(NamedTuple):
    """One expiry date of an underlying, with the number of its contracts."""

    expiry: date
    expires_at: datetime
    options: int
    futures: int
    strikes: int
    lowest_strike: Any  # Decimal, None without options
    highest_strike: Any


@dataclass(frozen=True, slots=True)
class Page:
    """`live`: one flag a row. `next_cursor` is None on the last page."""

    rows: list[Listed]
    live: list[bool | None]
    next_cursor: str | None


def list_underlyings(*, exchange: str | None, after: str, limit: int) -> tuple[list[Underlying], str | None]:
    """Return one page in the order of their keys, and the cursor of the next, None on the last."""
    found = Underlying.objects.filter(key__gt=after).order_by("key")
    if exchange is not None:
        found = found.filter(exchange=exchange)
    rows = list(found[: limit + 1])
    return rows[:limit], rows[limit - 1].key if len(rows) > limit else None


def list_expiries(underlying: str) -> list[Expiry]:
    """Return every expiry of one underlying, the earliest first."""
    return [Expiry(*row) for row in binary_rows(_EXPIRIES, {"underlying": underlying})]


def find_listed(key: str) -> Listed | None:
    rows = binary_rows(_ONE, {"key": key})
    return Listed(*rows[0]) if rows else None


def list_instruments(
    filters: Mapping[str, Any], *, after: str | None, limit: int, live: bool | None, live_among: LiveAmong
) -> Page:
    """Return one page of the instruments that pass `filters` (names in FILTERS).

    With `live` given, a page may hold fewer than `limit` rows, even none, before the last: it reads MOST_ROUNDS times
    ROUND_ROWS instruments at most. Raises InvalidInput(field="cursor") for a cursor that no page gave.
    """
    position = {} if after is None else _position(after)
    if live is None:
        rows = _read(filters, position, limit + 1)
        page = rows[:limit]
        flags = list(live_among([row.key for row in page]))
        return Page(page, flags, page[-1].key if len(rows) > limit else None)
    found: list[Listed] = []
    flag_of_all: list[bool | None] = [live]
    for _ in range(MOST_ROUNDS):
        rows = _read(filters, position, ROUND_ROWS)
        for row, flag in zip(rows, live_among([row.key for row in rows]), strict=True):
            if flag is live:
                if len(found) == limit:
                    return Page(found, flag_of_all * limit, found[-1].key)
                found.append(row)
        if len(rows) < ROUND_ROWS:
            return Page(found, flag_of_all * len(found), None)
        position = _position_of(rows[-1])
    return Page(found, flag_of_all * len(found), rows[-1].key)


def page_query(filters: Mapping[str, Any], position: Mapping[str, Any], limit: int) -> tuple[str, dict[str, Any]]:
    """Return the SQL of one page with its parameters."""
    names = [*filters, *(["after"] if position else [])]
    conditions = " AND ".join(_CONDITIONS[name] for name in names) or "true"
    return _PAGE.format(conditions=conditions), {**filters, **position, "limit": limit}


def _read(filters: Mapping[str, Any], position: Mapping[str, Any], limit: int) -> list[Listed]:
    return [Listed(*row) for row in binary_rows(*page_query(filters, position, limit))]


def _position(key: str) -> dict[str, Any]:
    rows = binary_rows(_POSITION, {"key": key})
    if not rows:
        raise InvalidInput("cursor", "not a cursor that a page of this list gave")
    return dict(zip(("underlying_id", "expiry", "strike", "right_"), rows[0], strict=True)) | {"after": key}


def _position_of(row: Listed) -> dict[str, Any]:
    return {
        "underlying_id": row.underlying,
        "expiry": row.expiry or date.min,
        "strike": row.strike or 0,
        "right_": row.right,
        "after": row.key,
    }
