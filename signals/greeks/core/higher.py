"""Greeks of higher order for the options of an answer."""

from collections.abc import Sequence

import numpy as np

from signals.greeks.core.conventions import HIGHER_ORDER
from signals.greeks.core.engine import higher_order_greeks
from signals.greeks.core.evaluate import GreeksResult, OptionColumns


def higher_greeks(options: OptionColumns, result: GreeksResult, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return those of HIGHER_ORDER that are named, at each option's volatility in `result`, wherever it came from.

    NaN where there is no volatility. One pass computes all ten, so two names cost what ten do.
    """
    asked = [name for name in HIGHER_ORDER if name in names]
    if not asked:
        return {}
    found = higher_order_greeks(
        volatility=result.implied_volatility,
        underlying=result.underlying_used,
        strike=options.strike,
        expiry_years=result.expiry_years,
        rate=result.rate,
        dividend_yield=result.dividend_yield,
        sign=options.sign,
        black76=result.black76,
    )
    return {name: getattr(found, name) for name in asked}
