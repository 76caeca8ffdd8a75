"""The option at any delta, read from the state of a smile as `deltas` reads it from a chain."""

from datetime import date

from moneyness.core.chain_slice import Number
from moneyness.core.contract_names import option_name
from moneyness.core.states import DeltaStrike, SmileState

_NO_MONEY = "the chain has no strike at the money"
_NO_DELTA = "no option of that side has a delta"


def strike_at_delta(smile: SmileState, target: float, call: bool) -> DeltaStrike:
    """Return the option of one side at an absolute delta: interpolated in delta, and the nearest contract.

    As in `find_deltas`, the options at and out of the money that have a delta count, from the ATM strike outwards.
    Where a value is null, `reason` says why. The state may be a stranger's: its columns have one length.
    """
    points, side = smile.points, "call" if call else "put"
    deltas, volatilities, prices = (getattr(points, f"{side}_{name}") for name in ("delta", "volatility", "price"))
    found = DeltaStrike(
        underlying=smile.underlying,
        expiry=smile.expiry,
        as_of=smile.as_of,
        option_type=side,
        delta=target,
        strike=None,
        implied_volatility=None,
        nearest_strike=None,
        nearest_instrument_key=None,
        nearest_delta=None,
        nearest_implied_volatility=None,
        nearest_price=None,
        reason=_NO_MONEY,
        receipt=smile.receipt,
    )
    if smile.atm_strike is None or smile.atm_strike not in points.strike:
        return found
    middle = points.strike.index(smile.atm_strike)
    outwards = range(middle, len(points.strike)) if call else range(middle, -1, -1)
    places = [place for place in outwards if deltas[place] is not None]
    found.reason = _NO_DELTA
    if not places:
        return found
    sizes = [abs(deltas[place]) for place in places]
    near = places[min(range(len(sizes)), key=lambda each: abs(sizes[each] - target))]
    found.nearest_strike = points.strike[near]
    found.nearest_delta, found.nearest_price = deltas[near], prices[near]
    found.nearest_implied_volatility = volatilities[near]
    sign = 1.0 if call else -1.0
    found.nearest_instrument_key = option_name(
        smile.underlying, date.fromisoformat(smile.expiry), sign, points.strike[near]
    )
    found.reason = f"the {side}s at and out of the money have deltas from {min(sizes):.4g} to {max(sizes):.4g}"
    for at, size in enumerate(sizes):
        if size == target:
            found.strike, found.implied_volatility = points.strike[places[at]], volatilities[places[at]]
        elif size > target and at + 1 < len(sizes) and sizes[at + 1] < target:
            share = (size - target) / (size - sizes[at + 1])
            inner, outer = places[at], places[at + 1]
            found.strike = _between(points.strike[inner], points.strike[outer], share)
            found.implied_volatility = _between(volatilities[inner], volatilities[outer], share)
        else:
            continue
        found.reason = None
        break
    return found


def _between(inner: Number, outer: Number, share: float) -> Number:
    return None if inner is None or outer is None else inner + share * (outer - inner)
