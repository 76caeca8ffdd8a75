"""Ticks that cannot be taken at their word: refused, or kept and marked as suspect. Pure: times are passed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from realtime.core.book import Book, price_of
from realtime.core.ticks import Tick


class Suspect(StrEnum):
    """Why a tick is kept without being believed."""

    JUMP = "jump"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sanity:
    """What is believed of a feed. Times in seconds; 0 switches a check off.

    `max_jump`: the price of a spot or a volatility index that is further than this share from the last one believed,
    within `jump_seconds` of it, is suspect. A suspect price does not count as the last one believed, which grows older
    until a true change of level passes. `max_late`: a tick older than that is suspect. `max_expiry_years` and
    `max_new_contracts` (a minute and underlying) bound what only the feed speaks of (realtime.core.listing).
    """

    refuse_zero: bool
    max_jump: float
    jump_seconds: float
    max_late: float
    max_expiry_years: float
    max_new_contracts: int

    def sift(self, ticks: Sequence[Tick], book: Book, now: float | None) -> Sequence[Tick]:
        """The ticks that are believed; the others are marked. `now`: None where each tick's own time is now."""
        oldest = now - self.max_late if now is not None and self.max_late else float("-inf")
        recent = book.recent
        late = [tick for tick in ticks if tick.seconds < oldest]
        for tick in late:
            tick.suspect = Suspect.LATE
        believed: dict[str, tuple[float, float]] = {}  # time and price of the last of these ticks, by key
        doubted = bool(late)
        for tick in [tick for tick in ticks if tick.contract.text in recent] if self.max_jump else ():
            key = tick.contract.text
            before, here = recent[key].at(tick.seconds), believed.get(key)
            if here and here[0] <= tick.seconds and not before[0] > here[0]:
                before = here
            if tick.suspect:
                continue
            if self._jumps(tick, *before):
                tick.suspect = Suspect.JUMP
                doubted = True
            else:
                believed[key] = (tick.seconds, price_of(tick.fields))
        return [tick for tick in ticks if not tick.suspect] if doubted else ticks

    def _jumps(self, tick: Tick, seconds: float, price: float) -> bool:
        """Whether the middle of the market or the last trade is too far from the price at `seconds`, if that is new."""
        if not (price > 0 and tick.seconds - seconds <= self.jump_seconds):
            return False
        bound = self.max_jump * price
        return abs(price_of(tick.fields) - price) > bound or abs((tick.fields.ltp or 0.0) - price) > bound
