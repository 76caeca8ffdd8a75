"""Which price a forward came from, and how old that price was."""

import math
from typing import Any

import numpy as np
import pytest

from signals.greeks.core.conventions import FORWARD_PRICE_WORDS, ForwardSource, GreeksParams, PriceSource
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import (
    ChainColumns,
    ChainSnapshot,
    ExpiryColumns,
    UnderlyingColumns,
    find_markets,
)

NAN = math.nan
AT = 1_780_000_000.0
DAY = 86_400.0
TODAY = 739_000
STRIKES = np.arange(90.0, 112.0, 2.0)
QUOTE = ("bid", "ask", "last", "settle", "close", "volume", "time")


def quotes(rows: list[dict[str, float]]) -> QuoteColumns:
    return QuoteColumns(**{name: np.array([row.get(name, NAN) for row in rows], float) for name in QUOTE})


def chain(of_a_leg: Any, futures: dict[int, dict[str, float]], spot: tuple[float, int, float]) -> ChainSnapshot:
    """Return one expiry in 30 days, `futures` by days to expiry, and the spot (price, source, age)."""
    legs = [(strike, sign) for strike in STRIKES for sign in (1.0, -1.0)]
    ends = np.array([TODAY + days for days in futures], np.int64)
    return ChainSnapshot(
        at=AT,
        underlyings=UnderlyingColumns(
            spot=np.array([spot[0]]),
            spot_source=np.array([spot[1]], np.int8),
            spot_time=np.array([AT - spot[2]]),
            volatility_index=np.array([NAN]),
            volatility_index_time=np.array([NAN]),
            dividend_yield=np.zeros(1),
            today=np.array([TODAY]),
        ),
        groups=ExpiryColumns(
            underlying=np.zeros(1, np.intp), expiry=np.array([TODAY + 30]), expires_at=np.array([AT + 30 * DAY])
        ),
        options=ChainColumns(
            group=np.zeros(len(legs), np.intp),
            sign=np.array([sign for _, sign in legs]),
            strike=np.array([strike for strike, _ in legs]),
            quotes=quotes([of_a_leg(place, strike, sign) for place, (strike, sign) in enumerate(legs)]),
        ),
        futures=ExpiryColumns(
            underlying=np.zeros(len(ends), np.intp), expiry=ends, expires_at=AT + (ends - TODAY) * DAY
        ),
        future_quotes=quotes(list(futures.values())),
    )


def no_quote(place: int, strike: float, sign: float) -> dict[str, float]:
    return {}


def price(strike: float, sign: float) -> float:
    return max(sign * (101.0 - strike), 0.0) + 5.0


def two_sided(place: int, strike: float, sign: float) -> dict[str, float]:
    fair = price(strike, sign)
    return {"bid": fair - 0.1, "ask": fair + 0.1, "last": 1.0, "time": AT - (place // 2)}


def traded(name: str) -> Any:
    return lambda place, strike, sign: {name: price(strike, sign), "volume": 10.0, "time": AT - 7.0}


def some_settled(place: int, strike: float, sign: float) -> dict[str, float]:
    return {"settle" if place < 4 else "last": price(strike, sign), "volume": 10.0, "time": AT - 7.0}


LAST_ONLY = {"last": 101.5, "time": AT - 90.0}
QUOTED = {"bid": 101.0, "ask": 102.0, "last": 99.0, "time": AT - 1.0}
SPOT = (100.0, 1, 12.0)


@pytest.mark.parametrize(
    ("leg", "futures", "spot", "params", "expected"),
    [
        # `price` is of the options: a future that only has a last price is taken before the spot.
        (no_quote, {30: LAST_ONLY}, SPOT, {"price": PriceSource.MID}, ("future", "last", 90.0)),
        (
            no_quote,
            {30: LAST_ONLY},
            SPOT,
            {"price": PriceSource.MID, "forward": ForwardSource.FUTURE},
            ("future", "last", 90.0),
        ),
        (no_quote, {30: QUOTED}, SPOT, {"price": PriceSource.LAST}, ("future", "mid", 1.0)),
        (no_quote, {30: {"close": 101.0, "time": AT - DAY - 1}}, SPOT, {}, ("spot", "last", 12.0)),  # too old
        (no_quote, {37: {"settle": 101.0, "time": AT - 60.0}}, SPOT, {}, ("spot", "last", 12.0)),
        (no_quote, {37: {"settle": 101.0, "time": AT - 60.0}}, (NAN, -1, NAN), {}, ("carried_future", "settle", 60.0)),
        (no_quote, {}, (100.0, 3, 3_600.0), {}, ("spot", "close", 3_600.0)),
        (no_quote, {}, (NAN, -1, NAN), {}, (None, None, NAN)),
        (two_sided, {30: LAST_ONLY}, SPOT, {}, ("parity", "mid", 5.0)),  # ages 0 to 10, and none is left out
        (traded("last"), {30: LAST_ONLY}, SPOT, {}, ("parity", "last", 7.0)),
        (traded("close"), {}, SPOT, {}, ("parity", "close", 7.0)),
        (some_settled, {}, SPOT, {}, ("parity", "mixed", 7.0)),
    ],
)
def test_the_receipt_of_a_forward(
    leg: Any, futures: Any, spot: Any, params: dict[str, Any], expected: tuple[str | None, str | None, float]
) -> None:
    (found,) = find_markets(chain(leg, futures, spot), GreeksParams(**params))
    forward = found.forward
    assert (str(forward.source) if forward.found else None, FORWARD_PRICE_WORDS[forward.price_source]) == expected[:2]
    assert forward.price_age == pytest.approx(expected[2], nan_ok=True)
