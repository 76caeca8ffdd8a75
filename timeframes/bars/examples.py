"""Example answers of bars, for the API's schema."""

from drf_spectacular.utils import OpenApiExample

_BAR = {
    "time": "2024-01-02T03:45:00+00:00",
    "open": 21751.35,
    "high": 21755.6,
    "low": 21716.6,
    "close": 21722.05,
    "volume": 0.0,
    "vwap": None,
    "vwap_source": None,
    "open_interest": None,
    "trades": None,
    "complete": True,
}
BARS = OpenApiExample(
    "One bar of an index",
    {
        "instrument_key": "NSE@NIFTY@equity_spot",
        "timeframe": "7m",
        "seconds": 420,
        "anchor": "session",
        "next_cursor": "2024-01-02T03:45:00+00:00",
        "data": [_BAR],
    },
    response_only=True,
)
AVAILABLE = OpenApiExample(
    "Minutes and ticks",
    {
        "instrument_key": "NSE@NIFTY@equity_spot",
        "anchor": "session",
        "stored": [
            {"timeframe": None, "first": "2026-11-27T03:45:00+00:00", "last": "2026-11-27T10:00:00+00:00"},
            {"timeframe": "1m", "first": "2024-01-01T03:45:00+00:00", "last": "2024-05-31T09:59:00+00:00"},
        ],
        "timeframes": ["1m", "5m", "15m", "30m", "1h", "4h", "1d"],
    },
    response_only=True,
)
