"""The columns that a function sees beside the bars: `NAME -> SOURCE`. Pure.

    join   = "indicators:" SPEC [ "#" OUTPUT ]      an indicator on the instrument's own bars
           | "greeks:" COLUMN                       of the instrument, an option, at each bar's close
           | "bars:" INSTRUMENT_KEY ":" COLUMN      of another instrument's bars of the same times
    SPEC   = signals.indicators.core.spec           rsi, macd(fast=8,slow=21)
    OUTPUT = one of the indicator's outputs         MACDs_8_21_9; needed where there are several

`str()` of a join and `parse_join` are inverses, so that one join has one text.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from signals.functions.core.internal import BENCHMARK, COLUMNS, SESSION, SESSION_BEGIN
from signals.greeks.core.conventions import FIRST_ORDER, HIGHER_ORDER
from signals.indicators.core.compute import names_of
from signals.indicators.core.spec import Spec, parse_spec
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import MAX_KEY_LENGTH, parse_key

MOST_JOINS = 20
LONGEST_JOIN = 300
MOST_TEXT_CHARACTERS = 8192
BAR_COLUMNS = ("open", "high", "low", "close", "volume")
GREEK_COLUMNS = (
    "implied_volatility",
    *FIRST_ORDER,
    *HIGHER_ORDER,
    "early_exercise_premium",
    "theoretical_price",
    "price_used",
    "underlying_price",
    "underlying_used",
    "volatility_index",
    "forward",
    "expiry_years",
    "rate",
    "dividend_yield",
)
"""Columns of the computation `historical_greeks` that are numbers."""
GREEK_ALIASES = {
    "iv": "implied_volatility",
    "volatility": "implied_volatility",
    "vomma": "volga",
    "price": "theoretical_price",
    "spot": "underlying_price",
    "vix": "volatility_index",
}
RESERVED = (*COLUMNS, SESSION, SESSION_BEGIN, BENCHMARK)
"""Names that the bars have already."""
NAME = r"[a-z][a-z0-9_]{0,63}"
_NAME = re.compile(NAME, re.ASCII)
_SHOWN = 40
_HOW = (
    "write indicators:SPEC such as indicators:rsi(length=14), greeks:COLUMN such as greeks:delta, or "
    "bars:INSTRUMENT_KEY:COLUMN such as bars:NSE@NIFTY@equity_spot:close"
)


class Kind(StrEnum):
    INDICATORS = "indicators"
    GREEKS = "greeks"
    BARS = "bars"


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """`column`: of the Greeks or of the bars; of an indicator its output. `spec`: of an indicator. `key`: of bars."""

    kind: Kind
    column: str
    spec: Spec | None = None
    key: str = ""

    def __str__(self) -> str:
        if self.spec is not None:
            output = f"#{self.column}" if len(names_of(self.spec)) > 1 else ""
            return f"{self.kind}:{self.spec}{output}"
        return f"{self.kind}:{self.key}:{self.column}" if self.key else f"{self.kind}:{self.column}"


Joins = tuple[tuple[str, Join], ...]
NO_JOINS = "{}"


def parse_join(text: Any, field: str) -> Join:
    """Read the source of a column. Raises InvalidInput, which names the field and says what would be right."""
    if not isinstance(text, str):
        raise InvalidInput(field, f"must be a text: {_HOW}")
    if len(text) > LONGEST_JOIN:
        raise InvalidInput(field, f"has over {LONGEST_JOIN} characters")
    kind, colon, rest = text.partition(":")
    if not colon or kind not in tuple(Kind):
        raise InvalidInput(field, f"{_shown(text)} is no source of a column: {_HOW}")
    if kind == Kind.INDICATORS:
        return _of_indicator(rest, field)
    if kind == Kind.GREEKS:
        return Join(kind=Kind.GREEKS, column=_chosen(GREEK_ALIASES.get(rest, rest), GREEK_COLUMNS, "Greeks", field))
    return _of_bars(rest, field)


def parse_joins(given: Any, field: str) -> Joins:
    """Read all joined columns, in the order given. Raises InvalidInput, field `FIELD.NAME` for one that is wrong."""
    if not isinstance(given, Mapping):
        raise InvalidInput(field, "must be an object of sources by the names of columns")
    if len(given) > MOST_JOINS:
        raise InvalidInput(field, f"has {len(given)} columns; {MOST_JOINS} are allowed")
    return tuple((name, parse_join(source, f"{field}.{name}")) for name, source in _named(given.items(), field))


def read_joins(text: str, field: str) -> Joins:
    """Read joined columns from a JSON object as a text, as parameters of jobs have them. Raises InvalidInput."""
    if len(text) > MOST_TEXT_CHARACTERS:
        raise InvalidInput(field, f"has over {MOST_TEXT_CHARACTERS} characters")
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        raise InvalidInput(field, "is no JSON object") from None
    if not isinstance(pairs, _Pairs):
        raise InvalidInput(field, "must be an object of sources by the names of columns")
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise InvalidInput(f"{field}.{_plain(twice)}", "is given twice")
    return parse_joins(dict(pairs), field)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as the parser saw it, so that a name that is given twice is found."""


