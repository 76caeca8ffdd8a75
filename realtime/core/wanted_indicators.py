"""Which series of bars have live indicators: those that active configurations name.

A series is an instrument's bars of a timeframe. Several configurations may name it: it has the indicators of all.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from realtime.core.bar_places import refusal
from signals.configs.core.document import Document
from timeframes.core.keys import parse_key
from timeframes.core.timeframe import parse_timeframe


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesWanted:
    """`specs`: texts of indicators."""

    instrument_key: str
    timeframe: str
    specs: tuple[str, ...]


def wanted_series(documents: Iterable[Document], underlyings: Collection[str]) -> list[SeriesWanted]:
    """Return the series of these active configurations, of instruments of these underlyings.

    Those of which no bars can be folded live are left out: their configurations have the reason in their results.
    """
    by_name: dict[tuple[str, str], set[str]] = {}
    for document in documents:
        if document.interval is None or not document.indicators or not document.active:
            continue
        timeframe = parse_timeframe(document.interval)
        for text in dict.fromkeys(document.instruments):
            key = parse_key(text)
            if key.underlying in underlyings and refusal(key.exchange, timeframe, document.anchor) is None:
                by_name.setdefault((text, document.interval), set()).update(document.indicators)
    return [
        SeriesWanted(instrument_key=key, timeframe=timeframe, specs=tuple(sorted(specs)))
        for (key, timeframe), specs in by_name.items()
    ]
