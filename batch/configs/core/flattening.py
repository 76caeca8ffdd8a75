"""Results of a configuration as rows of one table: a column for each value by its label, with the reasons beside. Pure.

`values` of a result is {"indicators": {"macd": {"MACD_12_26_9": 1.2}}, "greeks": {"delta": 0.5}}. Its columns are
`indicators.macd.MACD_12_26_9` and `greeks.delta`, and that of a reason is `indicators.macd:reason`. What has no column
of its own stands as JSON in MORE, so that nothing is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from signalsite.foundation.computations.columns import Column

KINDS = ("greeks", "indicators", "functions", "external_functions")
MOST_COLUMNS = 1_000
"""Of values and reasons. A function of a user can name its values anew with each call."""
MORE = Column("more", str, "JSON of values and reasons that have no column of their own, by column.")

Path = tuple[str, ...]
"""Kind, label and, where a label has several values, the value's name; of a reason its name alone."""
Row = tuple[Mapping[str, Any], Mapping[str, str]]
"""The values and reasons of a result."""


class Columns:
    """The union of what rows have. `add` every row first, then `make`."""

    def __init__(self) -> None:
        self._types: dict[Path, type | None] = {}
        self._reasons: set[Path] = set()
        self._names: dict[Path, str] = {}
        self._reason_names: dict[Path, str] = {}
        self._made: dict[Path, type] = {}

    def add(self, row: Row) -> None:
        values, reasons = row
        for path, value in _leaves(values):
            if path in self._types or len(self._types) < MOST_COLUMNS:
                self._types[path] = _joined(self._types.get(path), value)
        for name in reasons:
            if len(self._reasons) < MOST_COLUMNS:
                self._reasons.add((name,))

    def make(self) -> list[Column]:
        """Return the columns, in the order of kinds and labels, reasons behind the values that they are of."""
        asked = [(path, False) for path in self._types] + [(path, True) for path in self._reasons]
        asked.sort(key=lambda each: _order(*each))
        found: dict[str, Column] = {}
        for path, is_reason in asked:
            name = f"{path[0]}:reason" if is_reason else ".".join(path)
            if name in found or len(found) == MOST_COLUMNS or path[0].partition(".")[0] not in KINDS:
                continue
            if is_reason:
                found[name] = Column(name, str, "Why a value is missing.")
                self._reason_names[path] = name
            else:
                found[name] = Column(name, self._types[path] or float, "A value.")
                self._names[path] = name
        return [*found.values(), MORE]

    def table(self, rows: Sequence[Row]) -> dict[str, list[Any]]:
        """Return the values of rows by column."""
        made: dict[str, list[Any]] = {
            name: [None] * len(rows) for name in (*self._names.values(), *self._reason_names.values(), MORE.name)
        }
        for at, (values, reasons) in enumerate(rows):
            more: dict[str, Any] = {}
            for path, value in _leaves(values):
                if (name := self._names.get(path)) is None or not _fits(self._types[path], value):
                    more[".".join(path)] = value
                else:
                    made[name][at] = _as(self._types[path], value)
            for text, reason in reasons.items():
                if (name := self._reason_names.get((text,))) is None:
                    more[f"{text}:reason"] = reason
                else:
                    made[name][at] = reason
            if more:
                made[MORE.name][at] = orjson.dumps(more, option=orjson.OPT_SORT_KEYS).decode()
        return made


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for kind, labels in values.items():
        if not isinstance(labels, Mapping):
            yield (kind,), labels
            continue
        for label, value in labels.items():
            if isinstance(value, Mapping):
                for name, each in value.items():
                    yield (kind, label, name), each
            elif value is not None or kind == KINDS[0]:  # of others, null stands for a whole label: its reason says it
                yield (kind, label), value


def _order(path: Path, is_reason: bool) -> tuple[int, str, bool, Path]:
    kind, _, label = path[0].partition(".")
    place = KINDS.index(kind) if kind in KINDS else len(KINDS)
    return place, label if is_reason else "".join(path[1:2]), is_reason, path


def _joined(type_: type | None, value: Any) -> type | None:
    """Return the type of a column that has this value too. None: null alone. Text is that of anything."""
    if value is None:
        return type_
    own = bool if isinstance(value, bool) else float if isinstance(value, int | float) else str
    return own if type_ in (None, own) else str


def _fits(type_: type | None, value: Any) -> bool:
    """A row may have come after all were added: then its value may be of another type."""
    return value is None or type_ is str or (type_ is not None and _joined(type_, value) is type_)


def _as(type_: type | None, value: Any) -> Any:
    if value is None or type_ is bool:
        return value
    if type_ is str:
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    return float(value)
