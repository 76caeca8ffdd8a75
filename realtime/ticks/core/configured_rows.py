"""The results of one configuration with ticks, written as JSON from the columns that were computed for all.

A tick's values are a row of a block of numbers. The block is encoded at once, and each row put into the form that all
share: no object is made for a value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import orjson
from numpy.typing import NDArray

from realtime.core.result_states import ResultForm
from realtime.ticks.core.book import Rows
from realtime.ticks.core.configured_greeks import GreeksOfTicks, unit_name
from realtime.ticks.core.configured_units import Computed
from realtime.ticks.core.plans import FUNCTIONS, GREEKS, INDICATORS, Plan
from realtime.ticks.core.tick import Tick
from realtime.ticks.core.window_bars import SeriesKind
from signals.configs.core.results import ConfiguredResult, Source

NO_VALUE = "it has no value at this bar: too few bars before it, or nothing to divide by"
NO_BAR = "the tick is in no bar here: it came late, or outside the session, or bars are being loaded"
BY_WORKER = "a worker computes it, in a result of its own"
IN_OWN_RESULT = "it stands in the result of the configuration's own topic"
MEMBER = b',"configurations":{'


@dataclass(frozen=True, slots=True)
class _Column:
    """The values of one label. `made`: an element of each for each tick of the cycle."""

    kind: str
    label: str
    made: Computed

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.label}"


class PlanRows:
    """The results of a plan with the ticks at `places` of the cycle. `computed`: by name of the computation. `in_bars`:
    of each series, which ticks of the cycle are in a bar of it.

    `values`, `reasons`: a JSON object of each tick.
    """

    def __init__(
        self,
        plan: Plan,
        places: Rows,
        computed: Mapping[str, Computed],
        greeks: GreeksOfTicks,
        in_bars: Mapping[SeriesKind, NDArray[np.bool_]],
        ticks: Sequence[Tick],
        source: Source,
    ) -> None:
        self.plan, self.computed, self.greeks, self.source = plan, computed, greeks, source
        self._in_bars = in_bars
        self.ticks = [ticks[place] for place in places.tolist()]
        self.values = [b""] * len(places)
        self.reasons = [b""] * len(places)
        exchanges = np.array([tick.contract.key.exchange for tick in self.ticks])
        for exchange in dict.fromkeys(exchanges.tolist()):
            self._write(np.flatnonzero(exchanges == exchange), places)

    def members(self, before: Sequence[bytes]) -> list[bytes]:
        """Return the members of the ticks' states that have the results of their configurations, with one more each."""
        head = orjson.dumps(self.plan.name) + b':{"version":' + orjson.dumps(self.plan.version) + b',"values":'
        first = MEMBER + head
        return [
            b"".join((member[:-1] + b"," + head if member else first, values, b',"reasons":', reasons, b"}}"))
            for member, values, reasons in zip(before, self.values, self.reasons, strict=True)
        ]

    def state(self, row: int) -> bytes:
        """Write a result. Raises UnwritableResult."""
        tick = self.ticks[row]
        return self._form.write(tick.contract.text, tick.time, self.values[row], self.reasons[row], tick.entry_id)

    def result(self, row: int) -> ConfiguredResult:
        tick, plan = self.ticks[row], self.plan
        return ConfiguredResult(
            configuration=plan.id,
            name=plan.name,
            version=plan.version,
            owner_id=plan.owner_id,
            instrument_key=tick.contract.text,
            interval=plan.document.interval,
            frequency=plan.document.frequency,
            time=tick.time,
            source=self.source,
            values=orjson.loads(self.values[row]),
            reasons=orjson.loads(self.reasons[row]),
            tick=tick.entry_id,
        )

    @cached_property
    def _form(self) -> ResultForm:
        return ResultForm(self.result(0))

    def _write(self, rows: Rows, places: Rows) -> None:
        """Write what the ticks of one exchange have, which are in the same series."""
        plan, here = self.plan, places[rows]
        columns = self._columns(self.ticks[rows[0]])
        made = [each for each in columns if each.made.columns]
        elsewhere = IN_OWN_RESULT if self.source is Source.BACKTEST else BY_WORKER
        always = {**plan.reasons, **{f"{kind}.{label}": elsewhere for kind, label in plan.heavy}}
        always |= {each.name: each.made.reason or NO_VALUE for each in columns if not each.made.columns}
        blocks = [np.stack([column[here] for column in each.made.columns.values()]) for each in made]
        cells = _cells(blocks) if made else [[] for _ in range(len(rows))]
        lacks = {
            each.name: np.logical_and.reduce(np.isnan(block), axis=0) for each, block in zip(made, blocks, strict=True)
        }
        reasons = _reasons(always, lacks, self._in_bar(rows, here))
        if plan.greeks is not None:
            self._add_greeks(here, cells, reasons)
        form = _form(columns, greeks=plan.greeks is not None)
        for row, its_cells, its_reasons in zip(rows.tolist(), cells, reasons, strict=True):
            self.values[row], self.reasons[row] = form % tuple(its_cells), its_reasons

    def _in_bar(self, rows: Rows, here: Rows) -> NDArray[np.bool_]:
        kind = self.plan.kind_of(self.ticks[rows[0]].contract.text)
        found: NDArray[np.bool_] | None = None if kind is None else self._in_bars.get(kind)
        return np.zeros(len(rows), np.bool_) if found is None else found[here]

    def _add_greeks(self, places: Rows, cells: list[list[bytes]], reasons: list[bytes]) -> None:
        plan = self.plan
        priced = self.computed.get(unit_name(plan.greeks_params)) if plan.greeks_params is not None else None
        for row, place in enumerate(places.tolist()):
            values, missing = self.greeks.of(plan, place, priced.reason if priced else None)
            cells[row].insert(0, orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY))
            if missing:
                reasons[row] = orjson.dumps({**orjson.loads(reasons[row]), **missing})

    def _columns(self, tick: Tick) -> list[_Column]:
        plan, kind = self.plan, self.plan.kind_of(tick.contract.text)
        text = "" if kind is None else kind.text
        found = [
            _Column(INDICATORS, label, self.computed[f"{spec} on {text}"])
            for label, (spec, _) in plan.indicators.items()
        ]
        return found + [
            _Column(FUNCTIONS, each.label, self.computed[f"{each.key} on {text}"]) for each in plan.functions
        ]


