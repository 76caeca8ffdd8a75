"""Writes contracts and underlyings."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from django.db import transaction
from psycopg import sql

from signals.instruments.core.underlyings import american_by_default, volatility_index_key
from signals.instruments.models import Instrument, Underlying
from signalsite.foundation.staging import upsert
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InstrumentKey
from timeframes.core.sessions import expiry_moment

_DATED = ("lot_size", "tick_size")
"""Terms that change during the life of a contract. Each has the date of its source beside it."""
_INSTRUMENT_COLUMNS = {
    "key": "text",
    "underlying_id": "text",
    "product": "text",
    "expiry": "date",
    "expires_at": "timestamptz",
    "right": "text",
    "strike": "numeric",
    "lot_size": "int4",
    "lot_size_as_of": "date",
    "tick_size": "numeric",
    "tick_size_as_of": "date",
}
# The newer fact counts, whatever the order in which files are imported. An undated fact gives way to any dated one.
_NEWER = (
    "(EXCLUDED.{term} IS NOT NULL AND (stored.{term} IS NULL OR"
    " coalesce(EXCLUDED.{term}_as_of, '-infinity') >= coalesce(stored.{term}_as_of, '-infinity')))"
)
_TERMS = {
    column: f"CASE WHEN {_NEWER.format(term=term)} THEN EXCLUDED.{column} ELSE stored.{column} END"
    for term in _DATED
    for column in (term, f"{term}_as_of")
} | {"expires_at": "EXCLUDED.expires_at"}
# Unchanged rows are not written, so importing a day again writes no instrument.
_UPDATE = sql.SQL(
    f"SET {', '.join(f'{column} = {value}' for column, value in _TERMS.items())}"
    f" WHERE ({', '.join(f'stored.{column}' for column in _TERMS)}) IS DISTINCT FROM ({', '.join(_TERMS.values())})"
)


def register_instruments(
    instruments: Mapping[str, InstrumentKey],
    *,
    lot_sizes: Sequence[int | None] | None = None,
    tick_size: Decimal | None = None,
    as_of: Sequence[date] | date | None = None,
) -> int:
    """Store the instruments and their underlyings, and return how many instruments were new or changed.

    `instruments` is keyed by the text of each key. `lot_sizes` has one element each, None where the source does not
    say. `as_of` is the date for which the source gives lots and ticks, None if unknown: a stored lot or tick of a later
    date stays. An underlying that exists keeps what staff set. Runs in one transaction, or in the caller's. Raises
    InvalidInput for an unknown exchange.
    """
    lots = [None] * len(instruments) if lot_sizes is None else lot_sizes
    days = [as_of] * len(instruments) if as_of is None or isinstance(as_of, date) else as_of
    rows = []
    underlyings: dict[str, InstrumentKey] = {}
    for (text, key), lot_size, day in zip(instruments.items(), lots, days, strict=True):
        underlying = key.underlying
        if underlying not in underlyings:
            exchange_named(key.exchange)
            underlyings[underlying] = key
        expires_at = expiry_moment(key) if key.expiry else None
        rows.append(
            (
                text,
                underlying,
                str(key.product),
                key.expiry,
                expires_at,
                str(key.right),
                key.strike,
                lot_size,
                None if lot_size is None else day,
                tick_size,
                None if tick_size is None else day,
            )
        )
    with transaction.atomic():
        register_underlyings(underlyings)
        return upsert(Instrument, _INSTRUMENT_COLUMNS, rows, key=("key",), update=_UPDATE)


def register_underlyings(by_key: Mapping[str, InstrumentKey]) -> None:
    """Store the underlyings that are new, each by its key. One that exists keeps what staff set."""
    Underlying.objects.bulk_create(
        [
            Underlying(
                key=underlying,
                exchange=key.exchange,
                symbol=key.symbol,
                spot_key=key.spot,
                volatility_index_key=volatility_index_key(key.exchange, key.symbol),
                exercise="american" if american_by_default(key.exchange, key.symbol) else "european",
            )
            for underlying, key in by_key.items()
        ],
        ignore_conflicts=True,
    )
