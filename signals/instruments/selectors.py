"""Reads contracts."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db.models import Exists, Max, OuterRef, Q, QuerySet, Subquery

from signals.instruments.models import Instrument, Underlying
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.rows import binary_columns
from timeframes.quotes.models import Quote


class UnknownUnderlying(InvalidInput):
    """No underlying has this key or symbol."""


def find_underlying(name: str, field: str) -> Underlying:
    """Find by key (NSE@NIFTY) or by bare symbol, which DEFAULT_EXCHANGE decides where several exchanges list it.

    Raises UnknownUnderlying, and InvalidInput for a symbol that stays ambiguous.
    """
    if "@" in name or "/" in name:
        found = list(Underlying.objects.filter(key=name))
    else:
        found = list(Underlying.objects.filter(symbol=name))
        if len(found) > 1:
            found = [each for each in found if each.exchange == settings.DEFAULT_EXCHANGE] or found
    if not found:
        raise UnknownUnderlying(
            field, f"no underlying {name!r} is known; write its key, such as NSE@NIFTY, or its symbol"
        )
    if len(found) > 1:
        raise InvalidInput(field, f"{name!r} is ambiguous: write one of {', '.join(each.key for each in found)}")
    return found[0]


def select_options(
    *,
    underlying: str | None,
    exchange: str | None,
    expiries: Sequence[date] = (),
    lowest_strike: float | None = None,
    highest_strike: float | None = None,
) -> QuerySet[Instrument]:
    """Select the options of one underlying (by its key) or of a whole exchange, in the order of a chain."""
    found = Instrument.objects.filter(right__in=("call", "put"))
    found = found.filter(underlying=underlying) if underlying else found.filter(underlying__exchange=exchange)
    if expiries:
        found = found.filter(expiry__in=expiries)
    if lowest_strike is not None:
        found = found.filter(strike__gte=lowest_strike)
    if highest_strike is not None:
        found = found.filter(strike__lte=highest_strike)
    return found.order_by("underlying", "expiry", "strike", "right")


def expiries_of(options: QuerySet[Instrument], among: Sequence[str]) -> set[str]:
    """Return which of these dates (YYYY-MM-DD) some of the options expire on. Runs one query."""
    found = options.order_by().filter(expiry__in=set(among)) if among else options.none()
    return {str(expiry) for expiry in found.values_list("expiry", flat=True).distinct()}


def newest_quote(options: QuerySet[Instrument]) -> datetime | None:
    newest = Quote.objects.filter(instrument_key=OuterRef("key")).order_by("-time").values("time")[:1]
    found: datetime | None = options.order_by().annotate(at=Subquery(newest)).aggregate(newest=Max("at"))["newest"]
    return found


def quoted_at(options: QuerySet[Instrument], as_of: datetime, max_age_seconds: float) -> QuerySet[Instrument]:
    """Select the options with a quote at most so old at `as_of`: the chain as it stood then."""
    window = {"time__lte": as_of, "time__gt": as_of - timedelta(seconds=max_age_seconds)}
    return options.filter(Exists(Quote.objects.filter(instrument_key=OuterRef("key"), **window)))


def chain_columns(options: QuerySet[Instrument]) -> tuple[list[str], list[str], list[date], np.ndarray]:
    """Return key, underlying, expiry and strike (float64) of each option."""
    try:
        query, parameters = options.values("key", "underlying_id", "expiry", "strike").query.sql_with_params()
    except EmptyResultSet:  # Django knows that nothing can match
        return [], [], [], np.empty(0)
    found = binary_columns(query, parameters, {"key": str, "underlying": str, "expiry": date, "strike": float})
    return found["key"], found["underlying"], found["expiry"], found["strike"]


def recent_instruments(underlying: str, as_of: datetime) -> list[str]:
    """Return the keys of the underlying's instruments that have not been expired for more than a day."""
    recent = Q(expires_at=None) | Q(expires_at__gt=as_of - timedelta(days=1))
    return list(Instrument.objects.filter(recent, underlying=underlying).values_list("key", flat=True))


def live_futures(underlying: str, as_of: datetime) -> list[str]:
    """Return the keys of the underlying's futures that have not expired."""
    found = Instrument.objects.filter(underlying=underlying, product__endswith="_futures", expires_at__gt=as_of)
    return list(found.values_list("key", flat=True))
