"""Implausible ticks: rejected, or stored and marked as suspect. Pure: times are passed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from realtime.ticks.core.book import Book, price_of
from realtime.ticks.core.tick import Tick


class Suspect(StrEnum):
    """Why a tick is stored but not used for pricing."""

    JUMP = "jump"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sanity:
    """The checks of a feed. Times in seconds; 0 switches a check off.

    `max_jump`: a price of a spot or volatility index is suspect if it differs by more than this fraction from the last
    accepted price, within `jump_seconds` of it. A suspect price is not accepted, so the last accepted one grows older
    until a true change of level passes. `max_late`: an older tick is suspect. `max_expiry_years` and
    `max_new_contracts` (a minute and underlying) bound the contracts that a feed may add
    (`realtime.ticks.core.new_contracts`).
    """

    refuse_zero: bool
    max_jump: float
    jump_seconds: float
    max_late: float
    max_expiry_years: float
    max_new_contracts: int

    def sift(self, ticks: Sequence[Tick], book: Book, now: float | None) -> Sequence[Tick]:
        """Mark suspect ticks and return the others. `now`: None if each tick's own time is now."""
        oldest = now - self.max_late if now is not None and self.max_late else float("-inf")
        recent = book.recent
        doubted = [tick for tick in ticks if tick.seconds < oldest]
        for tick in doubted:
            tick.suspect = Suspect.LATE
        newest: dict[str, tuple[float, float]] = {}  # time and price of the last accepted, by key
        for tick in [tick for tick in ticks if tick.contract.text in recent] if self.max_jump else ():
            if tick.suspect:
                continue
            key, price = tick.contract.text, price_of(tick.fields)[0]
            before = newest.get(key)
            if before is None or before[0] > tick.seconds:
                before = recent[key].at(tick.seconds)
                newest.setdefault(key, before)
            if self._jumps(tick, price, *before):
                tick.suspect = Suspect.JUMP
                doubted.append(tick)
            elif not newest[key][0] > tick.seconds:
                newest[key] = (tick.seconds, price)
        return [tick for tick in ticks if not tick.suspect] if doubted else ticks

    def _jumps(self, tick: Tick, price: float, seconds: float, before: float) -> bool:
        """Return whether the price or last trade is too far from `before`, if that price (at `seconds`) is recent."""
        if not (before > 0 and tick.seconds - seconds <= self.jump_seconds):
            return False
        bound, last = self.max_jump * before, tick.fields.ltp
        return abs(price - before) > bound or (last is not None and abs(last - before) > bound)
