"""Example answers of the listing, for the API's schema."""

from drf_spectacular.utils import OpenApiExample

_INSTRUMENT = {
    "instrument_key": "NSE@NIFTY@equity_options@2026-12-29@call@26000",
    "underlying": "NSE@NIFTY",
    "exchange": "NSE",
    "product": "equity_options",
    "expiry": "2026-12-29",
    "expires_at": "2026-12-29T10:10:00+00:00",
    "days_to_expiry": 32,
    "right": "call",
    "strike": 26000.0,
    "lot_size": 75,
    "tick_size": 0.05,
    "live": True,
}
UNDERLYINGS = OpenApiExample(
    "One underlying",
    {
        "next_cursor": None,
        "data": [
            {
                "key": "NSE@NIFTY",
                "exchange": "NSE",
                "symbol": "NIFTY",
                "spot_key": "NSE@NIFTY@equity_spot",
                "volatility_index_key": "NSE@INDIAVIX@equity_spot",
                "pricing_model": "bsm",
                "exercise": "european",
                "dividend_yield": 0.012,
            }
        ],
    },
    response_only=True,
)
EXPIRIES = OpenApiExample(
    "One expiry",
    {
        "underlying": "NSE@NIFTY",
        "data": [
            {
                "expiry": "2026-12-29",
                "expires_at": "2026-12-29T10:10:00+00:00",
                "days_to_expiry": 32,
                "options": 280,
                "futures": 1,
                "strikes": 140,
                "lowest_strike": 21000.0,
                "highest_strike": 27950.0,
            }
        ],
    },
    response_only=True,
)
INSTRUMENTS = OpenApiExample(
    "One option", {"next_cursor": _INSTRUMENT["instrument_key"], "data": [_INSTRUMENT]}, response_only=True
)
INSTRUMENT = OpenApiExample(
    "One option",
    {
        **_INSTRUMENT,
        "quote": {
            "time": "2026-11-27T10:10:00+00:00",
            "bid": 412.35,
            "ask": 413.1,
            "last": 412.8,
            "settle": None,
            "close": None,
            "volume": 184500.0,
            "open_interest": 2265000.0,
            "source": "tick",
        },
    },
    response_only=True,
)
