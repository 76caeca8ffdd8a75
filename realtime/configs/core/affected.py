"""What in Redis depends on a configuration, and what a change of one affects (S36, S37).

A cached result stays valid while everything it was computed from is the same. So a change that only adds an instrument
affects no cache of the others, and another configuration's caches are never affected.

Documents come from the database, where anybody may have written: what is not as it should be is left out.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from timeframes.core.keys import InvalidInstrumentKey, parse_key

_TIMING = ("interval", "frequency", "anchor")
_INDICATORS = ("indicators",)
_COMPUTED = ("greeks", "indicators", "functions", "external_functions", "join", "bars")


class Slot(NamedTuple):
    """What a key `config:` stands for. None: the configuration has no interval, or no frequency."""

    instrument_key: str
    interval: str | None
    frequency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """`slots`: whose `config:` may differ now. `indicators`: slots whose `ta_results:` are no longer valid. `results`:
    instruments whose results are no longer valid. `unwanted`: instruments and intervals whose indicators this
    configuration asked for and asks for no longer."""

    slots: frozenset[Slot]
    indicators: frozenset[Slot]
    results: frozenset[str]
    unwanted: frozenset[tuple[str, str]]


Stored = Mapping[str, Any] | None
"""A stored document; None: there is none, before the first version and after the last."""


def affected(before: Stored, after: Stored) -> Affected:
    then, now = _running(before), _running(after)
    had, has = _instruments(then), _instruments(now)
    same_indicators = _same(then, now, (*_TIMING, *_INDICATORS))
    same_results = _same(then, now, (*_TIMING, *_COMPUTED))
    stays = had & has
    wanted = {(key, _text(now, "interval")) for key in has} if now.get("indicators") else set()
    return Affected(
        slots=frozenset(slots(before) | slots(after)),
        indicators=frozenset(
            Slot(key, _text(then, "interval"), _text(then, "frequency"))
            for key in (had - stays if same_indicators else had)
            if then.get("indicators")
        ),
        results=frozenset(had - stays if same_results else had),
        unwanted=frozenset(
            (key, interval)
            for key in had
            if then.get("indicators") and (interval := _text(then, "interval")) and (key, interval) not in wanted
        ),
    )


def slots(document: Stored) -> set[Slot]:
    """Return the slots of a configuration, whether it runs or not."""
    found = document if isinstance(document, Mapping) else {}
    interval, frequency = _text(found, "interval"), _text(found, "frequency")
    return {Slot(key, interval, frequency) for key in _instruments(found)}


def underlyings_of(instrument_keys: Iterable[str]) -> list[str]:
    """Return the underlyings of these instruments. What is no instrument key has none."""
    found = set()
    for key in instrument_keys:
        with suppress(InvalidInstrumentKey):
            found.add(parse_key(key).underlying)
    return sorted(found)


def narrowed(document: Mapping[str, Any], instrument_key: str) -> dict[str, Any]:
    """Return the document for one of its instruments.

    With all of them under the key of each, a configuration of n instruments would take n x n of their size.
    """
    return {**document, "instruments": [instrument_key]}


def _running(document: Stored) -> Mapping[str, Any]:
    return document if isinstance(document, Mapping) and document.get("active") is not False else {}


def _instruments(document: Mapping[str, Any]) -> set[str]:
    found = document.get("instruments")
    return {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()


def _text(document: Mapping[str, Any], name: str) -> str | None:
    found = document.get(name)
    return found if isinstance(found, str) and found else None


def _same(then: Mapping[str, Any], now: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return all((then.get(name) or None) == (now.get(name) or None) for name in names)