def written(joins: Joins) -> str:
    """Return the one text of joined columns, as parameters of jobs have it."""
    return json.dumps({name: str(join) for name, join in joins}, separators=(",", ":"))


def needs_greeks(joins: Joins) -> bool:
    return any(join.kind is Kind.GREEKS for _, join in joins)


def other_keys(joins: Joins) -> tuple[str, ...]:
    """Return the keys of the other instruments whose bars join, each once."""
    return tuple(dict.fromkeys(join.key for _, join in joins if join.kind is Kind.BARS))


def check_column_name(name: Any, field: str) -> str:
    """Return a name that a joined column may have. Raises InvalidInput."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = f"{field}.{_plain(name)}" if isinstance(name, str) and name else field
        raise InvalidInput(shown, "the name of a column is 1 to 64 characters of a-z, 0-9 and _, the first a letter")
    if name in RESERVED:
        raise InvalidInput(f"{field}.{name}", f"the bars have a column of this name; {', '.join(RESERVED)} are taken")
    return name


def _named(pairs: Iterable[tuple[Any, Any]], field: str) -> Iterable[tuple[str, Any]]:
    for name, source in pairs:
        yield check_column_name(name, field), source


def _of_indicator(text: str, field: str) -> Join:
    asked, mark, output = text.partition("#")
    spec = parse_spec(asked, field)
    outputs = names_of(spec)
    if not mark:
        if len(outputs) > 1:
            raise InvalidInput(field, f"{spec} has several outputs; add one: {_either('#' + each for each in outputs)}")
        output = outputs[0]
    return Join(kind=Kind.INDICATORS, column=_chosen(output, outputs, f"outputs of {spec}", field), spec=spec)


def _of_bars(text: str, field: str) -> Join:
    key, colon, column = text.rpartition(":")  # no key has a colon
    if not colon or not key:
        raise InvalidInput(field, "write bars:INSTRUMENT_KEY:COLUMN, such as bars:NSE@NIFTY@equity_spot:close")
    if len(key) > MAX_KEY_LENGTH:
        raise InvalidInput(field, f"a key has at most {MAX_KEY_LENGTH} characters")
    try:
        key = str(parse_key(key))
    except InvalidInput as error:
        raise InvalidInput(field, str(error)) from error
    return Join(kind=Kind.BARS, column=_chosen(column, BAR_COLUMNS, "columns of bars", field), key=key)


def _chosen(name: str, known: Iterable[str], what: str, field: str) -> str:
    known = tuple(known)
    if name in known:
        return name
    near = difflib.get_close_matches(name[:_SHOWN].lower(), known, n=3, cutoff=0.5)
    allowed = f"the nearest are {', '.join(near)}" if near else f"there are {', '.join(known)}"
    raise InvalidInput(field, f"{_shown(name)} is none of the {what}; {allowed}")


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


def _plain(name: str) -> str:
    """Return a name as errors show it: of a few plain characters."""
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name[:_SHOWN])
