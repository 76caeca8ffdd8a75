"""Examples for the API schema."""

from drf_spectacular.utils import OpenApiExample

from signalsite.foundation.computations.contract import Computation

_KEY = "NSE@NIFTY@equity_options@2026-12-29@call@26000"

_WHAT_IF = {"volatility": 0.18, "underlying_price": 26_100.0}


def items_example(computation: Computation) -> OpenApiExample:
    over = dict(each for each in _WHAT_IF.items() if each[0] in computation.bounds)
    return OpenApiExample(
        "Two instruments",
        {"items": [{"instrument_key": _KEY}, {"instrument_key": _KEY, "custom_id": "what-if", **over}]},
        request_only=True,
    )


JOB_EXAMPLE = OpenApiExample(
    "By name",
    {"kind": "greeks", "items": [_KEY, "NSE@NIFTY@equity_options@2026-12-29@put@26000"], "as_of": "2026-11-20"},
    request_only=True,
)
SELECTOR_EXAMPLE = OpenApiExample(
    "By rule: NSE's own convention around the money",
    {
        "kind": "greeks",
        "selector": {"underlying": "NIFTY", "moneyness": {"min": 0.95, "max": 1.05}},
        "params": {"forward": "spot", "rate": 0.1, "day_count": "calendar_days", "price": "last"},
    },
    request_only=True,
)
