"""What the service knows: underlyings, expiries, instruments, and the Greeks of one stored option."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

from ..core.effects import Emit, Flow, Stream
from ..core.service import Service

ROOT = "/api/v2/signals"
_KEY_CHARACTERS = "@&/"


def underlyings(service: Service, *, exchange: str | None = None) -> Stream[dict[str, Any]]:
    """Iterate over the underlyings in the order of their keys. Pages are read as the iterator goes on."""
    return _rows(service, "underlyings", {"exchange": exchange})


def expiries(service: Service, underlying: str) -> Flow[list[dict[str, Any]]]:
    """Return the expiries of an underlying, the earliest first, with the number and range of their strikes."""
    found: list[dict[str, Any]] = (yield from _get(service, f"underlyings/{_escaped(underlying)}/expiries", {}))["data"]
    return found


def instruments(
    service: Service,
    *,
    underlying: str | None = None,
    exchange: str | None = None,
    product: str | None = None,
    expiry_min: str | date | None = None,
    expiry_max: str | date | None = None,
    strike_min: float | None = None,
    strike_max: float | None = None,
    right: str | None = None,
    live: bool | None = None,
) -> Stream[dict[str, Any]]:
    """Iterate over the instruments that pass all filters, by underlying, expiry and strike, a call before its put.

    `live`: only instruments with a live state, or only those without.
    """
    query = {
        "underlying": underlying,
        "exchange": exchange,
        "product": product,
        "expiry_min": expiry_min and str(expiry_min),
        "expiry_max": expiry_max and str(expiry_max),
        "strike_min": strike_min,
        "strike_max": strike_max,
        "right": right,
        "live": None if live is None else str(live).lower(),
    }
    return _rows(service, "instruments", query)


def instrument(service: Service, instrument_key: str) -> Flow[dict[str, Any]]:
    """Return one instrument with its newest stored quote. ApiError 404: it is not known."""
    return _get(service, f"instruments/{_escaped(instrument_key)}", {})


def instrument_greeks(
    service: Service,
    instrument_key: str,
    *,
    as_of: str | date | datetime | None = None,
    params: Mapping[str, Any] | None = None,
) -> Flow[dict[str, Any]]:
    """Return the Greeks of one option, computed from stored quotes as of `as_of`, by default its newest quote's time.

    `params` are those of the computation `greeks`, such as `{"rate": 0.07}`.
    """
    at = as_of.isoformat() if isinstance(as_of, date) else as_of  # a datetime is a date too
    texts = {name: "null" if value is None else value for name, value in (params or {}).items()}
    return _get(service, f"instruments/{_escaped(instrument_key)}/greeks", {"as_of": at, **texts})


def _rows(service: Service, path: str, query: dict[str, Any]) -> Stream[dict[str, Any]]:
    cursor: str | None = None
    while True:
        page = yield from _get(service, path, {**query, "cursor": cursor})
        for row in page["data"]:
            yield Emit(row)
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _get(service: Service, path: str, query: dict[str, Any]) -> Flow[dict[str, Any]]:
    given = {name: value for name, value in query.items() if value is not None}
    reply = yield from service.call("GET", f"{ROOT}/{path}", query=given)
    found: dict[str, Any] = reply.json()
    return found


def _escaped(key: str) -> str:
    return quote(key, safe=_KEY_CHARACTERS)
