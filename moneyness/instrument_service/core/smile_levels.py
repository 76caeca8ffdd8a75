"""Levels of one expiry, read from the state of its smile, which has all its strikes."""

import math
from collections.abc import Iterator
from datetime import date

from moneyness.core.contract_names import option_name
from moneyness.core.level_grammar import Level, LevelRule
from moneyness.core.levels import level_name, level_places
from moneyness.core.smile_deltas import strike_at_delta
from moneyness.core.states import SmileState
from moneyness.instrument_service.core.answers import (
    AtmVolatility,
    DeltaStrikeFound,
    LevelInstruments,
    MoneynessMapping,
    OptionMoneyness,
)
from timeframes.core.keys import InstrumentKey, Right

NO_MONEY = "the chain has neither a forward nor a spot, so nothing is at the money"
NOT_LISTED = "the chain of this expiry has no such strike"


def mapping(smile: SmileState, deepest: int) -> MoneynessMapping:
    """Return the strikes of ATM, ITM1, OTM1, ... down to `deepest`, or none if nothing is at the money."""
    levels: dict[str, list[float]] = {}
    strikes, money = smile.points.strike, _money(smile)
    if money is not None:
        for depth in (0, *(sign * size for size in range(1, deepest + 1) for sign in (1, -1))):
            places = {place for place in level_places(money, depth, len(strikes)) if place is not None}
            if places:
                levels[level_name(depth)] = sorted(strikes[place] for place in places)
    return MoneynessMapping(
        underlying=smile.underlying, expiry=smile.expiry, as_of=smile.as_of, atm_strike=smile.atm_strike, levels=levels
    )


def instruments(smile: SmileState, level: Level) -> LevelInstruments:
    """Return the contracts of a level; none if the chain has no strike there."""
    expiry = date.fromisoformat(smile.expiry)
    chosen = sorted(set(_members(smile, level)), key=lambda each: (each[0], -each[1]))
    return LevelInstruments(
        underlying=smile.underlying,
        expiry=smile.expiry,
        as_of=smile.as_of,
        level=level.name,
        strikes=sorted({strike for strike, _ in chosen}),
        instruments=[option_name(smile.underlying, expiry, sign, strike) for strike, sign in chosen],
    )


def option_moneyness(smile: SmileState, key: InstrumentKey, deepest: int) -> OptionMoneyness:
    strike, call = float(key.strike or 0), key.right is Right.CALL
    forward = smile.receipt.forward if smile.receipt.forward is not None else smile.spot
    money, strikes = _money(smile), smile.points.strike
    level = None
    reason = NO_MONEY if money is None or forward is None else NOT_LISTED if strike not in strikes else None
    if money is not None and strike in strikes:
        away = money - strikes.index(strike) if call else strikes.index(strike) - money
        level = level_name(away) if abs(away) <= deepest else ("ITM" if away > 0 else "OTM")
    return OptionMoneyness(
        instrument_key=str(key),
        as_of=smile.as_of,
        level=level,
        forward=forward,
        log_moneyness=None if forward is None else math.log(strike / forward),
        percent=None if forward is None else 100.0 * (strike / forward - 1.0),
        in_the_money=None if forward is None else (forward > strike if call else forward < strike),
        reason=reason,
    )


def atm_volatility(smile: SmileState) -> AtmVolatility:
    return AtmVolatility(
        underlying=smile.underlying,
        expiry=smile.expiry,
        as_of=smile.as_of,
        atm_strike=smile.atm_strike,
        atm_implied_volatility=smile.atm_implied_volatility,
    )


def otm_delta(smile: SmileState, delta: float, call: bool) -> DeltaStrikeFound:
    found = strike_at_delta(smile, delta, call)
    return DeltaStrikeFound(**{name: getattr(found, name) for name in DeltaStrikeFound.__struct_fields__})


def _money(smile: SmileState) -> int | None:
    strike = smile.atm_strike
    return smile.points.strike.index(strike) if strike is not None and strike in smile.points.strike else None


def _members(smile: SmileState, level: Level) -> Iterator[tuple[float, float]]:
    """Yield strike and sign (+1 call, -1 put) of each option of a level."""
    strikes, money = smile.points.strike, _money(smile)
    if money is None:
        return
    if level.rule is LevelRule.DELTA:
        for call in (True, False):
            found = strike_at_delta(smile, level.delta or 0.0, call)
            if found.nearest_strike is not None:
                yield found.nearest_strike, 1.0 if call else -1.0
        return
    if level.band is not None:
        forward = smile.receipt.forward if smile.receipt.forward is not None else smile.spot
        if forward is None:
            return
        for strike in strikes:
            away = math.log(strike / forward) if level.band.logarithmic else 100.0 * (strike / forward - 1.0)
            if level.band.low <= abs(away) < level.band.high:
                above = strike > forward if away else False
                yield strike, 1.0 if above == level.band.out_of else -1.0
        return
    if level.depth is not None:
        for place, sign in zip(level_places(money, level.depth, len(strikes)), (1.0, -1.0), strict=True):
            if place is not None:
                yield strikes[place], sign
        return
    for place, strike in enumerate(strikes):
        if place != money:
            yield strike, 1.0 if (place > money) == level.out_of else -1.0
