"""The terms of an option that follow from its key alone."""

from dataclasses import dataclass
from datetime import date

from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import EXCHANGES
from timeframes.core.keys import InstrumentKey, Product, Right, parse_key
from timeframes.core.sessions import expiry_moment


@dataclass(frozen=True, slots=True)
class OptionTerms:
    underlying: str
    expiry: date
    product: str
    sign: float  # +1 call, -1 put
    strike: float
    expires_at: float  # seconds since 1970, NaN if the exchange has no calendar here


def option_of(text: str) -> InstrumentKey | None:
    """Return the key of an option, None if the text is anything else."""
    try:
        key = parse_key(text)
    except InvalidInput:
        return None
    return key if key.product.is_option else None


def option_terms(text: str) -> OptionTerms | None:
    """Return the terms of the option with this key, None for what is no option's key."""
    key = option_of(text)
    if key is None or key.expiry is None or key.strike is None:
        return None
    sign = 1.0 if key.right is Right.CALL else -1.0
    ends = options_end(key.underlying, key.expiry)
    return OptionTerms(key.underlying, key.expiry, str(key.product), sign, float(key.strike), ends)


def options_end(underlying: str, expiry: date) -> float:
    """Return the moment in seconds since 1970 at which the underlying's options of this expiry end.

    NaN if the exchange has no calendar here.
    """
    exchange, _, symbol = underlying.rpartition("@")
    if exchange not in EXCHANGES:
        return float("nan")
    # Equity and crypto options do not differ in this.
    return expiry_moment(InstrumentKey(exchange, symbol, Product.EQUITY_OPTIONS, expiry)).timestamp()
