"""Which levels of an underlying are published: those that its settings name."""

import time
from collections import OrderedDict

from asgiref.sync import sync_to_async

from moneyness.core.level_grammar import levels_of
from moneyness.selectors import chain_params
from realtime.core.topic_grammar import LevelTopic, UnknownTopic

KEPT_SECONDS, KEPT = 30.0, 1000
_kept: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()  # by underlying: until when, and its levels


async def check_level(wanted: LevelTopic) -> None:
    """Raise UnknownTopic for a level that is not published."""
    names = await _levels(wanted.underlying)
    if wanted.level not in names:
        raise UnknownTopic(f"level {wanted.level} of {wanted.underlying} is not published: {_brief(names)} are")


async def _levels(underlying: str) -> tuple[str, ...]:
    until, names = _kept.get(underlying, (0.0, ()))
    if time.monotonic() >= until:
        names = await sync_to_async(_read_levels)(underlying)
        _kept[underlying] = time.monotonic() + KEPT_SECONDS, names
        _kept.move_to_end(underlying)
        if len(_kept) > KEPT:
            _kept.popitem(last=False)
    return names


def _read_levels(underlying: str) -> tuple[str, ...]:
    return tuple(level.name for level in levels_of(chain_params([underlying])[underlying]))


def _brief(names: tuple[str, ...]) -> str:
    """Name the levels by strikes by their ends."""
    by_strikes = [name for name in names if name[3:].isdigit()]
    others = [name for name in names if not name[3:].isdigit()]
    deepest = max((int(name[3:]) for name in by_strikes), default=0)
    return ", ".join([*others[:1], f"ITM1 to ITM{deepest}", f"OTM1 to OTM{deepest}", *others[1:]])
