"""What functions see of instruments: their bars, and the columns that join at the same times."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from signals.computations.bars import Part, load_part, made_of, unknown
from signals.computations.historical_greeks import HistoricalGreeks
from signals.computations.indicators import ItemBars, computed, load_item
from signals.functions.core.internal import SESSION, SESSION_BEGIN
from signals.functions.core.joined import aligned, specs_of, why_empty
from signals.functions.core.joins import BAR_COLUMNS, Join, Joins, Kind, other_keys
from signals.greeks.greek_columns import GREEKS
from signals.history.core.points import Extremes
from signals.history.services import answer_history
from signals.indicators.core.compute import names_of
from signalsite.foundation.computations.columns import OK
from signalsite.foundation.computations.contract import Params
from timeframes.core.bars import FoldedBars

NO_BARS = "nothing that is stored of it is in the range"
NOTHING_ABSENT: Mapping[str, str] = {}
Columns = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """An instrument's bars in the range and its joined columns, as long as they are.

    `part` has the word and the reason where there are none. `missing`: by name, why a joined column has no value.
    """

    part: Part
    bars: FoldedBars
    joined: Mapping[str, np.ndarray]
    missing: Mapping[str, str]

    @property
    def word(self) -> str:
        return "no_bars" if self.part.word == OK and not len(self.bars) else self.part.word

    @property
    def reason(self) -> str | None:
        return self.part.reason or (None if len(self.bars) else NO_BARS)

    def data(self, *, session: bool) -> Columns:
        """Return the columns of a call. `session`: those of sessions too, which internal functions take."""
        found = {name: getattr(self.bars, name) for name in BAR_COLUMNS}
        found["timestamp"] = self.bars.time / 1e6
        grid = self.part.grid
        if session and grid is not None:
            stretch = np.searchsorted(grid.begins, self.bars.time, side="right") - 1
            found[SESSION] = stretch.astype(np.float64)
            found[SESSION_BEGIN] = grid.begins[np.maximum(stretch, 0)] / 1e6
        return {**found, **self.joined}

    def update(self, digest: "hashlib.blake2b") -> None:
        """Add all that a function sees to a digest."""
        digest.update(f"{self.part.word} {self.part.reason} {self.part.anchor} {sorted(self.missing.items())}".encode())
        for name, column in self.data(session=False).items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(column).tobytes())


def load_frames(keys: Sequence[str], joins: Joins, *, begin: datetime, as_of: datetime, params: Params) -> list[Frame]:
    """Read the bars that begin in [begin, as_of), as they were known at `as_of`, and what joins.

    `params`: those of bars: timeframe, anchor, and days, which say where `begin` is.
    """
    specs = specs_of(joins)
    loaded = {key: load_item(key, as_of, params, specs) for key in dict.fromkeys(keys)} if specs else {}
    for key in dict.fromkeys(keys):
        if key not in loaded:
            part = load_part(key, begin, as_of, params)
            loaded[key] = ItemBars(part, made_of(part, begin, as_of), 0, np.empty(0, bool))
    nowhere = unknown(key for key, each in loaded.items() if each.part.word == "no_bars")
    loaded |= {key: ItemBars(part, loaded[key].bars, 0, np.empty(0, bool)) for key, part in nowhere.items()}
    others = {}
    for key in other_keys(joins):
        part = load_part(key, begin, as_of, params)
        others[key] = made_of(part, begin, as_of)
    frames = dict(zip(loaded, join_frames(loaded, joins, others, as_of=as_of, params=params), strict=True))
    return [frames[key] for key in keys]


def join_frames(
    items: Mapping[str, ItemBars],
    joins: Joins,
    others: Mapping[str, FoldedBars],
    *,
    as_of: datetime,
    params: Params,
    absent: Mapping[str, str] = NOTHING_ABSENT,
) -> list[Frame]:
    """Join columns to bars that are loaded. `others`: the bars of other instruments, by key. `absent`: columns that do
    not join, by name, with the reason."""
    listed = list(items.values())
    # Copies, so that bars which only warmed indicators up are not kept.
    bars = [each.bars.take(np.arange(each.first, len(each.bars))) for each in listed]
    present = tuple((name, join) for name, join in joins if name not in absent)
    indicators = _indicators(listed, present)
    greeks = _Greeks(list(items), present, as_of, params)
    frames = []
    for place, (each, own) in enumerate(zip(listed, bars, strict=True)):
        joined: Columns = {name: np.full(len(own), np.nan) for name in absent}
        missing = dict(absent)
        for name, join in present:
            column, why = np.full(len(own), np.nan), None
            if join.spec is not None and indicators[place]:
                column = indicators[place][name]
            elif join.kind is Kind.BARS:
                other = others[join.key]
                column = aligned(own.time, other.time, getattr(other, join.column))
            elif join.kind is Kind.GREEKS:
                column, why = greeks.column(place, join, own.time)
            joined[name] = column
            if not np.isfinite(column).any():
                missing[name] = why_empty(join, why)
        frames.append(Frame(each.part, own, joined, missing))
    return frames


def _indicators(items: Sequence[ItemBars], joins: Joins) -> list[Columns]:
    """Return each item's joined indicators by the column's name; none for an item without bars in the range."""
    specs = specs_of(joins)
    if not specs:
        return [{} for _ in items]
    labels = [(spec, output) for spec in specs for output in names_of(spec)]
    places = {name: labels.index((join.spec, join.column)) for name, join in joins if join.spec is not None}
    made = computed(items, specs)
    return [{name: found[place] for name, place in places.items()} if found else {} for found in made]


def greeks_params(params: Params) -> dict[str, Any]:
    """Return the parameters of historical_greeks with which Greeks join: its defaults, but for what `params` has."""
    defaults = HistoricalGreeks().defaults
    return {name: params.get(name, value) for name, value in defaults.items()} | {"points": ["close"]}


class _Greeks:
    """The joined Greeks of options at the closes of their bars."""

    def __init__(self, keys: Sequence[str], joins: Joins, as_of: datetime, params: Params) -> None:
        self._columns: dict[str, Any] = {}
        self._item = np.empty(0, np.intp)
        wanted = list(dict.fromkeys(join.column for _, join in joins if join.kind is Kind.GREEKS))
        if not wanted or not keys:
            return
        computation = HistoricalGreeks()
        asked = {**greeks_params(params), "greeks": [name for name in wanted if name in GREEKS.choices]}
        inputs = computation.load(keys, {}, as_of, asked, {})
        names = ["time", "reason", *wanted]
        self._columns, self._item = answer_history(
            inputs, computation.conventions(asked), ["close"], Extremes(asked["extremes"]), names
        )

    def column(self, place: int, join: Join, moments: np.ndarray) -> tuple[np.ndarray, str | None]:
        """Return a column at these moments, and why it is empty as far as the newest bar says."""
        rows = slice(*np.searchsorted(self._item, [place, place + 1]).tolist())
        times = self._columns["time"][rows].astype(np.int64)
        values = self._columns[join.column][rows].astype(np.float64)  # None becomes NaN
        reasons = [each for each in self._columns["reason"][rows] if each]
        # A session without a bar has a row with a reason, at its opening: no bar begins there, so nothing joins.
        return aligned(moments, times, values), reasons[-1] if reasons else None
