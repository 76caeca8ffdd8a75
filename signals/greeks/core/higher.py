"""Greeks of higher order for the options of an answer."""

from collections.abc import Sequence

import numpy as np

from signals.greeks.core.conventions import EARLY_EXERCISE, HIGHER_ORDER, Exercise
from signals.greeks.core.evaluate import GreeksResult, OptionColumns
from signals.greeks.core.exercise import early_exercise_premium, higher_order_greeks

EXERCISES = np.array([str(Exercise.EUROPEAN), str(Exercise.AMERICAN)], object)


def higher_greeks(options: OptionColumns, result: GreeksResult, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return those of HIGHER_ORDER and EARLY_EXERCISE that are named, at each option's volatility in `result`.

    NaN where there is no volatility. One pass computes all ten, so two names cost what ten do.
    """
    asked = [name for name in HIGHER_ORDER if name in names]
    early = [name for name in EARLY_EXERCISE if name in names]
    if not asked and not early:
        return {}
    contract = {
        "underlying": result.underlying_used,
        "strike": options.strike,
        "expiry_years": result.expiry_years,
        "rate": result.rate,
        "dividend_yield": result.dividend_yield,
        "sign": options.sign,
        "black76": result.black76,
    }
    volatility, american = result.implied_volatility, result.american
    values: dict[str, np.ndarray] = {}
    if asked:
        found = higher_order_greeks(volatility, contract, american, result.dividends)
        values = {name: getattr(found, name) for name in asked}
    if "exercise" in early:
        values["exercise"] = EXERCISES[american.astype(np.intp)]
    if "early_exercise_premium" in early:
        values["early_exercise_premium"] = early_exercise_premium(
            volatility, result.theoretical_price, contract, american
        )
    return values
