"""Indicators on the bars of instruments, of any timeframe: a row for each bar and output."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from signals.computations.bars import ANCHOR, DAYS, TIMEFRAME, Bars, Part, load_part, made_of, newest_of, unknown
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.selection import InstrumentComputation
from signals.indicators.core.catalogue import indicators as catalogue
from signals.indicators.core.compute import compute_indicators, names_of
from signals.indicators.core.sessions import session_days
from signals.indicators.core.spec import LONGEST_TEXT, PATTERN, Spec, parse_spec
from signals.indicators.core.warm_up import MOST_WARM_UP, period_days, warm_up
from signalsite.foundation.computations.columns import OK, Column
from signalsite.foundation.computations.contract import (
    Answers,
    Context,
    Overrides,
    Parameter,
    Params,
    Prepared,
    Runs,
    TextForm,
)
from signalsite.foundation.errors import InvalidInput
from timeframes.bars.stored import stored_of
from timeframes.core.bars import FoldedBars, join_folded
from timeframes.core.grid import bars_within, ended, instant, microseconds, usual_length
from timeframes.core.timeframe import parse_timeframe

MOST_INDICATORS = 10
MOST_CELLS = 4_000_000  # of a matrix of bars x instruments
_EMPTY = "nothing that is stored of it is in the range"
_NO_VALUE = "the indicator has no value at this bar: too few bars before it, or nothing to divide by"


def _check(text: str) -> None:
    try:
        parse_spec(text, "indicator")
    except InvalidInput as error:
        own = error.field.partition(".")[2]
        raise InvalidInput("indicators", f"{own}: {error}" if own else str(error)) from error


INDICATORS = Parameter(
    name="indicators",
    type=str,
    default=("rsi",),
    most=MOST_INDICATORS,
    form=TextForm(
        PATTERN,
        LONGEST_TEXT,
        _check,
        "a name that `GET indicators` lists, with parameters such as `macd(fast=8,slow=21)`",
    ),
    help="Which indicators. `offset`: by how many bars the values come later. `close`: the column in its place.",
)


@dataclass(frozen=True, slots=True, eq=False)
class ItemBars:
    """An item's bars, with those before the range. `first`: the first row in it. `over`: which have ended."""

    part: Part
    bars: FoldedBars
    first: int
    over: np.ndarray


@dataclass(frozen=True, slots=True)
class IndicatorInputs:
    items: Sequence[ItemBars]
    indicators: Sequence[str]

    def digest(self) -> str:
        found = hashlib.blake2b(digest_size=16)
        for each in self.items:
            found.update(f"{each.part.word} {each.part.reason} {each.part.anchor} {each.first}".encode())
            found.update(each.over.tobytes())
            for name in ("time", "open", "high", "low", "close", "volume"):
                found.update(np.ascontiguousarray(getattr(each.bars, name)).tobytes())
        return found.hexdigest()


