"""Stores a simulated market, and reads what is stored of one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction

from signals.greeks.core.conventions import GreeksParams
from signals.instruments.models import Instrument
from signals.instruments.selectors import quoted_at
from signals.instruments.services import register_instruments
from signals.simulator.core.simulated_bars import MINUTE, past_bars
from signals.simulator.core.simulated_listing import EXCHANGE
from signals.simulator.core.simulated_market import SOURCE, TICK, SimulatedMarket
from timeframes.bars.services import record_bar_columns
from timeframes.bars.stored import stored_of
from timeframes.core.keys import InstrumentKey, Product, parse_key
from timeframes.core.sessions import local_date, session_open
from timeframes.quotes.selectors import newest_quotes
from timeframes.quotes.services import record_quotes


def store_market(market: SimulatedMarket) -> int:
    """Register the instruments and record their quotes in one transaction. Return the number of quotes."""
    at = market.quotes.time
    as_of = local_date(EXCHANGE, at) if isinstance(at, datetime) else [local_date(EXCHANGE, each) for each in at]
    lots = [lot or None for lot in market.lot_sizes]
    with transaction.atomic():
        register_instruments(
            dict(zip(market.quotes.instrument_key, market.instruments, strict=True)),
            lot_sizes=lots,
            tick_size=Decimal(str(TICK)),
            as_of=as_of,
        )
        return record_quotes(market.quotes) + record_quotes(market.path)


def store_history(market: SimulatedMarket, at: datetime, *, days: int, seed: int) -> int:
    """Store one-minute bars of the spots and futures from `days` whole dates before `at` on. Return how many.

    Does nothing where something is stored of one of them: the past is what was recorded, and it is made up only once.
    """
    first = local_date(EXCHANGE, at) - timedelta(days=days)
    past = past_bars(market, session_open(EXCHANGE, first), at, seed=seed)
    with transaction.atomic():
        if any(stored_of(key) for key in past.keys):
            return 0
        return record_bar_columns(past.keys, past.place, MINUTE, past.bars, source=SOURCE)


class StoredMarket(NamedTuple):
    spots: dict[str, float]  # by symbol
    contracts: list[InstrumentKey]


def read_stored(symbols: Sequence[str], at: datetime) -> StoredMarket:
    """Return the newest spots of these symbols, and their options and futures that have not expired.

    Leaves out what no job reads by default because its newest quote is too old.
    """
    oldest = GreeksParams().max_quote_age_seconds
    spots = {symbol: str(InstrumentKey(EXCHANGE, symbol, Product.EQUITY_SPOT)) for symbol in symbols}
    found = {quote.instrument_key: quote for quote in newest_quotes(spots.values(), at)}
    contracts = Instrument.objects.filter(
        underlying__in=[f"{EXCHANGE}@{symbol}" for symbol in symbols], expires_at__gt=at
    )
    return StoredMarket(
        {
            symbol: quote.last
            for symbol, key in spots.items()
            if (quote := found.get(key)) and quote.last and at - quote.time < timedelta(seconds=oldest)
        },
        list(map(parse_key, quoted_at(contracts, at, oldest).order_by("key").values_list("key", flat=True))),
    )
