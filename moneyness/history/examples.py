"""Examples for the API's schema."""

from drf_spectacular.utils import OpenApiExample

_BAR = {
    "time": "2026-11-27T03:45:00+00:00",
    "open": 0.1172,
    "high": 0.1190,
    "low": 0.1164,
    "close": 0.1181,
    "mean": 0.1176,
    "count": 60,
    "source": "recorded",
    "reason": None,
    "complete": True,
}
_VALUE = {"value": "implied_volatility", "timeframe": "1h", "anchor": "session", "next_cursor": None, "data": [_BAR]}
LEVEL = OpenApiExample(
    "The volatility of ATM by the hour",
    {"underlying": "NSE@NIFTY", "level": "ATM", "side": "both", "expiry": None, "tenor": None, **_VALUE},
    response_only=True,
)
ATM = OpenApiExample(
    "A constant maturity of 30 days",
    {"underlying": "NSE@NIFTY", "level": None, "side": None, "expiry": None, "tenor": 30.0, **_VALUE},
    response_only=True,
)
RANK = OpenApiExample(
    "30 days",
    {
        "underlying": "NSE@NIFTY",
        "as_of": "2026-11-27T10:10:00+00:00",
        "expiry": None,
        "tenor": 30.0,
        "implied_volatility": 0.1176,
        "time": "2026-11-27T03:45:00+00:00",
        "sessions": 252,
        "known": 252,
        "lowest": 0.0921,
        "highest": 0.2431,
        "mean": 0.1304,
        "rank": 0.1689,
        "percentile": 0.2151,
        "reason": None,
        "realised": {
            "sessions": 20,
            "close_to_close": 0.1042,
            "parkinson": 0.0987,
            "yang_zhang": 0.1013,
            "reason": None,
        },
    },
    response_only=True,
)
