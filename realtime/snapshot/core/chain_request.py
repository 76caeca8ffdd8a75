"""Which part of an option chain a request asks for."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from moneyness.core.levels import at_the_money
from realtime.core.topic_grammar import is_instrument
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import InvalidInstrumentKey, Right, parse_key

DEFAULT_STRIKES = 10
MAX_STRIKES = 1_000
_PRICE = r"[0-9]{1,12}(\.[0-9]{1,6})?"
STRIKES = re.compile(rf"^(all|[0-9]{{1,4}}|{_PRICE}:{_PRICE})$")


@dataclass(frozen=True, slots=True)
class StrikeWindow:
    """Either `around` strikes on each side of the money (None for all), or those from `lowest` to `highest`."""

    around: int | None = DEFAULT_STRIKES
    lowest: float | None = None
    highest: float | None = None

    def choose(self, strikes: Iterable[float], money: float | None) -> list[float]:
        """Return the wanted strikes, ascending. `money`: the price at the money."""
        found = sorted(strikes)
        if self.lowest is not None and self.highest is not None:
            return [strike for strike in found if self.lowest <= strike <= self.highest]
        if self.around is None or not found:
            return found
        middle = at_the_money(found, money) if money is not None else len(found) // 2
        return found[max(middle - self.around, 0) : middle + self.around + 1]


def parse_strikes(text: str) -> StrikeWindow:
    """Parse `10` (on each side of the money), `all`, or `23000:24500`. Raises InvalidInput."""
    low, colon, high = text.partition(":")
    if STRIKES.fullmatch(text):
        if text == "all":
            return StrikeWindow(around=None)
        if colon and float(low) <= float(high):
            return StrikeWindow(None, float(low), float(high))
        if not colon and int(text) <= MAX_STRIKES:
            return StrikeWindow(int(text))
    raise InvalidInput(
        "strikes", f"strikes {text[:40]!r} is neither a number up to {MAX_STRIKES}, nor all, nor LOWEST:HIGHEST"
    )


def options_by_expiry(topics: Iterable[str]) -> dict[date, dict[float, dict[Right, str]]]:
    """Return the options among an underlying's topics: expiry -> strike -> right -> key."""
    found: dict[date, dict[float, dict[Right, str]]] = {}
    for topic in topics:
        if "_options@" not in topic or not is_instrument(topic):
            continue
        try:
            key = parse_key(topic)
        except InvalidInstrumentKey:  # left there by another version
            continue
        if key.expiry is not None and key.strike is not None:
            found.setdefault(key.expiry, {}).setdefault(float(key.strike), {})[key.right] = topic
    return found


def choose_expiry(
    options: Mapping[date, Mapping[float, Mapping[Right, str]]], wanted: date | None, today: date
) -> date | None:
    """Return the wanted expiry, or by default the nearest from `today` on. Return None if it is not live."""
    if wanted is not None:
        return wanted if wanted in options else None
    return min((expiry for expiry in options if expiry >= today), default=None)
