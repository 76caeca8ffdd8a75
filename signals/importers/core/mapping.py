"""How the columns of a file become quotes: which column is which field, in which units, at which time.

A `Mapping` is data. The presets (`presets.py`) are mappings; `--map column=field` makes or changes one.
"""

import math
from collections.abc import Mapping as Names
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from signals.importers.core.fields import FIELDS, NUMBER_FIELDS, TIME_FIELDS
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.timeframe import InvalidTimeframe, Months, parse_timeframe

LEGS = ("call", "put")
PRODUCTS = ("option", "spot", "any")
EPOCHS = MappingProxyType({"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1, "epoch_ns": -1_000, "epoch": 0})
"""Microseconds in a unit; of `epoch` the unit is known by the size of the number."""
EPOCH_SIZES = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1), (math.inf, -1_000))
"""(the least number that is a smaller unit, the unit). Milliseconds before March 1973 would be seconds."""
_CHOICES = {
    "volume_unit": ("units", "contracts"),
    "interest_unit": ("units", "contracts"),
    "volatility_unit": ("percent", "decimal"),
    "price_unit": ("currency", "coin"),
    "product": PRODUCTS,
    "contract_names": ("", "osi", "deribit", "deribit_linear", "tda"),
    "hours": ("any", "not_before", "within"),
}


