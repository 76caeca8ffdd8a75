"""Writes contracts and underlyings."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from django.db import transaction
from psycopg import sql

from signals.instruments.core.underlyings import volatility_index_key
from signals.instruments.models import Instrument, Underlying
from signalsite.foundation.staging import upsert
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InstrumentKey
from timeframes.core.sessions import expiry_moment

_INSTRUMENT_COLUMNS = {
    "key": "text",
    "underlying_id": "text",
    "product": "text",
    "expiry": "date",
    "expires_at": "timestamptz",
    "right": "text",
    "strike": "numeric",
    "lot_size": "int4",
    "tick_size": "numeric",
}
# A source without a lot or tick size keeps the stored one. Unchanged rows are not written, so importing a day again
# writes no instrument.
_UPDATE = sql.SQL(
    "SET lot_size = coalesce(EXCLUDED.lot_size, stored.lot_size), expires_at = EXCLUDED.expires_at,"
    " tick_size = coalesce(EXCLUDED.tick_size, stored.tick_size)"
    " WHERE (stored.lot_size, stored.tick_size, stored.expires_at) IS DISTINCT FROM"
    " (coalesce(EXCLUDED.lot_size, stored.lot_size), coalesce(EXCLUDED.tick_size, stored.tick_size),"
    " EXCLUDED.expires_at)"
)


def register_instruments(
    instruments: Mapping[str, InstrumentKey],
    *,
    lot_sizes: Sequence[int | None] | None = None,
    tick_size: Decimal | None = None,
) -> int:
    """Store the instruments and their underlyings, and return how many instruments were new or changed.

    `instruments` is keyed by the text of each key. `lot_sizes` has one element each, None where the source does not
    say. An underlying that exists keeps what staff set. Runs in one transaction, or in the caller's. Raises
    InvalidInput for an unknown exchange.
    """
    lots = [None] * len(instruments) if lot_sizes is None else lot_sizes
    rows = []
    underlyings: dict[str, InstrumentKey] = {}
    for (text, key), lot_size in zip(instruments.items(), lots, strict=True):
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
                tick_size,
            )
        )
    with transaction.atomic():
        _register_underlyings(underlyings)
        return upsert(Instrument, _INSTRUMENT_COLUMNS, rows, key=("key",), update=_UPDATE)


def _register_underlyings(by_key: Mapping[str, InstrumentKey]) -> None:
    Underlying.objects.bulk_create(
        [
            Underlying(
                key=underlying,
                exchange=key.exchange,
                symbol=key.symbol,
                spot_key=key.spot,
                volatility_index_key=volatility_index_key(key.exchange, key.symbol),
            )
            for underlying, key in by_key.items()
        ],
        ignore_conflicts=True,
    )
