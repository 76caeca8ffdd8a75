"""Builders of what levels and deltas say. Arguments: `moneyness.core.chain_states`."""

from collections.abc import Callable

from moneyness.core.evaluation import SIDES, ChainEvaluation
from moneyness.core.level_grammar import levels_of
from moneyness.core.state_parts import expiry_of, receipt, spot_of, underlying_of, value
from moneyness.core.states import Aggregate, DeltaStrike, GreekSums, LevelGreeks
from signals.greeks.core.conventions import FIRST_ORDER

CALL, PUT = "call", "put"
_SIGNS = {CALL: 1.0, PUT: -1.0}


def level_greeks(evaluation: ChainEvaluation, group: int, level: str, as_of: str) -> LevelGreeks:
    """Return the aggregates of a level that the evaluation has. Raises KeyError for another one.

    `level_grammar.with_level` gives the parameters of an evaluation that has a level.
    """
    levels = levels_of(evaluation.params)
    number = next((number for number, each in enumerate(levels) if each.name == level), None)
    if number is None:
        raise KeyError(level)
    first = (group * len(levels) + number) * len(SIDES)
    both, calls, puts = (_aggregate(evaluation, first + side) for side in range(len(SIDES)))
    return LevelGreeks(
        underlying=underlying_of(evaluation, group),
        expiry=expiry_of(evaluation, group),
        as_of=as_of,
        level=level,
        rule=str(levels[number].rule),
        spot=spot_of(evaluation, group),
        atm_strike=value(evaluation.money.atm_strike, group),
        both=both,
        calls=calls,
        puts=puts,
        receipt=receipt(evaluation, group),
    )


def _aggregate(evaluation: ChainEvaluation, row: int) -> Aggregate:
    levels = evaluation.levels
    means, by_interest, by_volume = (
        matrix[row].tolist() for matrix in (levels.greeks_mean, levels.greeks_oi, levels.greeks_volume)
    )
    greeks = dict(zip(FIRST_ORDER, map(GreekSums, means, by_interest, by_volume), strict=True))
    return Aggregate(
        options=int(levels.options[row]),
        priced=int(levels.priced[row]),
        strike_low=value(levels.strike_low, row),
        strike_high=value(levels.strike_high, row),
        open_interest=value(levels.open_interest, row),
        volume=value(levels.volume, row),
        premium=value(levels.premium, row),
        implied_volatility=value(levels.implied_volatility, row),
        implied_volatility_by_open_interest=value(levels.implied_volatility_oi, row),
        quality=value(levels.quality, row),
        **greeks,
    )


def delta_strike(
    evaluation: ChainEvaluation,
    group: int,
    target: float,
    option_type: str,
    as_of: str,
    key_of: Callable[[int], str | None] | None = None,
) -> DeltaStrike:
    """Return the strike at an absolute delta that the evaluation has, of calls or puts. Raises KeyError for another.

    `key_of` gives the instrument key of an option by its place among `chains.options`.
    """
    deltas = evaluation.deltas
    sign = _SIGNS[option_type]
    rows = ((deltas.group == group) & (deltas.target == target) & (deltas.sign == sign)).nonzero()[0]
    if not len(rows):
        raise KeyError(target)
    row = int(rows[0])
    option = int(deltas.nearest_option[row])
    strike = float(deltas.strike[row])
    return DeltaStrike(
        underlying=underlying_of(evaluation, group),
        expiry=expiry_of(evaluation, group),
        as_of=as_of,
        option_type=option_type,
        delta=target,
        strike=strike,
        implied_volatility=value(deltas.implied_volatility, row),
        nearest_strike=value(deltas.nearest_strike, row),
        nearest_instrument_key=key_of(option) if key_of is not None and option >= 0 else None,
        nearest_delta=value(deltas.nearest_delta, row),
        nearest_implied_volatility=value(deltas.nearest_volatility, row),
        nearest_price=value(deltas.nearest_price, row),
        reason=None if strike == strike else _no_strike(option),
        receipt=receipt(evaluation, group),
    )


def _no_strike(nearest: int) -> str:
    if nearest < 0:
        return "no option of this side at or out of the money has a delta"
    return "no two neighbouring options of this side enclose this delta"
