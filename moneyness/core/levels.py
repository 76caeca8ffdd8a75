"""Moneyness levels: how far a strike is from the money, counted in strikes.

The depth of a level is 0 at the money (ATM), positive in the money (ITM1, ITM2, ...) and negative out of it (OTM1,
...). Calls are in the money below the money and puts above it, so each level names two strikes.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence

from signalsite.foundation.errors import InvalidInput

_LEVEL = re.compile(r"(ITM|OTM)([1-9][0-9]{0,3})")


class UnknownLevel(InvalidInput):
    """The text is not a level; the message lists what is."""

    def __init__(self, message: str) -> None:
        super().__init__("moneyness_level", message)


def at_the_money(strikes: Sequence[float], price: float) -> int:
    """Return the place of the strike nearest to `price`, or the lower of two as near.

    `strikes` are ascending and hold one at least.
    """
    place = bisect_left(strikes, price)
    near = range(max(place - 1, 0), min(place + 1, len(strikes)))
    return min(near, key=lambda each: abs(strikes[each] - price))


def parse_level(text: str, deepest: int) -> int:
    """Return the depth of ATM, ITMn or OTMn with n up to `deepest`. Raises UnknownLevel.

    >>> parse_level("ATM", 10), parse_level("ITM2", 10), parse_level("OTM10", 10)
    (0, 2, -10)
    """
    if text == "ATM":
        return 0
    found = _LEVEL.fullmatch(text)
    if found is None or int(found[2]) > deepest:
        raise UnknownLevel(
            f"moneyness level {text[:20]!r} is none of ATM, ITM1 to ITM{deepest} and OTM1 to OTM{deepest}"
        )
    return int(found[2]) if found[1] == "ITM" else -int(found[2])


def level_name(depth: int) -> str:
    """Return the level's name: the inverse of `parse_level`."""
    return f"{'ITM' if depth > 0 else 'OTM'}{abs(depth)}" if depth else "ATM"


def level_places(money: int, depth: int, count: int) -> tuple[int | None, int | None]:
    """Return the places of the level's call and put among `count` ascending strikes, None beyond their ends.

    `money` is the place of the at-the-money strike.
    """
    call, put = money - depth, money + depth
    return (call if 0 <= call < count else None), (put if 0 <= put < count else None)
