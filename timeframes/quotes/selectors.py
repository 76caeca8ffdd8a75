"""Reads quotes."""

from collections.abc import Iterable
from datetime import datetime

from timeframes.quotes.models import Quote


def newest_quotes(keys: Iterable[str], as_of: datetime) -> list[Quote]:
    """Return the newest quote up to `as_of` of each instrument that has one. Runs a query for each key: pass few."""
    quotes = (Quote.objects.filter(instrument_key=key, time__lte=as_of).order_by("-time").first() for key in keys)
    return [quote for quote in quotes if quote is not None]


def newest_quote(key: str) -> Quote | None:
    """Return the newest stored quote of one instrument, None where none is stored."""
    return Quote.objects.filter(instrument_key=key).order_by("-time").first()
