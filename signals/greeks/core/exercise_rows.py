"""Which options may be exercised before expiry."""

import numpy as np

from signals.greeks.core.conventions import Exercise, GreeksParams


def american_rows(own: np.ndarray | None, params: GreeksParams, count: int) -> np.ndarray:
    """Return which options are American (bool): `own` is what their underlyings say, None if all are European."""
    if params.exercise is Exercise.UNDERLYING:
        return np.zeros(count, np.bool_) if own is None else own
    return np.full(count, params.exercise is Exercise.AMERICAN)
