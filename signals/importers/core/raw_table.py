"""Rows of a file before their columns have a meaning, and the rows that cannot be used."""

from collections import Counter
from collections.abc import Mapping as Names
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from signals.importers.core.mapping import Mapping
from signalsite.foundation.errors import InvalidInput

MAX_REJECTS = 10_000
"""Rejected rows that are kept with their text. All are counted."""
MAX_TEXT = 500


class NotATable(InvalidInput):
    """The file lacks columns that are needed, has no row that can be used, or is no table at all."""

    def __init__(self, message: str) -> None:
        super().__init__("file", message)


@dataclass(frozen=True)
class Rejected:
    """A row that could not be used: its number in the file, the reason, and its text."""

    row: int
    reason: str
    detail: str
    text: str


@dataclass
class Rejects:
    """The rejected rows: the first MAX_REJECTS with their text, and the count of each reason."""

    rows: list[Rejected] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, row: int, reason: str, detail: str, text: str) -> None:
        self.counts[reason] += 1
        if len(self.rows) < MAX_REJECTS:
            self.rows.append(Rejected(row, reason, detail[:MAX_TEXT], text[:MAX_TEXT]))

    def extend(self, other: "Rejects") -> None:
        self.counts.update(other.counts)
        self.rows += other.rows[: MAX_REJECTS - len(self.rows)]


@dataclass(frozen=True)
class Wanted:
    """The columns of a file that a mapping reads: leg to field to column."""

    by_leg: Names[str, Names[str, str]]
    skip: Sequence[tuple[str, str, str]] = ()
    overruled: Names[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The distinct columns, in order."""
        found = [column for fields in self.by_leg.values() for column in fields.values()]
        return list(dict.fromkeys([*found, *(column for column, _, _ in self.skip), *self.overruled.values()]))


@dataclass(frozen=True, eq=False)
class RawTable:
    """Some rows of a file. `columns`: by name, text or numbers. `row`: the number of each in the file.

    `names` are all columns of the file, `wanted` those that the mapping reads. `shared`: field to text, for values that
    stand outside the rows. A row for which `present` of a leg is False has no such leg.
    """

    columns: Names[str, pa.Array]
    row: NDArray[np.int64]
    names: Sequence[str]
    wanted: Wanted
    rejects: Rejects = field(default_factory=Rejects)
    shared: Names[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    present: Names[str, NDArray[np.bool_]] = field(default_factory=dict)
    iso: frozenset[str] = frozenset()  # columns that held moments and are now ISO text, whatever the mapping says
    read: int = 0  # rows read, with the rejected ones

    def __len__(self) -> int:
        return len(self.row)


def find_columns(mapping: Mapping, names: Sequence[str], shared: Sequence[str] = ()) -> Wanted:
    """Find the columns that `mapping` names among `names`; capitals do not matter. Raises NotATable.

    `shared`: fields that the file gives outside its rows. A column that occurs twice is `name` and `name#2`.
    """
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(name.lower(), name)
    by_leg: dict[str, dict[str, str]] = {}
    for leg in mapping.legs:
        found: dict[str, str] = {}
        for wanted, candidates in mapping.leg_columns(leg).items():
            column = next((each for name in candidates.split("|") if (each := _lookup(known, name)) is not None), None)
            if column is not None:
                found[wanted] = column
        missing = _missing(mapping, found.keys() | mapping.constants.keys() | set(shared))
        if missing:
            asked = {name: way.replace("|", " or ") for name, way in mapping.leg_columns(leg).items()}
            parts = [name if asked.get(name, name) == name else f"{name} ({asked[name]})" for name in missing]
            raise NotATable(
                f"the file has no column for {', '.join(parts)}; its columns are {', '.join(map(_short, names[:60]))}"
            )
        by_leg[leg] = found
    used = {column.lower() for fields in by_leg.values() for column in fields.values()}
    for column in sorted(used):
        if f"{column}#2" in known and f"{column}#2" not in used:
            raise NotATable(
                f"column {column!r} occurs more than once; the second is {column + '#2'!r}: the mapping must name both"
            )
    skip = [(known[c.lower()], text, reason) for c, text, reason in mapping.skip if c.lower() in known]
    overruled = {
        name: column
        for name, candidates in mapping.overruled.items()
        if (column := next((each for c in candidates.split("|") if (each := _lookup(known, c)) is not None), None))
    }
    return Wanted(by_leg, skip, overruled)


def _lookup(known: Names[str, str], name: str) -> str | None:
    """Return the column; for `outer.inner` a column of that name, else `outer.inner` if there is a column `outer`."""
    lower = name.lower()
    if lower in known:
        return known[lower]
    outer, dot, inner = name.partition(".")
    if not dot or outer.lower() not in known or any(each.startswith(f"{outer.lower()}.") for each in known):
        return None
    return f"{known[outer.lower()]}.{inner}"


def _missing(mapping: Mapping, given: set[str]) -> list[str]:
    missing = [] if given & {"time", "date"} else ["time"]
    if "key" in given:
        return missing
    if "contract" in given:
        return missing + [name for name in ("exchange",) if name not in given]
    wanted = ["exchange", "symbol"]
    if mapping.product == "option":
        wanted += ["expiry", "strike"] if mapping.legs != ("",) else ["expiry", "strike", "right"]
    return missing + [name for name in wanted if name not in given]


def numbered(names: Sequence[str]) -> list[str]:
    """Return the names with #2, #3 ... at each one that occurred before (capitals do not matter)."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name.lower()] += 1
        found.append(name if seen[name.lower()] == 1 else f"{name}#{seen[name.lower()]}")
    return found


def _short(name: str) -> str:
    return repr(name[:40])
