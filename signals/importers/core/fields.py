"""The fields of quotes and bars that a column of a file may be, with what each is."""

from types import MappingProxyType

CONTRACT_FIELDS = MappingProxyType(
    {
        "key": "a whole instrument key",
        "contract": "the exchange's name of the contract, read by `contract_names`",
        "exchange": "such as NSE",
        "symbol": "such as NIFTY",
        "expiry": "expiry date at the exchange",
        "strike": "strike price",
        "right": "call or put: also c, p, CE, PE",
    }
)
TIME_FIELDS = MappingProxyType(
    {"time": "moment of the quote, or its time of day beside `date`", "date": "date of the quote, beside `time`"}
)
PRICE_FIELDS = MappingProxyType(
    {
        "bid": "best bid",
        "ask": "best ask",
        "last": "last trade",
        "settle": "the exchange's settlement price",
        "close": "the session's closing price",
        "mark_price": "the vendor's own valuation",
    }
)
COUNT_FIELDS = MappingProxyType(
    {
        "volume": "traded in the session",
        "bar_volume": "traded in the bar: says whether its close is a trade, and is not stored",
        "open_interest": "open interest",
        "contracts_traded": "traded contracts: with the volume in units they give the lot",
        "lot_size": "units in a contract",
    }
)
UNDERLYING_FIELDS = MappingProxyType(
    {"spot_price": "price of the underlying", "forward_price": "forward or future of the option's expiry"}
)
VENDOR_FIELDS = MappingProxyType(
    {
        "implied_volatility": "the vendor's implied volatility",
        "delta": "the vendor's delta",
        "gamma": "the vendor's gamma",
        "theta": "the vendor's theta",
        "vega": "the vendor's vega",
        "rho": "the vendor's rho",
    }
)
BAR_FIELDS = MappingProxyType(
    {
        "open": "first price of the bar",
        "high": "highest price of the bar",
        "low": "lowest price of the bar",
        "vwap": "volume-weighted average price of the bar",
        "turnover": "price times volume, summed over the bar's trades",
        "trades": "number of trades in the bar",
    }
)
"""Of `bar_table`, besides `close`, `volume` and `open_interest`."""
FIELDS = MappingProxyType(
    {
        **CONTRACT_FIELDS,
        **TIME_FIELDS,
        **PRICE_FIELDS,
        **COUNT_FIELDS,
        **UNDERLYING_FIELDS,
        **VENDOR_FIELDS,
        **BAR_FIELDS,
    }
)
NUMBER_FIELDS = (*PRICE_FIELDS, *COUNT_FIELDS, *UNDERLYING_FIELDS, *VENDOR_FIELDS)
