"""What a portfolio of one underlying and one expiry pays at that expiry."""

from dataclasses import dataclass

import numpy as np

from signals.positions.core.values import LegValues

ROUNDING = 1e-12
"""Profits and slopes below this part of what is held are roundings of 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payoff:
    """Profit at expiry as a function of the underlying's price S >= 0: straight between `prices`.

    `slope`: beyond the last of them. `most` and `least` are the largest and the smallest profit, NaN where there is no
    end to it. `break_evens`: where the profit is 0, in ascending order; a stretch of zeros gives its ends.
    """

    underlying: str
    expiry: str | None
    cost: float
    prices: np.ndarray
    profits: np.ndarray
    slope: float
    break_evens: list[float]
    most: float
    least: float


def payoff(legs: LegValues, rows: np.ndarray) -> Payoff | str:
    """Return the payoff of the legs `rows` (places), or why there is none.

    The cost of a leg is the price paid, else its price now.
    """
    held = rows[legs.units[rows] != 0.0]
    if not len(held):
        return "nothing is held"
    underlyings = {legs.underlying[place] for place in held.tolist()}
    if len(underlyings) > 1:
        return f"the legs have {len(underlyings)} underlyings"
    expiries = {legs.expiry[place] for place in held.tolist()} - {None}
    if len(expiries) > 1:
        return f"the legs have {len(expiries)} expiries"
    cost = np.where(np.isnan(legs.price_paid[held]), legs.price[held], legs.price_paid[held])
    unknown = held[np.isnan(cost)]
    if len(unknown):
        return f"legs[{unknown[0] - rows[0]}] has neither a price paid nor a price now"
    units, sign, strike = legs.units[held], legs.sign[held], legs.strike[held]
    option = legs.is_option[held]
    prices = np.unique(np.concatenate([[0.0], strike[option]]))
    spent = float(units @ cost)
    call, put = option & (sign > 0), option & (sign < 0)
    paid = _above(prices, strike[call], units[call]) + _below(prices, strike[put], units[put])
    paid += prices * units[~option].sum()
    profits = paid - spent
    profits[np.abs(profits) <= ROUNDING * float(np.abs(units) @ (np.abs(cost) + prices[-1]))] = 0.0
    slope = float(units[~option | call].sum())
    if abs(slope) <= ROUNDING * float(np.abs(units).sum()):
        slope = 0.0
    expiry = next(iter(expiries), None)
    return Payoff(
        underlying=underlyings.pop(),
        expiry=expiry.isoformat() if expiry else None,
        cost=spent,
        prices=prices,
        profits=profits,
        slope=slope,
        break_evens=_zeros(prices, profits, slope),
        most=float("nan") if slope > 0 else float(profits.max()),
        least=float("nan") if slope < 0 else float(profits.min()),
    )


def _above(prices: np.ndarray, strike: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return the sum of units x max(price - strike, 0) at each price."""
    order = np.argsort(strike)
    strike, units = strike[order], units[order]
    held, spent = (np.concatenate([[0.0], np.cumsum(each)]) for each in (units, units * strike))
    upto = np.searchsorted(strike, prices)
    return np.asarray(prices * held[upto] - spent[upto])


def _below(prices: np.ndarray, strike: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return the sum of units x max(strike - price, 0) at each price."""
    return _above(-prices, -strike, units)


def _zeros(prices: np.ndarray, profits: np.ndarray, slope: float) -> list[float]:
    found: list[float] = []
    last = len(prices) - 1
    known = profits.tolist()
    for place, (price, profit) in enumerate(zip(prices.tolist(), known, strict=True)):
        after = known[place + 1] if place < last else profit + slope
        if profit == 0.0:
            if not (place and known[place - 1] == 0.0 and after == 0.0):  # not inside a stretch of zeros
                found.append(price)
        elif place < last and profit * after < 0.0:
            found.append(price + (float(prices[place + 1]) - price) * profit / (profit - after))
        elif place == last and profit * slope < 0.0:
            found.append(price - profit / slope)
    return found
