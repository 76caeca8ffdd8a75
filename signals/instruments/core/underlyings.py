"""What is known of underlyings by their names."""

from timeframes.core.keys import InstrumentKey, Product

NSE_INDICES = frozenset({"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50"})


def volatility_index_key(exchange: str, symbol: str) -> str:
    """The key of the volatility index that stands in for an underlying's volatility; empty where there is none.

    India VIX is made of NIFTY options; it is the only such index that NSE publishes, and so serves its other indices.
    The simulated market has one India VIX for all.
    """
    if exchange == "SIM" or (exchange == "NSE" and symbol in NSE_INDICES):
        return str(InstrumentKey(exchange, "INDIAVIX", Product.EQUITY_SPOT))
    return ""
