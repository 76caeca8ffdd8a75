"""An option named by its terms instead of its key: underlying, expiry, strike, option_type and perhaps the exchange.

`option_key` turns the terms into the key of `timeframes.core.keys`, so that everything else sees keys only.
`future_key` and `spot_key` do the same for a future and a spot.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn

from signalsite.foundation.computations.option_fields import REQUIRED, STRIKES_BELOW
from signalsite.foundation.errors import InvalidInput
from timeframes.core import keys
from timeframes.core.exchanges import EXCHANGES

_SHOWN = 40  # characters of a wrong value in a message
_UNDERLYING = "a symbol or an underlying's key, such as NIFTY or NSE@NIFTY"
_EXCHANGE = "capital letters and digits, such as NSE"


def option_key(terms: Mapping[str, Any], default_exchange: str) -> str:
    """Return the key of the option that these terms name. Raises InvalidInput, which names the wrong term.

    `underlying` is a symbol (NIFTY) or an underlying's key (NSE@NIFTY). `exchange` may say the exchange of a symbol,
    which otherwise is `default_exchange`. `expiry` is a date as YYYY-MM-DD, `strike` a number with at most 6 decimals,
    `option_type` call or put. A term that is None counts as missing. Other fields of the mapping do not matter.
    """
    for name in REQUIRED:
        if terms.get(name) is None:
            raise InvalidInput(name, f"{name} is missing: an option is named by {', '.join(REQUIRED)}")
    beginning, expiry = _underlying(terms, default_exchange, "options"), _expiry(terms["expiry"])
    if terms["option_type"] not in ("call", "put"):
        _refuse("option_type", "call or put", terms["option_type"])
    return _short_enough(f"{beginning}@{expiry}@{terms['option_type']}@{_strike(terms['strike'])}")


def future_key(terms: Mapping[str, Any], default_exchange: str) -> str:
    """Return the key of the future with this `underlying`, `expiry` and perhaps `exchange`, read as `option_key` does.

    Raises InvalidInput, which names the wrong term.
    """
    return _short_enough(f"{_underlying(terms, default_exchange, 'futures')}@{_expiry(terms.get('expiry'))}")


def spot_key(terms: Mapping[str, Any], default_exchange: str) -> str:
    """Return the key of the spot of this `underlying` and perhaps `exchange`, read as `option_key` does.

    Raises InvalidInput, which names the wrong term.
    """
    return _short_enough(_underlying(terms, default_exchange, "spot"))


def _short_enough(key: str) -> str:
    if len(key) > keys.MAX_KEY_LENGTH:
        raise InvalidInput("underlying", f"underlying is too long: a key has at most {keys.MAX_KEY_LENGTH} characters")
    return key


def _underlying(terms: Mapping[str, Any], default_exchange: str, kind: str) -> str:
    # Lengths come first: what passes is kept in caches.
    underlying, exchange = terms.get("underlying"), terms.get("exchange")
    if not isinstance(underlying, str) or len(underlying) > keys.MAX_KEY_LENGTH:
        _refuse("underlying", _UNDERLYING, underlying)
    if exchange is not None and (not isinstance(exchange, str) or len(exchange) > keys.MAX_KEY_LENGTH):
        _refuse("exchange", _EXCHANGE, exchange)
    return _beginning(underlying, exchange, default_exchange, kind)


def _expiry(value: Any) -> str:
    if not isinstance(value, str) or len(value) != len("YYYY-MM-DD") or not keys.is_expiry(value):
        _refuse("expiry", "a date from 1970 to 2199 as YYYY-MM-DD", value)
    return value


@lru_cache(maxsize=4096)
def _beginning(underlying: str, exchange: str | None, default_exchange: str, kind: str) -> str:
    own, at, symbol = underlying.partition("@")
    if not at:
        own, symbol = default_exchange if exchange is None else exchange, underlying
    elif exchange is not None and exchange != own:
        _refuse("exchange", f"that of the underlying, {own[:_SHOWN]!r}", exchange)
    if not keys.is_exchange(own):
        if at:
            _refuse("underlying", _UNDERLYING, underlying)
        _refuse("exchange", _EXCHANGE, own)
    if not keys.is_symbol(symbol):
        _refuse("underlying", _UNDERLYING, underlying)
    asset = EXCHANGES[own].asset if own in EXCHANGES else "equity"
    return f"{own}@{symbol}@{asset}_{kind}"


def _strike(value: Any) -> str:
    if type(value) in (int, float) and 0 < value < STRIKES_BELOW and (text := _strike_text(value)):
        return text
    return _refuse("strike", "a number over 0 and below 10^12, with at most 6 decimals", value)


@lru_cache(maxsize=16_384)
def _strike_text(value: float) -> str:
    """Return the strike as keys have it; empty if it has too many decimals."""
    text = keys.format_strike(Decimal(repr(value)))
    return text if keys.is_strike(text) else ""


def _refuse(name: str, wanted: str, value: Any) -> NoReturn:
    # A number may have thousands of digits, which Python refuses to write; a list may be a megabyte.
    shown = repr(value[:_SHOWN]) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else ""
    raise InvalidInput(name, f"{name} must be {wanted}{shown and f', not {shown}'}")
