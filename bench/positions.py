"""Measure portfolios of 10,000 legs: reading them, one cell, and a grid of 25. In this process, without a database.

ONLY=positions python -m bench. The legs are options of four expiries of one underlying, each quoted.
"""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

LEGS, RUNS = 10_000, 9
NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
NAME = "NSE@BENCH"
EXPIRIES = (date(2026, 12, 8), date(2026, 12, 29), date(2027, 1, 26), date(2027, 3, 30))


def run() -> dict[str, float]:
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
    django.setup()
    from signals.computations.portfolios import Portfolios
    from signals.positions.core.cells import gather
    from signals.positions.core.grid import Shocks
    from signals.positions.core.legs import legs_of, read_legs
    from signals.positions.services import evaluate_cells, evaluate_legs, statement

    portfolios = Portfolios()
    raw = _legs()
    read = _median(lambda: read_legs(raw, portfolios.bounds, "NSE"))
    legs = legs_of([read_legs(raw, portfolios.bounds, "NSE")])

    def compute(shocks: tuple[tuple[float, ...], tuple[float, ...]], **asked: Any) -> Callable[[], None]:
        inputs = _inputs(legs, {**portfolios.defaults, **asked})
        cells = Shocks.of(*shocks, (0.0,))

        def once() -> None:
            values, found = evaluate_legs(inputs)
            grid = gather(evaluate_cells(inputs, values, found, cells), len(cells), 1)
            total = statement(inputs, values)
            assert np.isfinite(total.net.values[1]).all() and np.isfinite(grid.values[0]).all()

        return once

    one, axis = ((0.0,), (0.0,)), (-0.1, -0.05, 0.0, 0.05, 0.1)
    figures = {
        "positions.read_ms": read,
        "positions.compute_ms": _median(compute(one)),
        "positions.grid_ms": _median(compute((axis, axis))),
        "positions.american_compute_ms": _median(compute(one, exercise="american")),
        "positions.american_grid_ms": _median(compute((axis, axis), exercise="american")),
    }
    print(f"\na portfolio of {LEGS} legs, median of {RUNS}: read from JSON values {read:.0f} ms")
    for label, name in (("European", ""), ("American", "american_")):
        now, grid = figures[f"positions.{name}compute_ms"], figures[f"positions.{name}grid_ms"]
        print(f"{label}: one cell {now:.0f} ms, 5 x 5 x 1 cells {grid:.0f} ms")
    return figures


def _median(work: Callable[[], Any]) -> float:
    work()  # loads the kernels
    taken = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


def _legs() -> list[dict[str, Any]]:
    random = np.random.default_rng(7)
    rows = zip(
        random.integers(0, len(EXPIRIES), LEGS).tolist(),
        (20_000 + 50 * random.integers(-40, 41, LEGS)).tolist(),
        random.integers(0, 2, LEGS).tolist(),
        (75 * random.integers(-20, 21, LEGS)).tolist(),
        strict=True,
    )
    return [
        {
            "instrument_key": f"{NAME}@equity_options@{EXPIRIES[expiry]}@{('call', 'put')[put]}@{strike}",
            "quantity": quantity,
            "price_paid": 100.0,
        }
        for expiry, strike, put, quantity in rows
    ]


def _inputs(legs: Any, asked: dict[str, Any]) -> Any:
    """Return what `load` would read of these legs: every option at 15 % of volatility, the spot at 20,000."""
    from signals.computations.portfolios import Portfolios
    from signals.greeks.core.conventions import ForwardSource
    from signals.greeks.core.engine import model_greeks
    from signals.greeks.core.forward import Forward
    from signals.greeks.core.prices import QuoteColumns
    from signals.greeks.core.snapshot import GroupMarket
    from signals.greeks.selectors import OptionRows
    from signals.positions.selectors import PositionInputs
    from timeframes.core.keys import parse_key
    from timeframes.core.sessions import expiry_moment

    keys = [parse_key(key) for key in legs.keys]
    ends = np.array([expiry_moment(key).timestamp() for key in keys])
    strike = np.array([float(key.strike or 0) for key in keys])
    sign = np.array([1.0 if key.right == "call" else -1.0 for key in keys])
    years, nothing = (ends - NOW.timestamp()) / (365 * 86_400), np.full(LEGS, np.nan)
    priced = model_greeks(
        volatility=np.full(LEGS, 0.15),
        underlying=np.full(LEGS, 20_000.0),
        strike=strike,
        expiry_years=years,
        rate=np.full(LEGS, 0.065),
        dividend_yield=np.zeros(LEGS),
        sign=sign,
        black76=np.zeros(LEGS, bool),
    ).price
    if asked["exercise"] == "american":
        priced = np.maximum(priced, sign * (20_000.0 - strike)) * 1.02 + 1.0
    quotes = QuoteColumns(
        **{**dict.fromkeys(QuoteColumns.__slots__, nothing), "last": priced, "time": np.full(LEGS, NOW.timestamp())}
    )
    empty = np.empty(0)
    return PositionInputs(
        legs=legs,
        lot_size=legs.lot_size,
        options=np.arange(LEGS),
        rows=OptionRows(
            underlying=[NAME] * LEGS,
            expiry=[key.expiry for key in keys],
            product=["equity_options"] * LEGS,
            sign=sign,
            strike=strike,
            expires_at=ends,
            black76=np.zeros(LEGS, bool),
            american=np.zeros(LEGS, bool),
            dividend_yield=np.zeros(LEGS),
            quotes=quotes,
        ),
        twins=None,
        others=np.empty(0, np.intp),
        other_ends=empty,
        quotes=QuoteColumns(**dict.fromkeys(QuoteColumns.__slots__, empty)),
        as_of=NOW,
        asked=asked,
        params=Portfolios().conventions(asked),
        context={},
        unshared={
            (NAME, expiry): GroupMarket(
                Forward(20_000.0, ForwardSource.SPOT), 20_000.0, 0.15, float((expiry - NOW.date()).days)
            )
            for expiry in EXPIRIES
        },
    )
