"""The one JSON form of a configuration, and what is read back from it."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from signals.configs.core.document import Document, FunctionAsked
from signals.configs.core.frequency import parse_frequency
from signals.indicators.core.spec import parse_spec
from signalsite.foundation.errors import DataAccessError, InvalidInput
from timeframes.core.keys import parse_key
from timeframes.core.timeframe import parse_timeframe


class UnreadableDocument(DataAccessError):
    """A stored document is none: it is older than a change of ours, or somebody else wrote it."""


def to_json(document: Document) -> dict[str, Any]:
    """Return every field, in one order, as values that JSON can write. Equal documents have equal ones."""
    greeks = document.greeks
    return {
        "name": document.name,
        "instruments": list(document.instruments),
        "interval": document.interval,
        "frequency": document.frequency,
        "anchor": document.anchor,
        "greeks": None if greeks is None else {"columns": list(greeks.columns), "params": dict(greeks.params)},
        "indicators": list(document.indicators),
        "functions": _functions(document.functions),
        "external_functions": _functions(document.external_functions),
        "join": dict(document.join),
        "bars": document.bars,
        "active": document.active,
    }


def _functions(asked: Iterable[FunctionAsked]) -> list[dict[str, Any]]:
    return [{"function": each.function, "params": dict(each.params), "label": each.label} for each in asked]


def in_order(stored: Any) -> Any:
    """Return a stored document with its fields in order, as PostgreSQL does not keep them; any other value as it is."""
    try:
        return to_json(document_of(stored))
    except UnreadableDocument:
        return stored


def document_of(stored: Any) -> Document:
    """Return the document of its stored JSON. Raises UnreadableDocument.

    Its keys, timeframe, frequency and indicators can be parsed. Names of functions and columns may be of none any more.
    """
    if not isinstance(stored, Mapping):
        raise UnreadableDocument(f"the stored document cannot be read: it is a {type(stored).__name__}")
    try:
        document = msgspec.convert(stored, Document, strict=True)
        if not document.instruments:
            raise InvalidInput("instruments", "there are none")
        for key in document.instruments:
            parse_key(key)
        for spec in document.indicators:
            parse_spec(spec, "indicators")
        if document.interval is not None:
            parse_timeframe(document.interval)
        if document.frequency is not None:
            parse_frequency(document.frequency)
    except (msgspec.ValidationError, InvalidInput) as error:
        raise UnreadableDocument(f"the stored document cannot be read: {error}") from error
    return document
