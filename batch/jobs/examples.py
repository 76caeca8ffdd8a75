"""Examples for the API's schema."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

from signalsite.foundation.computations.contract import IDENTITY, Computation
from signalsite.foundation.computations.registry import find

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


def _row(position: int, **values: Any) -> dict[str, Any]:
    columns = (*IDENTITY, *find("greeks").answer_columns)
    return {**dict.fromkeys(column.name for column in columns), "position": position, "retryable": False, **values}


RESULTS_EXAMPLE = OpenApiExample(
    "The last page of a job of two options",
    {
        "job_id": "6f1c1f0e-6a2b-4f0e-9a57-2f6c6c0f6a11",
        "status": "completed",
        "next_cursor": None,
        "data": [
            _row(0, instrument_key=_KEY, status="ok", implied_volatility=0.1312, delta=0.5243),
            _row(1, instrument_key="NSE@NIFTY@call", status="bad_input", reason="the key has no product"),
        ],
    },
    response_only=True,
)
