"""The terms of options beside their quotes."""

from dataclasses import dataclass

import numpy as np

from signals.greeks.core.prices import QuoteColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractColumns:
    """Options in the caller's order: float64 of equal length unless noted otherwise, NaN for unknown."""

    sign: np.ndarray  # +1 call, -1 put; NaN for what is no option
    strike: np.ndarray
    expires_at: np.ndarray  # seconds since 1970
    black76: np.ndarray  # bool: the underlying's own pricing model
    dividend_yield: np.ndarray  # the underlying's own
    quotes: QuoteColumns
    american: np.ndarray | None = None  # bool: the underlying's own exercise; None: all are European
