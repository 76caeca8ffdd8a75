"""The live reads: each checks a request and builds the body of the response.

They are generators (`realtime.snapshot.selectors`), so that threads (the views) and the event loop (`signalsite.front`)
run the same code.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

import orjson
from rest_framework.exceptions import NotFound

from realtime.snapshot.core.chain_request import parse_strikes
from realtime.snapshot.newest import TooLarge
from realtime.snapshot.selectors import Reading, live_chain, live_values
from realtime.snapshot.serializers import MAX_KEYS, ChainQuerySerializer, GreeksQuerySerializer
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import Product, parse_key
from timeframes.default_exchange import completed

HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}

# Each raises InvalidInput, ValidationError or NotFound. `parameters`: the query parameters, each with its last value.


def one(instrument_key: str, parameters: Mapping[str, str]) -> Reading[bytes]:
    key = _checked(instrument_key, "instrument_key").text
    (value,) = yield from live_values([key], datetime.now(UTC))
    if value is None:
        raise NotFound(f"no live value of {key}")
    return value.body


def listed(nothing: str, parameters: Mapping[str, str]) -> Reading[bytes]:
    query = GreeksQuerySerializer(data=parameters)
    query.is_valid(raise_exception=True)
    return (yield from many([key for key in query.validated_data["keys"].split(",") if key], "keys"))


def many(keys: list[str], field: str) -> Reading[bytes]:
    """Return one object for each key, in order: its state, or an object with `instrument_key` and `status`, which is
    `not_found` or `unreadable`."""
    if not 1 <= len(keys) <= MAX_KEYS:
        raise InvalidInput(field, f"1 to {MAX_KEYS} keys at once, not {len(keys)}")
    keys = [_checked(key, f"{field}[{place}]").text for place, key in enumerate(keys)]
    values = yield from live_values(keys, datetime.now(UTC))
    bodies = [
        orjson.dumps({"instrument_key": key, "status": "not_found"}) if value is None else value.body
        for key, value in zip(keys, values, strict=True)
    ]
    return b'{"data":[' + b",".join(bodies) + b"]}"


def chain(underlying: str, parameters: Mapping[str, str]) -> Reading[bytes]:
    if "as_of" in parameters:  # PostgreSQL is asked on a thread
        raise TooLarge("a chain of the past")
    expiry, strikes, _ = chain_query(parameters)
    underlying = underlying_key(underlying)
    body = yield from live_chain(underlying, expiry, parse_strikes(strikes), datetime.now(UTC))
    if body is None:
        raise NotFound(f"no live options of {underlying}{f' that expire on {expiry}' if expiry else ''}")
    return body


def underlying_key(text: str) -> str:
    """Return the key of an underlying, which may leave out its exchange. Raises InvalidInput."""
    underlying, product = _checked(text, "underlying")
    if product not in (Product.UNDERLYING, Product.CRYPTO_SPOT):
        raise InvalidInput("underlying", f"{underlying} is no underlying, such as NSE@NIFTY")
    return underlying


def chain_query(parameters: Mapping[str, str]) -> tuple[date | None, str, str]:
    """Return the expiry, the strikes and `as_of`, empty for none, of a query. Raises ValidationError."""
    return _chain_query(tuple(parameters.items()))


@lru_cache(maxsize=256)
def _chain_query(parameters: tuple[tuple[str, str], ...]) -> tuple[date | None, str, str]:
    """Parse and cache a query: the serializer takes as long as the rest of the response, and most queries are equal."""
    query = ChainQuerySerializer(data=dict(parameters))
    query.is_valid(raise_exception=True)
    found = query.validated_data
    return found.get("expiry"), found["strikes"], found.get("as_of", "")


class _Key(NamedTuple):
    text: str  # with its exchange
    product: Product


def _checked(text: str, field: str) -> _Key:
    """Parse a key, which may leave out the exchange. Raises InvalidInput with the field's name in the request."""
    try:
        return _known(text)
    except InvalidInput as error:
        raise InvalidInput(field, str(error)) from error


@lru_cache(maxsize=8192)
def _known(text: str) -> _Key:
    key = parse_key(completed(text))
    exchange_named(key.exchange)
    return _Key(str(key), key.product)
