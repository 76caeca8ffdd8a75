"""A chain for the stand-in of an instrument service: the same for the same underlying and expiry."""

import zlib
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from moneyness.core.states import ChainReceipt, SmileFit, SmilePoints, SmileState
from signals.instruments.core.terms import options_end

SIDE = 40  # strikes on each side of the money
_RATE, _YEAR = 0.065, 365 * 86_400.0
_NOT_FITTED: dict[str, Any] = dict.fromkeys(SmileFit.__struct_fields__)


def simulated_smile(underlying: str, expiry: date, now: datetime) -> SmileState | None:
    """Return the smile of one expiry at an instant, None if it has expired or its exchange is not known here."""
    from signals.greeks.core.engine import model_greeks  # loads the kernels

    left = options_end(underlying, expiry) - now.timestamp()
    if not left > 0:
        return None
    seed = zlib.crc32(underlying.encode())
    step = float((1, 5, 10, 50, 100)[seed % 5])
    forward = step * (400 + seed % 97) + step * 0.2
    middle = round(forward / step) * step
    strikes = middle + step * np.arange(-SIDE, SIDE + 1)
    away = np.log(strikes / forward)
    volatility = 0.14 - 0.1 * away + 1.5 * away**2
    count = len(strikes)

    def side(sign: float) -> tuple[np.ndarray, np.ndarray]:
        found = model_greeks(
            volatility=volatility,
            underlying=np.full(count, forward),
            strike=strikes,
            expiry_years=np.full(count, left / _YEAR),
            rate=np.full(count, _RATE),
            dividend_yield=np.zeros(count),
            sign=np.full(count, sign),
            black76=np.ones(count, bool),
        )
        return found.delta, found.price

    (call_delta, call_price), (put_delta, put_price) = side(1.0), side(-1.0)
    out_calls = strikes >= forward
    return SmileState(
        underlying=underlying,
        expiry=expiry.isoformat(),
        as_of=now.astimezone(UTC).isoformat(),
        spot=forward * float(np.exp(-_RATE * left / _YEAR)),
        atm_strike=middle,
        atm_implied_volatility=float(np.interp(0.0, away, volatility)),
        risk_reversal_25=None,
        butterfly_25=None,
        slope=None,
        points=SmilePoints(
            strike=strikes.tolist(),
            right=["call" if out else "put" for out in out_calls.tolist()],
            log_moneyness=away.tolist(),
            bid_volatility=[None] * count,
            volatility=volatility.tolist(),
            ask_volatility=[None] * count,
            delta=np.where(out_calls, call_delta, put_delta).tolist(),
            call_volatility=volatility.tolist(),
            put_volatility=volatility.tolist(),
            call_delta=call_delta.tolist(),
            put_delta=put_delta.tolist(),
            call_price=call_price.tolist(),
            put_price=put_price.tolist(),
            refused=[None] * count,
        ),
        fit=SmileFit(**{**_NOT_FITTED, "status": "not_fitted", "reason": "simulated", "points": 0}),
        receipt=ChainReceipt(
            forward=forward,
            forward_source="simulated",
            forward_price_source=None,
            forward_price_age_seconds=None,
            forward_strikes=None,
            rate=_RATE,
            expiry_years=left / _YEAR,
            quotes_used=2 * count,
            quotes_refused=0,
        ),
    )
