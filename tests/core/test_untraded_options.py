"""`auto` where an expiry's options did not trade: their settlements are a model's, and a future that traded is not."""

import math
from typing import Any

import numpy as np
import pytest

from signals.greeks.core.conventions import ForwardSource, GreeksParams
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import ChainColumns, ChainSnapshot, ExpiryColumns, UnderlyingColumns, find_markets

AT, DAY, TODAY = 1_780_000_000.0, 86_400.0, 739_000
STRIKES = np.arange(90.0, 112.0, 2.0)
PARITY, FUTURE = 101.0, 102.5
SETTLED = {"settle": FUTURE, "volume": 5.0}


def market(*, traded: int, untraded: dict[str, float], future: dict[str, float], wanted: ForwardSource) -> Any:
    """Return the market of an expiry whose first `traded` strikes traded on both legs; `untraded` changes the rest."""
    legs = [(place, strike, sign) for place, strike in enumerate(STRIKES) for sign in (1.0, -1.0)]
    rows = []
    for place, strike, sign in legs:
        price = max(sign * (PARITY - strike), 0.0) + 5.0
        row = {"settle": price, "volume": 10.0, "time": AT - 7.0}
        if place >= traded:
            row |= {name: price + value if name in ("bid", "ask") else value for name, value in untraded.items()}
        rows.append(row)

    def quotes(found: list[dict[str, float]]) -> QuoteColumns:
        names = QuoteColumns.__slots__
        return QuoteColumns(**{name: np.array([row.get(name, math.nan) for row in found], float) for name in names})

    unknown, expiry = np.array([math.nan]), np.array([TODAY + 30])
    ends = ExpiryColumns(underlying=np.zeros(1, np.intp), expiry=expiry, expires_at=np.array([AT + 30 * DAY]))
    snapshot = ChainSnapshot(
        at=AT,
        underlyings=UnderlyingColumns(
            spot=np.array([100.0]),
            spot_source=np.array([1], np.int8),
            spot_time=np.array([AT]),
            volatility_index=unknown,
            volatility_index_time=unknown,
            dividend_yield=np.zeros(1),
            today=np.array([TODAY]),
        ),
        groups=ends,
        options=ChainColumns(
            group=np.zeros(len(legs), np.intp),
            sign=np.array([sign for *_, sign in legs]),
            strike=np.array([strike for _, strike, _ in legs]),
            quotes=quotes(rows),
        ),
        futures=ends,
        future_quotes=quotes([{"time": AT, **future}]),
    )
    return find_markets(snapshot, GreeksParams(forward=wanted, rate=0.0))[0].forward


@pytest.mark.parametrize(
    ("traded", "untraded", "future", "source"),
    [
        (11, {}, SETTLED, "parity"),
        (3, {"volume": 0.0}, SETTLED, "parity"),
        (2, {"volume": 0.0}, SETTLED, "future"),
        (0, {"volume": 0.0}, SETTLED, "future"),
        (0, {"volume": math.nan}, SETTLED, "parity"),  # an unknown volume is no proof
        (0, {"volume": 0.0, "bid": -0.1, "ask": 0.1}, SETTLED, "parity"),  # quotes are prices of the market
        (0, {"volume": 0.0}, {"settle": FUTURE, "volume": 0.0}, "parity"),  # both are a model's: the options' own
        (0, {"volume": 0.0}, {"settle": FUTURE}, "future"),
        (0, {"volume": 0.0}, {"bid": FUTURE - 0.1, "ask": FUTURE + 0.1, "volume": 0.0}, "future"),
        (0, {"volume": 0.0}, {}, "parity"),
    ],
)
def test_a_future_that_traded_comes_before_options_that_did_not(
    traded: int, untraded: dict[str, float], future: dict[str, float], source: str
) -> None:
    found = market(traded=traded, untraded=untraded, future=future, wanted=ForwardSource.AUTO)
    assert found.source == source
    assert found.value == pytest.approx(PARITY if source == "parity" else FUTURE, rel=1e-12)


def test_a_named_source_stays_strict() -> None:
    of_models = {"traded": 0, "untraded": {"volume": 0.0}, "future": SETTLED}
    assert market(**of_models, wanted=ForwardSource.PARITY).value == pytest.approx(PARITY, rel=1e-12)
    assert market(**of_models, wanted=ForwardSource.SPOT).value == 100.0
    of_trades = {"traded": 11, "untraded": {}, "future": SETTLED}
    assert market(**of_trades, wanted=ForwardSource.FUTURE).value == FUTURE
