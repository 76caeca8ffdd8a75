"""Example answers of indicators, for the API's schema."""

from drf_spectacular.utils import OpenApiExample

_ROW = {"time": "2024-01-02T03:45:00+00:00", "complete": True, "values": {"RSI_14": 48.23}}
_HEAD = {
    "instrument_key": "NSE@NIFTY@equity_spot",
    "indicator": "rsi",
    "parameters": {"length": 14, "scalar": 100.0, "drift": 1, "offset": 0},
    "outputs": ["RSI_14"],
    "timeframe": "5m",
    "seconds": 300,
    "anchor": "session",
    "warm_up": {"needed": 325, "loaded": 325, "whole": True},
}
PAGE = OpenApiExample(
    "RSI of an index",
    {**_HEAD, "next_cursor": "2024-01-02T03:45:00+00:00", "data": [_ROW]},
    response_only=True,
)
NEWEST = OpenApiExample(
    "RSI of the bar that is forming, and of the one before",
    {**_HEAD, "data": [_ROW, {"time": "2024-01-02T03:50:00+00:00", "complete": False, "values": {"RSI_14": 51.7}}]},
    response_only=True,
)
INDICATORS = OpenApiExample(
    "One indicator",
    {
        "library": "pandas-ta-classic 0.8.32",
        "data": [
            {
                "name": "rsi",
                "category": "momentum",
                "title": "Relative Strength Index (RSI)",
                "inputs": ["close"],
                "parameters": [
                    {"name": "length", "type": "int", "default": 14, "allowed": "a whole number from 1 to 1000"}
                ],
                "outputs": ["RSI_14"],
                "warm_up": {"first": 14, "bars": 325},
                "formula": "",
                "sources": ["https://www.tradingview.com/wiki/Relative_Strength_Index_(RSI)"],
                "available": True,
                "reason": None,
            }
        ],
    },
    response_only=True,
)
