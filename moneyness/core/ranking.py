"""How a value stands among earlier ones."""

from dataclasses import dataclass

import numpy as np

from timeframes.core.bars import Floats


@dataclass(frozen=True, slots=True)
class Standing:
    """NaN for what too few values do not give. `known`: how many there are, the newest included."""

    value: float
    known: int
    lowest: float
    highest: float
    mean: float
    rank: float
    percentile: float


def standing(values: Floats) -> Standing:
    """Return how the newest known value stands among all. `values` are in the order of time; NaN is not known.

    The rank is (value - lowest) / (highest - lowest) over all of them. The percentile is the share of the earlier ones
    that are lower.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return Standing(np.nan, 0, np.nan, np.nan, np.nan, np.nan, np.nan)
    value, lowest, highest = float(known[-1]), float(known.min()), float(known.max())
    earlier = known[:-1]
    return Standing(
        value=value,
        known=len(known),
        lowest=lowest,
        highest=highest,
        mean=float(known.mean()),
        rank=(value - lowest) / (highest - lowest) if highest > lowest else np.nan,
        percentile=float((earlier < value).mean()) if len(earlier) else np.nan,
    )
