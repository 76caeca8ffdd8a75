"""No number in one row makes the evaluation of a chunk raise, since the other rows would fail with it."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batch.jobs.core.answers import pack
from batch.jobs.core.items import Items
from signals.computations.greeks import GreeksInputs
from signals.computations.quotes import QuoteInputs
from signals.greeks.core.conventions import HIGHER_ORDER
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.greek_columns import GREEKS
from signals.greeks.selectors import OptionRows
from signalsite.foundation.computations.answers import declared
from signalsite.foundation.computations.registry import computations

NAN, INF = float("nan"), float("inf")
NOW = datetime(2026, 12, 1, 5, tzinfo=UTC)
KEY, UNDERLYING, EXPIRY = "NSE@NIFTY@equity_options@2026-12-29@call@26000", "NSE@NIFTY", date(2026, 12, 29)
GOOD = {"bid": 420.0, "ask": 422.0, "last": 421.0, "settle": 420.0, "close": 419.0, "volume": 75.0}
OPTION = {"sign": 1.0, "strike": 26_000.0, "expires_at": NOW.timestamp() + 28 * 86_400, "dividend_yield": 0.01}
TIMES = {"time": NOW.timestamp() - 60}
ANY = st.sampled_from([NAN, INF, -INF, 0.0, -0.0, -1.0, 5e-324, 1e308, 1.5e308, -1e308, 1e12, 1e9]) | st.floats()


def rows_of(usual: dict[str, float]) -> st.SearchStrategy[list[dict[str, float]]]:
    """Rows that are usual except for some columns, and rows in which nothing is usual."""
    some = st.fixed_dictionaries({}, optional=dict.fromkeys(usual, ANY)).map(lambda changed: {**usual, **changed})
    return st.lists(some | st.fixed_dictionaries(dict.fromkeys(usual, ANY)), min_size=1, max_size=8)


def column(rows: list[dict[str, float]], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], np.float64)


def answers_of(name: str, inputs: Any, rows: int, asked: Any = None) -> dict[str, Any]:
    """Evaluate, check against the declaration and pack, as a chunk does."""
    computation = computations()[name]
    found = computation.evaluate(inputs)
    pack(Items([KEY] * rows, [None] * rows), declared(computation, found, asked or computation.defaults), found.item)
    return dict(found.columns)


def quote(**changed: float) -> dict[str, float]:
    nothing = dict.fromkeys((*GOOD, "open_interest"), NAN)
    return {**nothing, **TIMES, **changed}


@given(rows_of({**GOOD, **TIMES, "open_interest": 5.0}), st.booleans())
@example([quote(bid=1e308, ask=1.5e308)], True)
@example([quote(bid=INF, ask=INF)], True)
@example([quote(bid=1.0, time=-INF)], True)
@example([quote(bid=1.0, time=-1e15)], True)
@settings(max_examples=200, deadline=None)
def test_quotes_of_any_numbers(rows: list[dict[str, float]], known: bool) -> None:
    inputs = QuoteInputs(
        keys=[KEY] * len(rows),
        known=np.full(len(rows), known),
        **{name: column(rows, name) for name in (*GOOD, "open_interest", "time")},
        source=["test"] * len(rows),
        as_of=NOW.timestamp(),
        max_age=86_400.0,
    )
    found = answers_of("quotes", inputs, len(rows))
    for status, reason, price in zip(found["status"], found["reason"], found["price"], strict=True):
        assert (status == "ok") == (reason is None) == bool(np.isfinite(price))


NUMBER = st.none() | ANY.filter(np.isfinite)  # a context is JSON
PARITY = st.none() | st.tuples(
    NUMBER, NUMBER, NUMBER, NUMBER, st.integers(0, 500), st.lists(ANY.filter(np.isfinite), max_size=3), st.booleans()
)
FORWARD = st.tuples(st.none(), st.none()) | st.tuples(
    ANY.filter(np.isfinite), st.sampled_from(["parity", "future", "spot", "carried_future"])
)
GROUP = st.just(
    [26_150.0, "parity", 26_100.0, 0.14, 28, [26_150.0, 26_149.0, 26_151.0, None, 9, [], False]]
) | st.builds(lambda forward, *rest: [*forward, *rest], FORWARD, NUMBER, NUMBER, ANY, PARITY)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns of overflow: a line in the log, not a failed chunk
@pytest.mark.parametrize("name", ["greeks", "greeks_grid"])
@given(
    rows=rows_of({**GOOD, **TIMES, **OPTION}),
    group=GROUP,
    black76=st.booleans(),
    asked=st.fixed_dictionaries(
        {},
        optional={
            "fallback_volatility": st.just("vix"),
            "day_count": st.just("calendar_days"),
            "model": st.sampled_from(["bsm", "black76"]),
            "price": st.sampled_from(["mid", "last"]),
            "greeks": st.just(list(GREEKS.choices)),
            "theta": st.just("next_day"),
        },
    ),
    overrides=st.fixed_dictionaries(
        {},
        optional={
            "price": st.floats(5e-324, 1e12),
            "underlying_price": st.floats(5e-324, 1e12),
            "volatility": st.floats(5e-324, 20.0),
            "rate": st.floats(-0.5, 1.0),
            "expiry_years": st.floats(5e-324, 100.0),
        },
    ),
)
@settings(max_examples=200, deadline=None)
def test_options_of_any_numbers(
    name: str,
    rows: list[dict[str, float]],
    group: Any,
    black76: bool,
    asked: dict[str, str],
    overrides: dict[str, float],
) -> None:
    computation, count = computations()[name], len(rows)
    params = computation.defaults | asked
    inputs = GreeksInputs(
        keys=[KEY] * count,
        rows=OptionRows(
            underlying=[UNDERLYING] * count,
            expiry=[EXPIRY] * count,
            product=["equity_options"] * count,
            **{each: column(rows, each) for each in OPTION},
            black76=np.full(count, black76),
            quotes=QuoteColumns(**{each: column(rows, each) for each in (*GOOD, *TIMES)}),
        ),
        overrides={each: {0: value} for each, value in overrides.items()},
        as_of=NOW,
        asked=params,
        params=computation.conventions(params),
        context={UNDERLYING: {EXPIRY.isoformat(): list(group)}},
    )
    found = answers_of(name, inputs, count, params)
    for greek in set(HIGHER_ORDER) & found.keys():
        assert not np.isinf(found[greek]).any(), greek
    assert len(found["status"]) >= count
    assert all(reason for status, reason in zip(found["status"], found["reason"], strict=True) if status != "ok")