def _form(columns: Sequence[_Column], *, greeks: bool) -> bytes:
    """Return what the values of all ticks have in common, `%b` in the place of each number and of all Greeks."""
    kinds: dict[str, bytes] = {GREEKS: b"%b"} if greeks else {}
    for kind in dict.fromkeys(each.kind for each in columns):
        kinds[kind] = _object(
            {each.label: _object(dict.fromkeys(each.made.columns, b"%b")) if each.made.columns else b"null"
             for each in columns if each.kind == kind}
        )  # fmt: skip
    return _object(kinds)


def _object(members: Mapping[str, bytes]) -> bytes:
    """Return a JSON object as a format, from formats of its members."""
    named = (orjson.dumps(name).replace(b"%", b"%%") + b":" + member for name, member in members.items())
    return b"{" + b",".join(named) + b"}"


def _cells(blocks: Sequence[NDArray[np.float64]]) -> list[list[bytes]]:
    """Return each tick's numbers as JSON, null for NaN. A block has a row for each label, and the ticks as columns."""
    text = orjson.dumps(np.ascontiguousarray(np.concatenate(blocks).T), option=orjson.OPT_SERIALIZE_NUMPY)
    return [row.split(b",") for row in text[2:-2].split(b"],[")]


def _reasons(
    always: Mapping[str, str], lacks: Mapping[str, NDArray[np.bool_]], in_bar: NDArray[np.bool_]
) -> list[bytes]:
    """Return each tick's reasons. `lacks`: by name, which ticks lack its values."""
    some = {name: each for name, each in lacks.items() if each.any()}
    if not some:
        return [orjson.dumps(always)] * len(in_bar)
    written: dict[tuple[bool, ...], bytes] = {}
    found = []
    for inside, *which in zip(in_bar.tolist(), *(each.tolist() for each in some.values()), strict=True):
        if (key := (inside, *which)) not in written:
            own = dict.fromkeys(
                (name for name, lacking in zip(some, which, strict=True) if lacking), NO_VALUE if inside else NO_BAR
            )
            written[key] = orjson.dumps({**always, **own})
        found.append(written[key])
    return found