class Indicators(InstrumentComputation):
    """Indicators on the bars that begin in the `days` before `as_of`, made of what was known at `as_of`.

    Bars before the range are read too, as many as the values need.
    """

    name = "indicators"
    version = 1
    summary = "Indicators on the bars of instruments"
    parameters = (INDICATORS, TIMEFRAME, DAYS, ANCHOR)
    columns = (
        Column("bar_time", str, "The beginning of the bar, ISO 8601 in UTC."),
        Column("indicator", str, "As it was asked for."),
        Column("output", str, "Which of its outputs, such as MACDs_12_26_9."),
        Column("value", float, "In the indicator's own unit. null where it has none at this bar; `reason` says so."),
        Column("complete", bool, "Whether the bar has ended at as_of."),
    )
    most_rows = 600_000
    rows_a_chunk = 100_000
    statuses = Bars.statuses

    def conventions(self, params: Params) -> GreeksParams:
        return GreeksParams()

    def rows_per_item(self, params: Params) -> int:
        outputs = [len(catalogue()[spec.name].outputs) for spec in _specs(params["indicators"])]
        return bars_within(parse_timeframe(params["timeframe"]), params["days"]) * sum(outputs)

    def prepare(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        return Prepared(as_of or newest_of(runs), {})

    def load(
        self, keys: Sequence[str], overrides: Overrides, as_of: datetime, params: Params, context: Context
    ) -> IndicatorInputs:
        specs = _specs(params["indicators"])
        loaded = {key: load_item(key, as_of, params, specs) for key in dict.fromkeys(keys)}
        nowhere = unknown(key for key, each in loaded.items() if each.part.word == "no_bars")
        loaded |= {key: _nothing(part) for key, part in nowhere.items()}
        return IndicatorInputs([loaded[key] for key in keys], params["indicators"])

    def evaluate(self, inputs: IndicatorInputs) -> Answers:
        made = computed(inputs.items, _specs(inputs.indicators))
        asked = [
            (text, names_of(spec)) for text, spec in zip(inputs.indicators, _specs(inputs.indicators), strict=True)
        ]
        labels = [(text, name) for text, names in asked for name in names]
        columns: dict[str, list[Any]] = {
            name: [] for name in ("status", "reason", *(each.name for each in self.columns))
        }
        item: list[np.ndarray] = []
        for place, (each, values) in enumerate(zip(inputs.items, made, strict=True)):
            rows = _rows(each, values, labels)
            item.append(np.full(len(rows["status"]), place, np.intp))
            for name, column in rows.items():
                columns[name] += column
        return Answers(columns, np.concatenate(item) if item else np.empty(0, np.intp))


def _specs(texts: Sequence[str]) -> list[Spec]:
    return [parse_spec(text, "indicators") for text in texts]


def _nothing(part: Part) -> ItemBars:
    return ItemBars(part, join_folded([]), 0, np.empty(0, bool))


def load_item(key: str, as_of: datetime, params: Params, specs: Sequence[Spec]) -> ItemBars:
    """Read an item's bars, from so far back that those before the range are enough for the values in it."""
    begin, timeframe = as_of - timedelta(days=params["days"]), parse_timeframe(params["timeframe"])
    part = load_part(key, begin, as_of, params)
    if part.word != OK:
        return _nothing(part)
    lengths = [warm_up(spec) for spec in specs]
    needed = max(MOST_WARM_UP if each is None else min(each, MOST_WARM_UP) for each in lengths)
    back = timedelta(days=max(map(period_days, specs)))
    one = usual_length(part.exchange, timeframe, part.anchor, 1)
    stored = stored_of(key)
    least = stored.clipped(instant(0), as_of, stored.fitting(timeframe, part.anchor), one)[0]
    span = usual_length(part.exchange, timeframe, part.anchor, max(needed, 1)) + timedelta(days=4)
    while True:
        start = max(begin - min(span + back, max(begin - least, timedelta(0))), least)
        part = load_part(key, start, as_of, params, stored)
        if part.word != OK:
            return _nothing(part)
        bars = made_of(part, start, as_of)
        first = int(np.searchsorted(bars.time, microseconds(begin)))
        if first >= needed or start <= least:
            break
        span *= 2
    keep = max(needed, first - int(np.searchsorted(bars.time, microseconds(begin - back))))
    bars, first = bars.take(slice(max(first - keep, 0), None)), min(first, keep)
    assert part.grid is not None
    over = ended(part.grid, part.exchange, timeframe, part.anchor, bars.time, as_of)
    return ItemBars(part, bars, first, over)


def computed(items: Sequence[ItemBars], specs: Sequence[Spec]) -> list[list[np.ndarray]]:
    """Return the outputs on each item's bars in the range, one after the other. Those of an item without any: none.

    Items with equally many bars are computed together.
    """
    found: list[list[np.ndarray]] = [[] for _ in items]
    by_length: dict[int, list[int]] = {}
    for place, each in enumerate(items):
        if len(each.bars) > each.first:
            by_length.setdefault(len(each.bars), []).append(place)
    for length, places in by_length.items():
        lanes = max(MOST_CELLS // length, 1)
        for begin in range(0, len(places), lanes):
            these = places[begin : begin + lanes]
            outputs = compute_indicators(_matrix([items[place] for place in these]), specs)
            for lane, place in enumerate(these):
                first = items[place].first
                found[place] = [values[first:, lane] for made in outputs for values in made.values()]
    return found


def _matrix(items: Sequence[ItemBars]) -> dict[str, Any]:
    columns: dict[str, Any] = {
        name: np.stack([getattr(each.bars, name) for each in items], axis=1)
        for name in ("open", "high", "low", "close", "volume", "time")
    }
    days = [session_days(each.bars.time, each.part.exchange, each.part.anchor) for each in items]
    return {**columns, "session": np.stack(days, axis=1)}


def _rows(each: ItemBars, values: Sequence[np.ndarray], labels: Sequence[tuple[str, str]]) -> dict[str, list[Any]]:
    """Return the rows of one item: bar by bar, output by output."""
    if not values:
        empty = each.part.word == OK
        nothing: dict[str, list[Any]] = {
            name: [None] for name in ("bar_time", "indicator", "output", "value", "complete")
        }
        word, reason = ("no_bars", _EMPTY) if empty else (each.part.word, each.part.reason)
        return {"status": [word], "reason": [reason], **nothing}
    bars, outputs = len(values[0]), len(labels)
    value = np.stack(values, axis=1).ravel()
    times = [instant(time).isoformat() for time in each.bars.time[each.first :].tolist()]
    return {
        "status": [OK] * len(value),
        "reason": [_NO_VALUE if missing else None for missing in np.isnan(value).tolist()],
        "bar_time": np.repeat(np.array(times, object), outputs).tolist(),
        "indicator": [text for text, _ in labels] * bars,
        "output": [name for _, name in labels] * bars,
        "value": value.tolist(),
        "complete": np.repeat(each.over[each.first :], outputs).tolist(),
    }
