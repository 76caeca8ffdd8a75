"""Shocks of a spot that pays cash dividends: a cell is what `greeks` answers at that spot and moment."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from signals.computations.greeks import Greeks, GreeksInputs
from signals.computations.greeks_grid import GreeksGrid
from signals.greeks.core.carry import DividendSource, GroupCarry, RateSource
from signals.greeks.core.dividends import CashDividend
from signals.greeks.core.forward import NO_FORWARD
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import UNKNOWN_MARKET
from signals.greeks.selectors import OptionRows

AT = datetime(2026, 12, 1, 15, 0, tzinfo=UTC)
EXPIRY = date(2027, 6, 4)
T, EX, RATE = 0.5, 0.3, 0.05
KEY = "OPRA@XYZ@equity_options@2027-06-04@call@100"
VALUES = ("theoretical_price", "delta", "gamma", "vega", "rho")


def rows(signs: list[float], american: bool) -> OptionRows:
    count = len(signs)
    unknown = np.full(count, np.nan)
    return OptionRows(
        underlying=["OPRA@XYZ"] * count,
        expiry=[EXPIRY] * count,
        product=["equity_options"] * count,
        sign=np.array(signs),
        strike=np.full(count, 100.0),
        expires_at=np.full(count, AT.timestamp() + T * 365 * 86_400.0),
        black76=np.zeros(count, bool),
        dividend_yield=np.zeros(count),
        american=np.full(count, american),
        quotes=QuoteColumns(
            **dict.fromkeys(("bid", "ask", "last", "settle", "close", "volume", "time"), unknown),
        ),
    )


def run(
    kind: Greeks, *, american: bool, days: float = 0.0, own: dict[str, float], paid: float = 5.0, **params: Any
) -> list[dict[str, Any]]:
    """Return the answers of a call and a put, `days` after AT. The market knows the rate and one dividend, at EX."""
    signs, elapsed = [1.0, -1.0], days / 365.0
    dividends = (CashDividend(EX - elapsed, paid),) if elapsed < EX else ()
    carry = GroupCarry(RATE, RateSource.CURVE, None, 0.0, DividendSource.DISCRETE, dividends)
    market = replace(UNKNOWN_MARKET, forward=NO_FORWARD, carry=carry)
    asked = kind.defaults | params
    inputs = GreeksInputs(
        keys=[KEY, KEY.replace("call", "put")],
        rows=rows(signs, american),
        overrides={name: dict.fromkeys((0, 1), value) for name, value in own.items()},
        as_of=AT + timedelta(days=days),
        asked=asked,
        params=kind.conventions(asked),
        context={},
        unshared={("OPRA@XYZ", EXPIRY): market},
    )
    columns = kind.evaluate(inputs).columns
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def grid(**arguments: Any) -> list[dict[str, Any]]:
    axes = {"spot_shocks": (0.0,), "volatility_shocks": (0.0,), "days_forward": (0.0,)}
    own = {"volatility": 0.2, "underlying_price": 100.0} | arguments.pop("own", {})
    return run(GreeksGrid(), own=own, **axes | arguments)


@pytest.mark.parametrize("american", [False, True])
def test_no_shock_is_no_profit_where_the_callers_own_expiry_is_before_the_dividend(american: bool) -> None:
    for row in grid(american=american, own={"expiry_years": 0.1}):
        assert row["status"] == "ok" and row["dividend_value"] == 0.0
        assert row["profit_and_loss"] == pytest.approx(0.0, abs=1e-9)
        assert row["base_underlying"] == row["underlying"] == 100.0
    call = grid(american=american, own={"expiry_years": 0.1})[0]
    assert call["price"] == pytest.approx(2.774, abs=1e-3)


@pytest.mark.parametrize("american", [False, True])
@pytest.mark.parametrize("shock", [-0.1, 0.0, 0.07])
@pytest.mark.parametrize("days", [0.0, 40.0, 120.0])  # the dividend goes ex after 109.5
def test_a_cell_is_what_greeks_answers_at_that_spot_and_moment(american: bool, shock: float, days: float) -> None:
    cells = grid(american=american, spot_shocks=(shock,), days_forward=(days,))
    spot = 100.0 * (1 + shock)
    truth = run(Greeks(), american=american, days=days, own={"volatility": 0.2, "underlying_price": spot})
    for cell, other in zip(cells, truth, strict=True):
        assert cell["status"] == other["status"] == "ok"
        assert cell["base_underlying"] == pytest.approx(100.0, rel=1e-14)
        assert cell["underlying"] == pytest.approx(spot, rel=1e-14)
        assert other["underlying_used"] == pytest.approx(spot - other["dividend_value"], rel=1e-14)
        for name in VALUES:
            assert cell["price" if name == "theoretical_price" else name] == pytest.approx(other[name], rel=1e-7), name


def test_a_forward_is_shocked_itself() -> None:
    for row in grid(american=False, spot_shocks=(-0.1,), model="black76"):
        assert row["underlying"] == pytest.approx(0.9 * row["base_underlying"], rel=1e-14)
        assert row["base_underlying"] == pytest.approx((100 - 5 * np.exp(-RATE * EX)) * np.exp(RATE * T), rel=1e-12)


@pytest.mark.parametrize("american", [False, True])
def test_a_spot_that_does_not_cover_its_dividends_has_a_reason(american: bool) -> None:
    asked = ["delta", "vanna"]
    found = grid(american=american, spot_shocks=(-0.97, 0.0), greeks=asked)
    assert [row["status"] for row in found] == ["no_underlying", "ok"] * 2
    for row in found[::2]:
        assert np.isnan(row["price"]) and np.isnan(row["delta"]) and np.isnan(row["vanna"])
        assert row["reason"] == "the shocked spot is no more than its cash dividends are worth"
