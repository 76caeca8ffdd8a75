"""Stores a simulated market."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from signals.instruments.services import register_instruments
from signals.simulator.core.simulated_market import TICK, SimulatedMarket
from timeframes.core.sessions import local_date
from timeframes.quotes.services import record_quotes


def store_market(market: SimulatedMarket) -> int:
    """Register the instruments and record their quotes in one transaction. Return the number of quotes."""
    at = market.quotes.time
    as_of = local_date("SIM", at) if isinstance(at, datetime) else [local_date("SIM", each) for each in at]
    lots = [lot or None for lot in market.lot_sizes]
    with transaction.atomic():
        register_instruments(
            dict(zip(market.quotes.instrument_key, market.instruments, strict=True)),
            lot_sizes=lots,
            tick_size=Decimal(str(TICK)),
            as_of=as_of,
        )
        return record_quotes(market.quotes) + record_quotes(market.path)
