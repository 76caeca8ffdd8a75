"""The grammar of instrument keys.

    key        = pair | listed
    pair       = BASE "/" QUOTE                                   a crypto pair on no particular exchange
    listed     = EXCHANGE "@" SYMBOL [ "@" contract ]             without contract: the underlying itself
    contract   = asset "_spot"
               | asset "_futures" "@" EXPIRY
               | asset "_options" "@" EXPIRY "@" ( "call" | "put" ) "@" STRIKE
    asset      = "equity" | "crypto"                              indices count as equity: NSE@NIFTY@equity_spot
    EXPIRY     = YYYY-MM-DD, the expiry date in the exchange's time zone, from 1970 to 2199
    STRIKE     = a positive decimal without exponent, sign or superfluous zeros: 23500, 102.5; at most 12 digits before
                 the point and 6 after it, which the tables hold

No part of a key can hold a quotation mark, a backslash, a colon or a control character.

`parse_key` and `str()` are inverses, so one instrument has one key. A person may leave out the exchange: `complete_key`
puts it before a bare symbol, such as NIFTY or NIFTY@equity_spot.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from signalsite.foundation.errors import InvalidInput

MAX_KEY_LENGTH = 120
_NAME = re.compile(r"[A-Z0-9][A-Z0-9&._/-]*")
_EXCHANGE = re.compile(r"[A-Z][A-Z0-9]*")
_COIN = re.compile(r"[A-Z0-9]+")
_STRIKE = re.compile(r"(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{0,5}[1-9])?")
_YEARS = range(1970, 2200)


class InvalidInstrumentKey(InvalidInput):
    """The key does not follow the grammar. `part` names the piece that is wrong."""

    def __init__(self, key: str, part: str, message: str) -> None:
        super().__init__("instrument_key", f"{message} (in {key[:MAX_KEY_LENGTH]!r})")
        self.key = key
        self.part = part


class Product(StrEnum):
    UNDERLYING = ""
    EQUITY_SPOT = "equity_spot"
    EQUITY_FUTURES = "equity_futures"
    EQUITY_OPTIONS = "equity_options"
    CRYPTO_SPOT = "crypto_spot"
    CRYPTO_FUTURES = "crypto_futures"
    CRYPTO_OPTIONS = "crypto_options"

    @property
    def is_option(self) -> bool:
        return self.value.endswith("_options")

    @property
    def is_future(self) -> bool:
        return self.value.endswith("_futures")


class Right(StrEnum):
    NONE = ""
    CALL = "call"
    PUT = "put"


_LISTED = {product.value: product for product in Product if product}
_PARTS = {"spot": 3, "futures": 4, "options": 6}


@dataclass(frozen=True, slots=True)
class InstrumentKey:
    exchange: str
    symbol: str
    product: Product = Product.UNDERLYING
    expiry: date | None = None
    right: Right = Right.NONE
    strike: Decimal | None = None

    def __str__(self) -> str:
        if not self.exchange:
            return self.symbol
        parts = [self.exchange, self.symbol]
        if self.product:
            parts.append(self.product.value)
        if self.expiry:
            parts.append(self.expiry.isoformat())
        if self.strike is not None:
            parts += [self.right.value, format_strike(self.strike)]
        return "@".join(parts)

    @property
    def underlying(self) -> str:
        """The key of the underlying: NSE@NIFTY for everything on NIFTY, the pair itself for a pair."""
        return f"{self.exchange}@{self.symbol}" if self.exchange else self.symbol

    @property
    def spot(self) -> str:
        """The key of the underlying's spot price."""
        asset = "crypto" if self.product.value.startswith("crypto") else "equity"
        return f"{self.underlying}@{asset}_spot" if self.exchange else self.symbol


def format_strike(strike: Decimal) -> str:
    text = f"{strike:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=4096)
def _parse_date(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.isoformat() == text and found.year in _YEARS else None


def is_exchange(text: str) -> bool:
    return _EXCHANGE.fullmatch(text) is not None


def is_symbol(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def is_expiry(text: str) -> bool:
    return _parse_date(text) is not None


def is_strike(text: str) -> bool:
    return text != "0" and _STRIKE.fullmatch(text) is not None


def parse_key(key: str) -> InstrumentKey:
    """Read a key. Raises InvalidInstrumentKey, which names the wrong part and says what would be right."""
    if len(key) > MAX_KEY_LENGTH:
        raise InvalidInstrumentKey(key, "key", f"a key has at most {MAX_KEY_LENGTH} characters")
    parts = key.split("@")
    if len(parts) == 1:
        return _parse_pair(key)
    exchange, symbol = parts[0], parts[1]
    if not is_exchange(exchange):
        raise InvalidInstrumentKey(key, "exchange", f"exchange {exchange!r} is not capital letters and digits")
    if not is_symbol(symbol):
        raise InvalidInstrumentKey(
            key, "symbol", f"symbol {symbol!r} is not capital letters, digits or one of & . _ / -"
        )
    if len(parts) == 2:
        return InstrumentKey(exchange, symbol)
    product = _LISTED.get(parts[2])
    if product is None:
        raise InvalidInstrumentKey(key, "product", f"product {parts[2]!r} is none of {', '.join(_LISTED)}")
    wanted = _PARTS[product.value.split("_")[1]]
    if len(parts) != wanted:
        raise InvalidInstrumentKey(
            key, "product", f"{product.value} takes {wanted} parts joined by @, not {len(parts)}"
        )
    if wanted == 3:
        return InstrumentKey(exchange, symbol, product)
    expiry = _parse_date(parts[3])
    if expiry is None:
        raise InvalidInstrumentKey(key, "expiry", f"expiry {parts[3]!r} is not a date from 1970 to 2199 as YYYY-MM-DD")
    if wanted == 4:
        return InstrumentKey(exchange, symbol, product, expiry)
    if parts[4] not in ("call", "put"):
        raise InvalidInstrumentKey(key, "right", f"right {parts[4]!r} is neither call nor put")
    if not is_strike(parts[5]):
        raise InvalidInstrumentKey(
            key,
            "strike",
            f"strike {parts[5]!r} is not a positive decimal without superfluous zeros, of at most 12 digits and 6"
            " decimals, such as 23500 or 102.5",
        )
    return InstrumentKey(exchange, symbol, product, expiry, Right(parts[4]), Decimal(parts[5]))


def complete_key(key: str, exchange: str) -> str:
    """Return the key with `exchange` before a bare symbol; any other text as it is."""
    symbol, at, rest = key.partition("@")
    if at and not rest[:1].islower():  # nearly every key: a symbol follows its exchange
        return key
    if (at and rest.partition("@")[0] not in _LISTED) or "/" in symbol or not _NAME.fullmatch(symbol):
        return key
    return f"{exchange}@{key}"


def _parse_pair(key: str) -> InstrumentKey:
    base, slash, quote = key.partition("/")
    if not slash:
        raise InvalidInstrumentKey(
            key, "key", "a key is EXCHANGE@SYMBOL..., such as NSE@NIFTY@equity_spot, or a pair such as BTC/USDT"
        )
    for part, text in (("base", base), ("quote", quote)):
        if not _COIN.fullmatch(text):
            raise InvalidInstrumentKey(key, part, f"{part} {text!r} of the pair is not capital letters and digits")
    return InstrumentKey("", key, Product.CRYPTO_SPOT)


def why_unknown(text: str) -> str:
    """Return the sentence for a key that matches no instrument."""
    try:
        parse_key(text)
    except InvalidInstrumentKey as error:
        return str(error)
    return f"no instrument {text} is known"