class BadMapping(InvalidInput):
    """The mapping names a field, a unit or a format that does not exist, or lacks one."""

    def __init__(self, message: str) -> None:
        super().__init__("map", message)


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """A mapping of one kind of file.

    `columns`: field to the column that holds it; `a|b` takes the first that the file has, `outer.inner` looks inside
    an object. A field that begins with `call.` or `put.` makes two legs of each row. `constants`: field to a value that
    all rows share. Times without an offset are in `zone`.
    """

    name: str = "map"
    summary: str = ""
    columns: Names[str, str] = field(default_factory=dict)
    constants: Names[str, str] = field(default_factory=dict)
    product: str = "option"  # any: an option with a strike, a future with an expiry alone, else the spot
    asset: str = "equity"
    currency: str = ""
    price_unit: str = "currency"  # coin: prices are in the underlying and multiplied by the row's underlying price
    contract_names: str = ""
    symbol_pattern: str = ""  # its first group is the symbol
    symbols: Names[str, str] = field(default_factory=dict)  # the file's name of a symbol to ours
    exchanges: Names[str, str] = field(default_factory=dict)  # symbols that belong to another exchange
    zone: str = ""  # empty: the exchange's own
    time_format: str = "iso"  # iso, epoch_s, epoch_ms, epoch_us, epoch_ns, ms_of_day, or formats of strptime with |
    date_format: str = "iso"
    expiry_format: str = "iso"  # also epoch_ms, read in the exchange's zone
    bar: str = ""  # bars named by their beginning: the quote is of their end
    bar_assumed: bool = False  # the preset's own length: the rows must show that it is right
    hours: str = "any"  # not_before: rows before the opening are rejected; within: also those after the close
    volume_unit: str = "units"
    interest_unit: str = "units"
    volatility_unit: str = "decimal"
    greeks_per_unit: float = 1.0  # the vendor's vega and rho times this are per 0.01
    theta_per_year: bool = False
    last_needs_volume: bool = False  # without volume the last price is of an earlier day
    bars_need_volume: bool = False  # a bar without volume repeats an older price
    missing: tuple[float, ...] = ()  # numbers that stand for none in the vendor's own columns
    mark_is_settle: bool = False  # the mark price is the exchange's own, at which it settles accounts
    spot_at_newest: bool = False  # one price of the underlying for the file: of its newest moment
    skip: tuple[tuple[str, str, str], ...] = ()  # (column, text, reason): rows to reject
    records: tuple[str, ...] = ()  # JSON: paths to the rows, * for any name or place
    document: Names[str, str] = field(default_factory=dict)  # JSON: field to the path of a value for all rows
    preamble: tuple[str, ...] = ()  # patterns of lines before the header; their group names are fields
    preamble_lines: int = 0  # how many lines may come before the header
    overruled: Names[str, str] = field(default_factory=dict)  # field to a column in whose place a constant stands
    names: tuple[str, ...] = ()  # the columns of a file without header
    optional: int = 0  # how many of the last of them JSON lists may lack
    delimiter: str = ","
    name_dates: bool = False  # rows have a time of day only, and the file's name has the date as YYYYMMDD
    price_factor: float = 1.0  # of the prices of bars: their unit in the file
    note: str = ""  # printed with each report

    def __post_init__(self) -> None:
        for name in (*self.columns, *self.constants, *self.document):
            _check_field(name)
        for name, words in _CHOICES.items():
            if getattr(self, name) not in words:
                raise BadMapping(f"{name} {getattr(self, name)!r} is none of {', '.join(filter(None, words))}")
        if self.zone:
            try:
                ZoneInfo(self.zone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise BadMapping(f"time zone {self.zone[:60]!r} is not known; such as Asia/Kolkata") from None
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise BadMapping(f"the delimiter is one character, not {self.delimiter[:20]!r}")
        for name in self.constants:
            if name == "strike" or name in NUMBER_FIELDS:
                _check_number(name, self.constants[name])
        if exchange := self.constants.get("exchange"):
            exchange_named(exchange)
        self.bar_seconds  # noqa: B018  raises for a bad one

    def changed(self, **changes: Any) -> "Mapping":
        """Return the mapping with other values; those of `columns` and `constants` are added to its own."""
        for name in ("columns", "constants", "symbols"):
            if name in changes:
                changes[name] = {**getattr(self, name), **changes[name]}
        if unknown := changes.keys() - {each.name for each in fields(self)}:
            raise BadMapping(f"a mapping has no {', '.join(sorted(unknown))}")
        return replace(self, **changes)

    def with_constants(self, constants: Names[str, str]) -> "Mapping":
        """Return the mapping with these values for all rows, in place of the columns of the same fields."""
        over = {name: column for name, column in self.columns.items() if name in constants}
        kept = {name: column for name, column in self.columns.items() if name not in constants}
        return replace(
            self, columns=kept, constants={**self.constants, **constants}, overruled={**self.overruled, **over}
        )

    @property
    def bar_seconds(self) -> int:
        if not self.bar:
            return 0
        try:
            seconds = parse_timeframe(self.bar)
        except InvalidTimeframe as error:
            raise BadMapping(f"bar: {error}") from None
        if isinstance(seconds, Months):
            raise BadMapping(f"bar {self.bar}: months have no fixed length")
        return seconds

    @property
    def legs(self) -> tuple[str, ...]:
        """The legs of each row: call and put, or one."""
        found = tuple(leg for leg in LEGS if any(name.startswith(f"{leg}.") for name in self.columns))
        return found or ("",)

    def leg_columns(self, leg: str) -> dict[str, str]:
        """Return field to column of one leg."""
        shared = {name: column for name, column in self.columns.items() if "." not in name}
        start = f"{leg}."
        own = {name[len(start) :]: column for name, column in self.columns.items() if leg and name.startswith(start)}
        return shared | own

    @property
    def fewest(self) -> int:
        """The least number of values of a row that is a JSON list."""
        return max(len(self.names) - self.optional, 1)

    @property
    def exchange(self) -> str:
        return self.constants.get("exchange", "")


def _check_field(name: str) -> None:
    leg, dot, bare = name.partition(".")
    if dot and leg not in LEGS:
        raise BadMapping(f"{name[:60]!r}: a leg is call or put")
    wanted = bare if dot else name
    if wanted not in FIELDS:
        near = get_close_matches(wanted[:60], FIELDS, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; fields are {', '.join(FIELDS)}"
        raise BadMapping(f"there is no field {wanted[:60]!r}{hint}")
    if dot and wanted in ("exchange", "symbol", "expiry", "strike", "right", *TIME_FIELDS):
        raise BadMapping(f"{wanted} belongs to the row and not to a leg")


def _check_number(name: str, text: str) -> None:
    try:
        good = math.isfinite(float(text))
    except ValueError:
        good = False
    if not good:
        raise BadMapping(f"{name} {text[:40]!r} is not a number")


def parse_assignments(texts: list[str], what: str) -> list[tuple[str, str]]:
    """Split each `left=right` at its last equals sign. Raises BadMapping."""
    pairs = [(left, right) for left, _, right in (text.rpartition("=") for text in texts)]
    if bad := next((text for text, pair in zip(texts, pairs, strict=True) if not all(pair)), None):
        raise BadMapping(f"{bad[:60]!r} is not {what}")
    return pairs
