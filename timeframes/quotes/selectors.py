"""Reads of what happened and when."""

from collections.abc import Iterable
from datetime import datetime

from timeframes.quotes.models import Quote


def newest_quotes(keys: Iterable[str], as_of: datetime) -> list[Quote]:
    """The newest quote of each instrument up to `as_of`, of those that have one. A few keys: a query each."""
    quotes = (Quote.objects.filter(instrument_key=key, time__lte=as_of).order_by("-time").first() for key in keys)
    return [quote for quote in quotes if quote is not None]
