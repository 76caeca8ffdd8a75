"""Check the values that items set instead of the market's."""

import sys
from typing import Any

from signalsite.foundation.computations.contract import Bounds

_LARGEST = sys.float_info.max  # excludes NaN, infinity and integers too large for a float


def why_refused(name: str, value: Any, bounds: Bounds) -> str:
    """Return why the value is no number within the bounds; empty if it is one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
        return f"{name} must be a number"
    return "" if bounds.admits(value) else f"{name} must be {bounds}, not {value:g}"
