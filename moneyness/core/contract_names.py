"""The instrument keys of a chain's options, from their terms."""

from datetime import date
from decimal import Decimal

from moneyness.core.priced import PricedChains, Rows
from timeframes.core.exchanges import EXCHANGES
from timeframes.core.keys import format_strike


def option_name(underlying: str, expiry: date, sign: float, strike: float) -> str:
    """Return the key of an option: NSE@NIFTY@equity_options@2026-12-29@call@26000."""
    exchange = EXCHANGES.get(underlying.partition("@")[0])
    asset = exchange.asset if exchange else "equity"
    right = "call" if sign > 0 else "put"
    return f"{underlying}@{asset}_options@{expiry.isoformat()}@{right}@{format_strike(Decimal(str(strike)))}"


def option_names(chains: PricedChains, places: Rows) -> list[str | None]:
    """Return the keys of the options at these places, None for -1."""
    options, expiries, keys = chains.options, chains.expiries, chains.underlyings.key
    found: list[str | None] = []
    for place in places.tolist():
        if place < 0:
            found.append(None)
            continue
        group = int(options.group[place])
        key, day = keys[int(expiries.underlying[group])], date.fromordinal(int(expiries.expiry[group]))
        found.append(option_name(key, day, float(options.sign[place]), float(options.strike[place])))
    return found
