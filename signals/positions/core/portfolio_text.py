"""A portfolio as one text, by which a job keeps it. Equal portfolios have equal texts."""

from collections.abc import Sequence

import orjson

from signals.positions.core.legs import Leg


def portfolio_text(legs: Sequence[Leg]) -> str:
    return orjson.dumps(legs, option=orjson.OPT_SORT_KEYS).decode()


def legs_of_text(text: str) -> list[Leg]:
    """Return the legs of a text that `portfolio_text` wrote. The empty text has none."""
    return [(key, numbers) for key, numbers in orjson.loads(text)] if text else []


def leg_keys(text: str) -> list[str]:
    return [key for key, _ in orjson.loads(text)] if text else []
