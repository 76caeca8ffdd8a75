"""Moneyness as a ratio, and windows of it."""

import numpy as np


def moneyness(strike: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Return strike over forward: 1 at the money; below 1 puts are out of the money, above 1 calls are."""
    ratio: np.ndarray = strike / forward
    return ratio


def within(values: np.ndarray, lowest: float | None, highest: float | None) -> np.ndarray:
    """Return which values lie in the closed window. None leaves it open at that end. NaN lies in no bounded window."""
    keep = np.ones(len(values), dtype=bool)
    if lowest is not None:
        keep &= values >= lowest
    if highest is not None:
        keep &= values <= highest
    return keep
