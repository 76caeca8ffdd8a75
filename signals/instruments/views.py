"""The listing over HTTP: underlyings, their expiries, and instruments."""

import logging
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from signals.instruments import examples
from signals.instruments.listing import (
    FILTERS,
    Listed,
    LiveAmong,
    Page,
    find_listed,
    list_expiries,
    list_instruments,
    list_underlyings,
)
from signals.instruments.models import Underlying
from signals.instruments.selectors import UnknownUnderlying, find_underlying
from signals.instruments.serializers import (
    ExpiriesSerializer,
    InstrumentDetailSerializer,
    InstrumentPageSerializer,
    InstrumentsQuerySerializer,
    NoQuerySerializer,
    QuoteSerializer,
    UnderlyingPageSerializer,
    UnderlyingSerializer,
    UnderlyingsQuerySerializer,
)
from signalsite.foundation.conditional import conditional, page
from signalsite.foundation.errors import InvalidInput, RedisConnectionError
from signalsite.foundation.serializers import read_query
from timeframes.core.keys import parse_key
from timeframes.core.sessions import local_date
from timeframes.default_exchange import completed
from timeframes.quotes.selectors import newest_quote

logger = logging.getLogger(__name__)
TAGS = ["listing"]


def nobody_knows(keys: Sequence[str]) -> Sequence[bool | None]:
    """The LiveAmong of a service without live data."""
    return [None] * len(keys)


def checked_key(text: str, field: str) -> str:
    """Return an instrument key that follows the grammar, with its exchange.

    Raises InvalidInput under the caller's name for it.
    """
    try:
        return str(parse_key(completed(text)))
    except InvalidInput as error:
        raise InvalidInput(field, str(error)) from error


class UnderlyingsView(APIView):
    @extend_schema(
        tags=TAGS,
        parameters=[UnderlyingsQuerySerializer],
        responses=UnderlyingPageSerializer,
        examples=[examples.UNDERLYINGS],
        operation_id="v2_signals_underlyings_list",
        summary="Underlyings, in the order of their keys",
    )
    def get(self, request: Request) -> HttpResponse:
        query = read_query(UnderlyingsQuerySerializer, request)
        after = query.get("cursor") or ""
        if after and not Underlying.objects.filter(key=after).exists():
            checked_key(after, "cursor")
        rows, following = list_underlyings(exchange=query.get("exchange"), after=after, limit=query["limit"])
        return page(request, {}, following, UnderlyingSerializer(rows, many=True).data)


class ExpiriesView(APIView):
    @extend_schema(
        tags=TAGS,
        responses=ExpiriesSerializer,
        examples=[examples.EXPIRIES],
        operation_id="v2_signals_underlyings_expiries",
        summary="Expiries of one underlying, the earliest first",
    )
    def get(self, request: Request, underlying: str) -> HttpResponse:
        read_query(NoQuerySerializer, request)
        found = _underlying(underlying, "underlying")
        today = _today(found.exchange, timezone.now())
        rows = [
            {
                "expiry": row.expiry,
                "expires_at": row.expires_at,
                "days_to_expiry": _days(today, row.expiry),
                "options": row.options,
                "futures": row.futures,
                "strikes": row.strikes,
                "lowest_strike": _number(row.lowest_strike),
                "highest_strike": _number(row.highest_strike),
            }
            for row in list_expiries(found.key)
        ]
        return conditional(request, {"underlying": found.key, "data": rows})


class InstrumentsView(APIView):
    live_among: LiveAmong = staticmethod(nobody_knows)

    @extend_schema(
        tags=TAGS,
        parameters=[InstrumentsQuerySerializer],
        responses=InstrumentPageSerializer,
        examples=[examples.INSTRUMENTS],
        operation_id="v2_signals_instruments_list",
        summary="Instruments, by underlying, expiry, strike and right",
    )
    def get(self, request: Request) -> HttpResponse:
        query = read_query(InstrumentsQuerySerializer, request)
        if "underlying" in query:
            query["underlying"] = _known_underlying(query["underlying"])
        live = query.get("live")
        found = list_instruments(
            {name: query[name] for name in FILTERS if name in query},
            after=query.get("cursor"),
            limit=query["limit"],
            live=live,
            live_among=self.live_among if live is not None else _or_nobody(self.live_among),
        )
        return page(request, {}, found.next_cursor, _instruments(found, timezone.now()))


class InstrumentView(APIView):
    live_among: LiveAmong = staticmethod(nobody_knows)

    @extend_schema(
        tags=TAGS,
        responses=InstrumentDetailSerializer,
        examples=[examples.INSTRUMENT],
        operation_id="v2_signals_instruments_retrieve",
        summary="One instrument with its newest stored quote",
    )
    def get(self, request: Request, instrument_key: str) -> HttpResponse:
        read_query(NoQuerySerializer, request)
        key = checked_key(instrument_key, "instrument_key")
        row = find_listed(key)
        if row is None:
            raise NotFound(f"no instrument {key} is known")
        live = list(_or_nobody(self.live_among)([row.key]))
        quote = newest_quote(row.key)
        (body,) = _instruments(Page([row], live, None), timezone.now())
        return conditional(
            request,
            {
                **body,
                "quote": None
                if quote is None
                else {name: getattr(quote, name) for name in QuoteSerializer.Meta.fields},
            },
        )


def _underlying(name: str, field: str) -> Underlying:
    """Raises NotFound for an underlying that is not listed, InvalidInput for what cannot be one."""
    checked_key(name, field)
    try:
        return find_underlying(name, field)
    except UnknownUnderlying as error:
        raise NotFound(str(error)) from error


def _known_underlying(name: str) -> str:
    """Return the key of an underlying that a filter names."""
    checked_key(name, "underlying")
    return find_underlying(name, "underlying").key


def _or_nobody(live_among: LiveAmong) -> LiveAmong:
    """A listing that does not filter by `live` is answered without Redis too."""

    def ask(keys: Sequence[str]) -> Sequence[bool | None]:
        try:
            return live_among(keys)
        except RedisConnectionError as error:
            logger.warning("the listing cannot say what is live: %s", error)
            return nobody_knows(keys)

    return ask


def _instruments(page: Page, now: datetime) -> list[dict[str, Any]]:
    today = {exchange: _today(exchange, now) for exchange in {row.exchange for row in page.rows}}
    return [_instrument(row, today[row.exchange], live) for row, live in zip(page.rows, page.live, strict=True)]


def _today(exchange: str, now: datetime) -> date | None:
    """Return None for an exchange that is not known: one odd row must not fail the page of its neighbours."""
    try:
        return local_date(exchange, now)
    except InvalidInput:
        return None


def _days(today: date | None, expiry: date | None) -> int | None:
    return None if today is None or expiry is None else (expiry - today).days


def _instrument(row: Listed, today: date | None, live: bool | None) -> dict[str, Any]:
    return {
        "instrument_key": row.key,
        "underlying": row.underlying,
        "exchange": row.exchange,
        "product": row.product,
        "expiry": row.expiry,
        "expires_at": row.expires_at,
        "days_to_expiry": _days(today, row.expiry),
        "right": row.right or None,
        "strike": _number(row.strike),
        "lot_size": row.lot_size,
        "tick_size": _number(row.tick_size),
        "live": live,
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
