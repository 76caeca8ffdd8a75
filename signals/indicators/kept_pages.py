"""Pages of indicators in memory. Each is checked before it is served, as pages of bars are (`timeframes.bars.changes`).

A page is made of the bars in it and of those before it that its values need. It is kept with the state of the database
in which it was made, and made anew once anything of that has changed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from prometheus_client import Counter

from signals.indicators.selectors import Computed
from timeframes.bars.changes import Basis, Moment, current_moment, unchanged
from timeframes.bars.stored import Wanted
from timeframes.core.grid import dates_of, instant, make_grid, microseconds
from timeframes.core.page_memory import PageMemory
from timeframes.core.timeframe import DAY

_OVERHEAD = 1024  # bytes of a page besides its body
_MOMENT = timedelta(microseconds=1)
ASKED = Counter(
    "signal_service_indicator_pages", "Pages of indicators that were asked for, by their source.", ["source"]
)


@dataclass(frozen=True, slots=True)
class IndicatorPage:
    """`following`: the next cursor. `basis`: None for a page that may not be kept. `until`: the moment at which a bar
    of it ends, in microseconds since 1970; None: no bar is open."""

    body: bytes
    following: str | None = None
    basis: Basis | None = None
    until: int | None = None


MEMORY: PageMemory[IndicatorPage] = PageMemory(settings.BARS_CACHE_BYTES // 4)


def look_up(name: str, now: datetime, make: Callable[[Moment | None], IndicatorPage]) -> IndicatorPage:
    """Return the kept page of this name if it is still right, or make and keep it.

    `make` takes the state of the database before its first read.
    """
    held = MEMORY.get(name)
    if held is not None and held.basis is not None and (held.until is None or microseconds(now) < held.until):
        moment = unchanged([held.basis])[0]
        if moment is not None:
            held = replace(held, basis=replace(held.basis, moment=moment))
            MEMORY.put(name, held, len(held.body) + _OVERHEAD)
            ASKED.labels("memory").inc()
            return held
    MEMORY.drop(name)
    ASKED.labels("made").inc()
    page = make(current_moment())
    if page.basis is not None:
        MEMORY.put(name, page, len(page.body) + _OVERHEAD)
    return page


def basis_of_page(
    wanted: Wanted, found: Computed, moment: Moment | None, *, open_end: bool, now: datetime
) -> Basis | None:
    """Return what a page of history is made of. None: it may not be kept, for a bar of it is open.

    `open_end`: the range ends now.
    """
    page = found.page
    if moment is None or page is None or page.early or not found.complete.all():
        return None
    ends = found.following is not None or not open_end
    if not ends and not _is_past(wanted, now):
        return None
    return Basis(wanted.key, min(_first(found), page.first), page.last if ends else None, moment)


def basis_of_newest(wanted: Wanted, found: Computed, moment: Moment | None, now: datetime) -> Basis | None:
    if moment is None or not len(found.bars) or not _is_past(wanted, now):
        return None
    return Basis(wanted.key, _first(found), None, moment)


def open_until(wanted: Wanted, found: Computed, now: datetime) -> int | None:
    """Return when the open bar of the newest ones ends; of one of days or longer, a second from now. None: no bar is
    open."""
    if not len(found.bars) or found.complete[-1]:
        return None
    if not isinstance(wanted.timeframe, int) or wanted.timeframe >= DAY:
        return microseconds(now + timedelta(seconds=1))
    last = found.bars.time[-1:]
    at = instant(int(last[0]))
    grid = make_grid(
        wanted.exchange, wanted.timeframe, wanted.anchor, *dates_of(wanted.exchange, wanted.anchor, at, at + _MOMENT)
    )
    return int(grid.bar_ends(last)[0])


def _first(found: Computed) -> int:
    """Return the time from which on stored data decides the values; 0 where earlier bars would count too."""
    history = found.history
    enough = history.needed is not None and len(history.bars) >= history.needed
    return int(history.bars.time[0]) if enough and len(history.bars) else 0


def _is_past(wanted: Wanted, now: datetime) -> bool:
    """Return whether all that is stored is of times before now: a bar that begins later would appear by itself."""
    stored = wanted.stored
    extents = [*stored.bars.values(), *([stored.ticks] if stored.ticks else [])]
    return all(last < now - _MOMENT for _, last in extents)
