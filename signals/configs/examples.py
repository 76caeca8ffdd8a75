"""Examples of configurations, for the API's schema."""

from drf_spectacular.utils import OpenApiExample

SENT = OpenApiExample(
    "Every five minutes",
    {
        "name": "nifty-5m",
        "instruments": ["NSE@NIFTY@equity_options@2026-12-29@call@26000", "NSE@NIFTY@equity_spot"],
        "interval": "5m",
        "frequency": "bar",
        "greeks": {"columns": ["delta", "implied_volatility"], "params": {"model": "black76"}},
        "indicators": ["rsi(length=14)", {"kind": "macd", "fast": 8}],
        "functions": [{"function": "pivots", "params": {"method": "classic"}, "label": "pivots"}],
        "join": {"iv": "greeks:iv"},
        "bars": 300,
    },
    request_only=True,
)
SHORT = OpenApiExample(
    "Greeks with every tick",
    {"instrument_key": "NSE@NIFTY@equity_options@2026-12-29@call@26000", "greeks": True},
    request_only=True,
)
DIFFERENCE = OpenApiExample(
    "Another indicator, and fewer bars",
    {
        "before": 1,
        "after": 2,
        "data": [
            {"path": "indicators[adx]", "before": None, "after": "adx", "added": True, "removed": False},
            {"path": "bars", "before": 300, "after": 200, "added": False, "removed": False},
        ],
    },
    response_only=True,
)
