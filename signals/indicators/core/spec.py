"""An indicator as it is asked for: its name and parameters, checked, with the library's defaults filled in.

spec = NAME [ "(" [ PARAMETER "=" VALUE { "," PARAMETER "=" VALUE } ] ")" ]      rsi, macd(fast=8,slow=21)
"""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signals.indicators.core.catalogue import Argument, Indicator, indicators
from signalsite.foundation.errors import InvalidInput

LONGEST_TEXT = 200
MOST_OFFSET = 500
COLUMNS = ("open", "high", "low", "close", "volume")
_NAME = "[a-z][a-z0-9_]{0,31}"
PATTERN = f"^{_NAME}(\\([ a-zA-Z0-9_.,=+-]{{0,160}}\\))?$"
"""For schemas."""
_SPEC = re.compile(rf"({_NAME})(?:\(([^()]*)\))?", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{0,15})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_SHOWN = 40
OFFSET = Argument("offset", int, 0, 0, MOST_OFFSET)
SOURCE = Argument("close", str, "close", choices=COLUMNS)


@dataclass(frozen=True, slots=True)
class Spec:
    """`params`: every parameter of the library's, by name in order. `source`: the column in the place of the close.
    `offset`: by how many bars the values come later."""

    name: str
    params: tuple[tuple[str, Any], ...]
    source: str = "close"
    offset: int = 0

    def __str__(self) -> str:
        defaults = indicators()[self.name].arguments
        given = [f"{name}={_text(value)}" for name, value in self.params if value != defaults[name].default]
        given += [f"close={self.source}"] * (self.source != "close") + [f"offset={self.offset}"] * bool(self.offset)
        return f"{self.name}({','.join(given)})" if given else self.name


def read_spec(value: Any, field: str) -> Spec:
    """Read a spec of text, or an object as pandas_ta's strategies have them: {"kind": "rsi", "length": 21}.

    Raises InvalidInput.
    """
    if isinstance(value, str):
        return parse_spec(value, field)
    if not isinstance(value, Mapping) or len(value) > len(COLUMNS) + 40:
        raise InvalidInput(field, "must be a text such as rsi(length=21), or an object such as {kind: rsi, length: 21}")
    if not all(isinstance(name, str) for name in value):
        raise InvalidInput(field, "names of parameters are texts")
    if "kind" not in value:
        raise InvalidInput(f"{field}.kind", "is missing: the name of the indicator")
    return make_spec(value["kind"], {name: each for name, each in value.items() if name != "kind"}, field)


def parse_spec(text: str, field: str) -> Spec:
    if len(text) > LONGEST_TEXT or (found := _SPEC.fullmatch(text)) is None:
        raise InvalidInput(field, f"{_shown(text)} is no indicator: write rsi or macd(fast=8,slow=21)")
    given: dict[str, str] = {}
    for part in (found[2] or "").split(",") if (found[2] or "").strip() else ():
        name, mark, value = (each.strip() for each in part.partition("="))
        if not mark or not name or not value:
            raise InvalidInput(field, f"{_shown(part)} is no parameter: write length=21")
        if name in given:
            raise InvalidInput(f"{field}.{_plain(name)}", "is given twice")
        given[name] = value
    return make_spec(found[1], given, field, texts=True)


def find_indicator(name: Any, field: str) -> Indicator:
    """Raises InvalidInput, which names the nearest ones."""
    known = indicators()
    if not isinstance(name, str):
        raise InvalidInput(field, f"must be the name of an indicator, not {_kind(name)}")
    found = known.get(name)
    if found is None:
        raise InvalidInput(field, f"{_shown(name)} is no indicator{_nearest(name, known)}; GET indicators lists all")
    if found.missing:
        raise InvalidInput(field, f"{name} is not offered: {found.missing}")
    return found


def make_spec(name: Any, given: Mapping[str, Any], field: str, *, texts: bool = False) -> Spec:
    """Return the spec of these parameters. `texts`: values are texts, as in queries. Raises InvalidInput."""
    found = find_indicator(name, field)
    known = {**found.arguments, OFFSET.name: OFFSET, **({SOURCE.name: SOURCE} if found.takes_source else {})}
    for each in given:
        if each not in known:
            names = ", ".join(known)
            raise InvalidInput(
                f"{field}.{_plain(each)}", f"is no parameter of {found.name}{_nearest(each, known)}; it has {names}"
            )
    values = {
        each: _value(known[each], value, f"{field}.{each}", texts) for each, value in given.items() if value is not None
    }
    params = tuple((each, values.get(each, argument.default)) for each, argument in found.arguments.items())
    _check_together(dict(params), field)
    return Spec(found.name, params, values.get("close", "close"), values.get("offset", 0))


def _check_together(params: Mapping[str, Any], field: str) -> None:
    length, ddof = params.get("length"), params.get("ddof")
    if length is not None and ddof is not None and ddof >= length:
        raise InvalidInput(f"{field}.ddof", f"must be below length, which is {length}")


def _value(argument: Argument, value: Any, field: str, texts: bool) -> Any:
    if texts and argument.type is not str:
        value = _read(argument.type, value)
    wrong = InvalidInput(field, f"must be {argument.allowed()}")
    if argument.type is bool:
        if not isinstance(value, bool):
            raise wrong
        return value
    if argument.type is str:
        if not isinstance(value, str) or value not in argument.choices:
            raise wrong
        return value
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not argument.lowest <= value <= argument.highest
    ):
        raise wrong  # an integer of any size compares; NaN does not
    if argument.type is int:
        if value != int(value):
            raise wrong
        return int(value)
    if not argument.inclusive and value <= argument.lowest:
        raise wrong
    return float(value)


def _read(kind: type, text: Any) -> Any:
    if not isinstance(text, str):
        return text
    if kind is bool:
        return {"true": True, "false": False}.get(text)
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if kind is float and _NUMBER.fullmatch(text) else math.nan


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name[:_SHOWN].lower(), list(known), n=3, cutoff=0.5)
    return f"; the nearest are {', '.join(near)}" if near else ""


def _shown(text: str) -> str:
    return repr(text[:_SHOWN]) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


def _plain(name: str) -> str:
    """Return a name as errors show it: of a few plain characters."""
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name[:_SHOWN])


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
