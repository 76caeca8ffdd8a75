"""Facts about underlyings that follow from their names."""

from timeframes.core.exchanges import EXCHANGES
from timeframes.core.keys import InstrumentKey, Product

NSE_INDICES = frozenset({"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50"})


def volatility_index_key(exchange: str, symbol: str) -> str:
    """Return the key of the volatility index that stands in for an underlying's volatility; empty if it has none.

    India VIX is computed from NIFTY options. NSE publishes no other such index, so it serves NSE's other indices too.
    The simulated market has one India VIX for all underlyings.
    """
    if exchange == "SIM" or (exchange == "NSE" and symbol in NSE_INDICES):
        return str(InstrumentKey(exchange, "INDIAVIX", Product.EQUITY_SPOT))
    return ""


EUROPEAN_US_INDICES = frozenset(
    {"SPX", "SPXW", "XSP", "NDX", "NDXP", "XND", "RUT", "RUTW", "MRUT", "MXEA", "MXEF", "MXACW", "VIX", "VIXW", "DJX"}
    | {"XEO", "CBTX", "MBTX", "SPEQX"}
)
"""Cash-settled US indices whose options are exercised at expiry only. OEX is not among them: its are American."""
_US_EXCHANGES = frozenset({"CBOE", "NYSE", "NASDAQ", "OPRA"})


def american_by_default(exchange: str, symbol: str) -> bool:
    """Return whether an underlying's listed options are American: in the US all but those of most indices.

    Source: Options Clearing Corporation, "Characteristics and Risks of Standardized Options", chapters II and IV;
    Cboe's contract specifications. Elsewhere (NSE since 2011, BSE, Deribit) listed options are European.
    """
    return exchange in _US_EXCHANGES and symbol not in EUROPEAN_US_INDICES


def currency_of(underlying: str) -> str:
    """Return the currency of an underlying's prices, by its key; empty where the exchange is not known.

    A pair has that of its second symbol (BINANCE@BTC/USDT: USDT), anything else that of its exchange. Deribit's
    indices are in US dollars.
    """
    exchange, _, symbol = underlying.rpartition("@")
    if "/" in symbol:
        return symbol.rsplit("/", 1)[1]
    return EXCHANGES[exchange].currency if exchange in EXCHANGES else ""
