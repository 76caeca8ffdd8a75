"""Examples for the API schema."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

from signalsite.foundation.computations.columns import IDENTITY, PORTFOLIO, UNDERLYING
from signalsite.foundation.computations.contract import Computation
from signalsite.foundation.computations.registry import find

_KEY = "NSE@NIFTY@equity_options@2026-12-29@call@26000"

_TERMS = {"underlying": "NIFTY", "expiry": "2026-12-29", "strike": 26_025, "option_type": "put"}
LEGS = [
    {"instrument_key": _KEY, "quantity": -75, "price_paid": 420.0},
    {**_TERMS, "strike": 26_000, "quantity": -75, "price_paid": 310.5},
    {"underlying": "NIFTY", "expiry": "2026-12-29", "quantity": 25},
]
_WHAT_IF = {"volatility": 0.18, "underlying_price": 26_100.0}


def items_example(computation: Computation) -> OpenApiExample:
    if computation.item_kind is UNDERLYING:
        items = ["NIFTY", {"underlying": "NSE@BANKNIFTY", "custom_id": "second"}]
        return OpenApiExample("By symbol, and by key", {"items": items}, request_only=True)
    if computation.item_kind is PORTFOLIO:
        return OpenApiExample(
            "A short straddle, hedged", {"items": [{"custom_id": "desk", "legs": LEGS}]}, request_only=True
        )
    over = dict(each for each in _WHAT_IF.items() if each[0] in computation.bounds)
    return OpenApiExample(
        "By key, with overrides, and by an option's terms",
        {
            "items": [
                {"instrument_key": _KEY},
                {"instrument_key": _KEY, "custom_id": "what-if", **over},
                {**_TERMS, **over},
            ]
        },
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
INSTRUMENT_GREEKS_EXAMPLE = OpenApiExample(
    "One option",
    {
        "instrument_key": _KEY,
        "as_of": "2026-11-27T10:10:00+00:00",
        "params": find("greeks").defaults,
        "forwards": [
            {
                "underlying": "NSE@NIFTY",
                "expiry": "2026-12-29",
                "forward": 26112.4,
                "forward_source": "parity",
                "forward_price_source": "mid",
                "forward_price_age_seconds": 0.0,
                "forward_bid": 26111.9,
                "forward_ask": 26112.9,
                "forward_residual": None,
                "forward_strikes": 138,
                "forward_excluded": [21000.0, 27950.0],
                "strikes_disagree": False,
                "rate": 0.065,
                "rate_source": "default",
                "rate_date": None,
                "dividend_yield": 0.012,
                "dividend_source": "underlying",
                "dividend_value": 0.0,
                "exercise": "european",
            }
        ],
        "greeks": {
            "position": 0,
            "custom_id": None,
            "instrument_key": _KEY,
            "status": "ok",
            "reason": None,
            "retryable": False,
            "implied_volatility": 0.115691,
            "delta": 0.556292,
            "gamma": 0.000443,
            "theta": -7.513648,
            "vega": 30.357537,
            "rho": 12.314347,
            "theoretical_price": 412.725,
            "price_used": 412.725,
            "price_source": "mid",
            "price_age_seconds": 0.0,
            "underlying_used": 25991.348222,
            "forward": 26112.4,
            "forward_source": "parity",
            "forward_price_source": "mid",
            "forward_price_age_seconds": 0.0,
            "forward_bid": 26111.9,
            "forward_ask": 26112.9,
            "forward_residual": None,
            "forward_strikes": 138,
            "forward_excluded": 2,
            "expiry_years": 0.087671,
            "rate": 0.065,
            "rate_source": "default",
            "dividend_yield": 0.012,
            "dividend_source": "underlying",
            "dividend_value": 0.0,
            "model": "bsm",
            "iv_source": "price",
            "bid_iv": None,
            "mid_iv": None,
            "ask_iv": None,
        },
    },
    response_only=True,
)


def _row(position: int, **values: Any) -> dict[str, Any]:
    greeks = find("greeks")
    columns = (*IDENTITY, *greeks.columns_for(greeks.defaults))
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
