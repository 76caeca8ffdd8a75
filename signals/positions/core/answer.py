"""The answer about one portfolio, as values and columns for JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from signals.positions.core.cells import CELL_NAMES, Grid
from signals.positions.core.grid import Shocks
from signals.positions.core.payoff import payoff
from signals.positions.core.statement import (
    GREEK,
    PRICED,
    VALUED,
    Statement,
    left_out,
    left_out_of_cell,
    several_currencies,
)
from signals.positions.core.totals import Totals
from signals.positions.core.values import GREEKS, TOTALS, LegValues

SINCE_PAID = "profit_and_loss_since_paid"
TOTAL_NAMES = tuple(SINCE_PAID if name == "profit_and_loss" else name for name in TOTALS)
_MONEY_OF_LEG = ("market_value", SINCE_PAID, "delta_value", "gamma_value")


LEG_NUMBERS = (
    *("units", "lot_size", "price_paid", "price", "price_age_seconds", "theoretical_price", "underlying_price"),
    *("implied_volatility", "expiry_years", *GREEKS, *_MONEY_OF_LEG),
)


def net(found: Statement, legs: LegValues) -> dict[str, Any]:
    """Return the totals of the only portfolio."""
    rows, (currencies,) = np.arange(len(legs.units)), found.currencies
    reason = left_out(legs, rows, found.net, 0)
    if found.mixed()[0]:
        reason = several_currencies(currencies)
    unpaid = int((np.isnan(legs.price_paid) & (legs.units != 0.0)).sum())
    return {
        **_totals(found.net, 0),
        "complete": reason is None,
        "reason": reason,
        "currency": currencies[0] if len(currencies) == 1 else None,
        "legs_without_price_paid": unpaid,
    }


def by_underlying(found: Statement, currency_of: Any) -> list[dict[str, Any]]:
    return [
        {"underlying": underlying, "currency": currency_of(underlying) or None, **_totals(found.each, place)}
        for place, (_, underlying) in enumerate(found.underlyings)
    ]


def _totals(found: Totals, place: int) -> dict[str, Any]:
    return {
        **dict(zip(TOTAL_NAMES, found.values[:, place].tolist(), strict=True)),
        "legs": int(found.legs[place]),
        "legs_left_out": int(found.missing[[PRICED, VALUED, GREEK], place].max()),
    }


def leg_columns(keys: Sequence[str], legs: LegValues) -> dict[str, Any]:
    """Return a row for each leg: its values for one unit of the underlying, and what all of it is worth."""
    of_leg = dict(zip(TOTAL_NAMES, legs.contributions(), strict=True))
    return {
        "position": np.arange(len(keys)),
        "instrument_key": keys,
        "status": legs.status.tolist(),
        "reason": legs.reason.tolist(),
        "units": legs.units,
        "lot_size": legs.lot_size,
        "price_paid": legs.price_paid,
        "price": legs.price,
        "price_source": legs.price_source.tolist(),
        "price_age_seconds": legs.price_age,
        "theoretical_price": legs.model_price,
        "underlying_price": legs.underlying_price,
        "implied_volatility": legs.implied_volatility,
        "expiry_years": legs.expiry_years,
        **dict(zip(GREEKS, legs.greeks, strict=True)),
        **{name: of_leg[name] for name in _MONEY_OF_LEG},
    }


def payoff_answer(legs: LegValues) -> dict[str, Any]:
    found = payoff(legs, np.arange(len(legs.units)))
    if isinstance(found, str):
        return {"reason": found, **dict.fromkeys(PAYOFF_NAMES)}
    values = (
        found.underlying,
        found.expiry,
        found.cost,
        found.break_evens,
        found.most,
        found.slope > 0,
        found.least,
        found.slope < 0,
    )
    return {"reason": None, **dict(zip(PAYOFF_NAMES, values, strict=True))}


PAYOFF_NAMES = (
    *("underlying", "expiry", "cost", "break_evens"),
    *("max_profit", "unlimited_profit", "max_loss", "unlimited_loss"),
)


def grid_columns(grid: Grid, shocks: Shocks, found: Statement) -> dict[str, Any]:
    """Return a row for each cell of the only portfolio."""
    count, missing = int(found.net.legs[0]), grid.missing[:, 0]
    now = int(found.net.missing[[PRICED, VALUED, GREEK], 0].max())
    reasons: list[str | None] = [None] * len(shocks)
    for cell in np.flatnonzero(missing > now).tolist():
        reasons[cell] = left_out_of_cell(int(missing[cell]), count)
    values = grid.values[:, :, 0].copy()
    if found.mixed()[0]:
        values[:] = np.nan
    return {
        "spot_shock": shocks.spot,
        "volatility_shock": shocks.volatility,
        "days_forward": shocks.days,
        **dict(zip(CELL_NAMES, values, strict=True)),
        "legs_left_out": missing,
        "legs_expired": grid.expired[:, 0],
        "reason": reasons,
    }
