"""The schema of configurations (S33): from any JSON value to a checked `Document`, or everything that is wrong with it.

What needs the database, whose a user's function is, comes after it (`signals.configs.services`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signals.configs.core.canonical import to_json
from signals.configs.core.document import NONE, Document, FunctionAsked, key_text
from signals.configs.core.faults import WHOLE, Fault, Faults, kind_of, shown
from signals.configs.core.frequency import Every, format_frequency, parse_frequency
from signals.configs.core.sections import (
    GreeksOffered,
    lacking,
    read_external,
    read_functions,
    read_greeks,
    read_indicators,
    read_join,
)
from signals.configs.core.shape import bytes_of, check_shape
from signals.functions.core.internal import BENCHMARK, JOINABLE
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import Anchor, check_anchor, default_anchor
from timeframes.core.keys import complete_key, parse_key
from timeframes.core.timeframe import format_timeframe, parse_timeframe

FIELDS = (
    "name",
    "instruments",
    "instrument_key",
    "interval",
    "frequency",
    "anchor",
    "greeks",
    "indicators",
    "functions",
    "external_functions",
    "join",
    "bars",
    "active",
)
LONGEST_NAME = 200
LEAST_BARS, MOST_BARS = 1, 5000
DEFAULT_BARS = 200
_ABSENT = (None, "", NONE)
_BENCHMARK = "as the closes of the instrument to compare with, such as bars:NSE@NIFTY@equity_spot:close"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSchema:
    """`most_bytes`, `most_instruments`: of one document. `exchange`: of a symbol without one. `greeks`: what there is
    to ask for."""

    most_bytes: int
    most_instruments: int
    exchange: str
    greeks: GreeksOffered

    def read(self, given: Any) -> tuple[Document | None, list[Fault]]:
        """Return the document and no faults, or None and every fault. It raises nothing, whatever it is given."""
        faults = Faults()
        if not isinstance(given, Mapping):
            return None, [(WHOLE, f"must be a JSON object, not {kind_of(given)}")]
        if not check_shape(given, faults, most_bytes=self.most_bytes):
            return None, faults.rows
        faults.unknown("", given, FIELDS)
        document = self._document(given, faults)
        if faults:
            return None, faults.rows
        if bytes_of(to_json(document)) > self.most_bytes:
            return None, [(WHOLE, f"is over {self.most_bytes} bytes of JSON with all defaults filled in")]
        return document, []

    def _document(self, given: Mapping[str, Any], faults: Faults) -> Document:
        instruments = self._instruments(given, faults)
        interval = _interval(given.get("interval"), faults)
        frequency = _frequency(given.get("frequency"), faults)
        internal = read_functions(given.get("functions"), faults)
        join = read_join(given.get("join"), faults)
        document = Document(
            name=_name(given.get("name"), instruments, interval, frequency, faults),
            instruments=instruments,
            interval=interval,
            frequency=frequency,
            anchor=_anchor(given.get("anchor"), faults),
            greeks=read_greeks(given.get("greeks"), self.greeks, faults),
            indicators=read_indicators(given.get("indicators"), faults),
            functions=internal,
            external_functions=read_external(given.get("external_functions"), faults),
            join=join,
            bars=_bars(given.get("bars"), faults),
            active=_active(given.get("active"), faults),
        )
        _check_together(document, given, faults)
        return document

    def _instruments(self, given: Mapping[str, Any], faults: Faults) -> tuple[str, ...]:
        one, several = given.get("instrument_key"), given.get("instruments")
        if one is not None and several is not None:
            faults.add("instrument_key", "give instruments or instrument_key, not both")
            return ()
        if one is not None:
            several, paths = [one], ["instrument_key"]
        elif not isinstance(several, list) or not several:
            faults.add("instruments", "must be a list of one or more instrument keys, such as NSE@NIFTY@equity_spot")
            return ()
        elif len(several) > self.most_instruments:
            faults.add("instruments", f"has {len(several)} keys; {self.most_instruments} are allowed")
            return ()
        else:
            paths = [f"instruments[{place}]" for place in range(len(several))]
        found: dict[str, str] = {}
        for path, text in zip(paths, several, strict=True):
            key = self._instrument(text, path, faults)
            if key is None:
                continue
            if key in found:
                faults.add(path, f"is the same as {found[key]}")
            found.setdefault(key, path)
        return tuple(found)

    def _instrument(self, text: Any, path: str, faults: Faults) -> str | None:
        if not isinstance(text, str):
            faults.add(path, f"must be an instrument key, not {kind_of(text)}")
            return None
        key = faults.take(lambda: parse_key(complete_key(text, self.exchange)), path)
        if key is None or faults.take(lambda: exchange_named(key.exchange), path) is None:
            return None
        return str(key)


def _name(given: Any, instruments: tuple[str, ...], interval: str | None, frequency: str | None, faults: Faults) -> str:
    if given is None:
        if len(instruments) == 1:
            return key_text(instruments[0], interval, frequency)
        if instruments:
            faults.add("name", "is missing: only a configuration of one instrument has a name by itself")
        return ""
    if not isinstance(given, str) or not 0 < len(given) <= LONGEST_NAME or not given.isprintable():
        faults.add("name", f"must be a text of 1 to {LONGEST_NAME} printable characters")
    elif given != given.strip():
        faults.add("name", "must not begin or end with a space")
    return str(given)[:LONGEST_NAME]


def _interval(given: Any, faults: Faults) -> str | None:
    if given is None or (isinstance(given, str) and given in _ABSENT):
        return None
    return faults.take(lambda: format_timeframe(parse_timeframe(given)), "interval")


def _frequency(given: Any, faults: Faults) -> str | None:
    if given is None or (isinstance(given, str) and given in _ABSENT):
        return None
    return faults.take(lambda: format_frequency(parse_frequency(given)), "frequency")


def _anchor(given: Any, faults: Faults) -> str | None:
    if given is None:
        return None
    words = tuple(each.value for each in Anchor)
    if not isinstance(given, str) or given not in words:
        faults.add("anchor", f"must be {' or '.join(words)}, or be left out")
        return None
    return given


def _bars(given: Any, faults: Faults) -> int:
    if given is None:
        return DEFAULT_BARS
    if isinstance(given, bool) or not isinstance(given, int) or not LEAST_BARS <= given <= MOST_BARS:
        faults.add("bars", f"must be a whole number from {LEAST_BARS} to {MOST_BARS}")
        return DEFAULT_BARS
    return given


def _active(given: Any, faults: Faults) -> bool:
    if given is not None and not isinstance(given, bool):
        faults.add("active", f"must be true or false, not {kind_of(given)}")
    return given is None or given is True


def _check_together(document: Document, given: Mapping[str, Any], faults: Faults) -> None:
    """Add what is right by itself and wrong beside the rest."""
    every = None if document.frequency is None else parse_frequency(document.frequency).every
    keys = [parse_key(each) for each in document.instruments]
    exchanges = sorted({each.exchange for each in keys})
    asked = [name for name in ("greeks", "indicators", "functions", "external_functions") if given.get(name)]
    if not asked:
        faults.add(WHOLE, "computes nothing: give one or more of greeks, indicators, functions, external_functions")
    if given.get("interval") in _ABSENT:
        if needing := [name for name in asked if name != "greeks"]:
            faults.add("interval", f"is missing: {' and '.join(needing)} are of bars, so give one such as 5m")
        elif every is Every.BAR:
            faults.add("interval", "is missing: the frequency bar is the close of each bar of the interval")
    if every not in (None, Every.SECONDS) and len(exchanges) > 1:
        named = ", ".join(shown(each) if each else "none" for each in exchanges)
        faults.add("frequency", f"{document.frequency} is of one exchange; the instruments are of {named}")
    if document.greeks and keys and not any(each.product.is_option for each in keys):
        faults.add("greeks", "none of the instruments is an option")
    if document.interval is not None:
        timeframe = parse_timeframe(document.interval)
        for exchange in exchanges:
            anchor = Anchor(document.anchor) if document.anchor else default_anchor(exchange)
            try:
                check_anchor(timeframe, anchor)
            except InvalidInput as error:
                faults.add("interval", str(error))
    _check_needs(document.functions, given.get("join"), faults)


def _check_needs(functions: tuple[FunctionAsked, ...], join: Any, faults: Faults) -> None:
    names = join if isinstance(join, Mapping) else {}
    for place, each in enumerate(functions):
        for name in lacking(each, names):
            how = _BENCHMARK if name == BENCHMARK else JOINABLE.get(name, "")
            faults.add(f"functions[{place}]", f"{each.function} needs the column {name}: join it, {how}")
