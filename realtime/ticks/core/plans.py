"""Configurations as the cycle runs them: what of each is computed with a tick, and what a worker computes."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from realtime.ticks.core.window_bars import SeriesKind
from signals.configs.core.document import Document, GreeksAsked
from signals.configs.core.sections import joins_of
from signals.functions.core.internal import COLUMNS, SESSION, InternalFunction
from signals.functions.core.joined import specs_of, warm_up_of
from signals.functions.core.joins import Joins, other_keys
from signals.functions.core.last_values import LAST_VALUES
from signals.functions.core.registry import complete, internal_function
from signals.greeks.core.conventions import GreeksParams
from signals.indicators.core.compute import kernel_of
from signals.indicators.core.spec import Spec, parse_spec
from signals.indicators.core.warm_up import MOST_WARM_UP, period_days, warm_up
from timeframes.core.grid import Anchor, bars_at_most, default_anchor
from timeframes.core.keys import parse_key
from timeframes.core.timeframe import DAY, Timeframe, parse_timeframe

LONGEST = 1_000
"""Bars. What needs more of them is computed by workers."""
GREEKS, INDICATORS, FUNCTIONS, EXTERNAL = "greeks", "indicators", "functions", "external_functions"
KINDS = (GREEKS, INDICATORS, FUNCTIONS, EXTERNAL)
NO_INTERVAL = "the configuration has no interval"
NOT_FOLLOWED = "a back-test has bars of a minute to a day only"


@dataclass(frozen=True, slots=True)
class PlannedFunction:
    label: str
    function: InternalFunction
    params: Mapping[str, Any]
    bars: int

    @property
    def key(self) -> str:
        """Return the same text for calls that give the same values."""
        return f"{self.function.name}{sorted(self.params.items())} of {self.bars} bars"

    @property
    def columnar(self) -> bool:
        return self.function.name in LAST_VALUES


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """One version of a configuration. `public`: its values stand in the ticks, which every user may read.

    `indicators`: by the text that names them, with the closed bars that decide a value. `heavy`: what workers compute,
    as KIND and label. `reasons`: of what is not computed at all, by KIND.LABEL. `heavy_bars`: bars before the newest
    that heavy work of a back-test needs in memory. `others`: the series of the instruments that it joins, by key: those
    of the same underlyings, since only the ticks of one stream are in the order of their times.
    """

    id: uuid.UUID
    owner_id: int
    version: int
    public: bool
    document: Document
    timeframe: Timeframe | None
    greeks: GreeksAsked | None
    greeks_params: GreeksParams | None
    indicators: Mapping[str, tuple[Spec, int]]
    functions: tuple[PlannedFunction, ...]
    heavy: tuple[tuple[str, str], ...]
    reasons: Mapping[str, str]
    heavy_bars: int = 0
    others: Mapping[str, SeriesKind] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.document.name

    @property
    def bars(self) -> int:
        """Return how many bars before the newest are needed in memory, 0 for none."""
        needed = [bars for _, bars in self.indicators.values()] + [each.bars for each in self.functions]
        return max([*needed, self.heavy_bars])

    def kind_of(self, instrument_key: str) -> SeriesKind | None:
        """Return the series of an instrument that it needs."""
        if self.timeframe is None or not self.bars:
            return None
        return series_kind(instrument_key, self.timeframe, self.document.anchor)


def series_kind(instrument_key: str, timeframe: Timeframe, anchor: str | None) -> SeriesKind:
    """Raises InvalidInput for an exchange that is not known."""
    exchange = parse_key(instrument_key).exchange
    return SeriesKind(exchange, timeframe, Anchor(anchor) if anchor else default_anchor(exchange))


def make_plan(
    document: Document,
    *,
    id: uuid.UUID,
    owner_id: int,
    version: int,
    public: bool,
    greeks_params: GreeksParams | None = None,
    backtest: bool = False,
) -> Plan:
    """`greeks_params`: those of the document. `backtest`: heavy work is done here, from bars in memory.

    Raises InvalidInput for a document that cannot be run.
    """
    timeframe = parse_timeframe(document.interval) if document.interval else None
    heavy = [(EXTERNAL, asked.label) for asked in document.external_functions]
    reasons: dict[str, str] = {}
    indicators: dict[str, tuple[Spec, int]] = {}
    functions = []
    for text in document.indicators:
        spec = parse_spec(text, "indicators")
        bars = _bars_of(spec, document, timeframe)
        if timeframe is None:
            reasons[f"{INDICATORS}.{text}"] = NO_INTERVAL
        elif bars is None:
            heavy.append((INDICATORS, text))
        else:
            indicators[text] = spec, bars
    for asked in document.functions:
        function = internal_function(asked.function, "functions")
        params = complete(function, asked.params, "functions")
        if timeframe is None:
            reasons[f"{FUNCTIONS}.{asked.label}"] = NO_INTERVAL
        elif not _is_followed(timeframe) or document.bars > LONGEST or not {*function.needs} <= {*COLUMNS, SESSION}:
            heavy.append((FUNCTIONS, asked.label))
        else:
            functions.append(PlannedFunction(asked.label, function, params, document.bars))
    heavy_bars, others = 0, dict[str, SeriesKind]()
    if backtest and heavy:
        if timeframe is None or not _is_followed(timeframe):
            why = NO_INTERVAL if timeframe is None else NOT_FOLLOWED
            reasons |= {f"{kind}.{label}": why for kind, label in heavy}
            heavy = []
        else:
            joins = joins_of(document.join)
            heavy_bars = _heavy_bars(document, heavy, joins, timeframe)
            near = {parse_key(key).underlying for key in document.instruments}
            for key in other_keys(joins):
                if parse_key(key).underlying in near:
                    others[key] = series_kind(key, timeframe, document.anchor)
    return Plan(
        id=id,
        owner_id=owner_id,
        version=version,
        public=public,
        document=document,
        timeframe=timeframe,
        greeks=document.greeks,
        greeks_params=greeks_params,
        indicators=indicators,
        functions=tuple(functions),
        heavy=tuple(heavy),
        reasons=reasons,
        heavy_bars=heavy_bars,
        others=others,
    )


def _heavy_bars(document: Document, heavy: Sequence[tuple[str, str]], joins: Joins, timeframe: Timeframe) -> int:
    """Return how many bars before the newest decide the values of heavy work: as many as workers read."""
    own = [parse_spec(label, INDICATORS) for kind, label in heavy if kind == INDICATORS]
    needed = [MOST_WARM_UP if (each := warm_up(spec)) is None else min(each, MOST_WARM_UP) for spec in own]
    if any(kind != INDICATORS for kind, _ in heavy):
        needed.append(document.bars + warm_up_of(joins))
        own += specs_of(joins)
    days = max(map(period_days, own), default=0)
    if days:
        exchanges = {parse_key(key).exchange for key in document.instruments}
        needed += [document.bars + bars_at_most(each, timeframe, None, float(days)) for each in exchanges]
    return max([*needed, 1])


def _bars_of(spec: Spec, document: Document, timeframe: Timeframe | None) -> int | None:
    """Return the closed bars that decide a value, None where a worker has to compute it."""
    needed = warm_up(spec) if kernel_of(spec) is not None else None
    if needed is None or timeframe is None or not _is_followed(timeframe):
        return None
    if spec.name == "vwap":
        if dict(spec.params)["anchor"] != "D":
            return None
        exchanges = {parse_key(key).exchange for key in document.instruments}
        needed = max(bars_at_most(each, timeframe, None, 1.0) for each in exchanges)
    return max(needed, 1) if needed <= LONGEST else None


def _is_followed(timeframe: Timeframe) -> bool:
    """Return whether ticks are folded into bars of this length here.

    Ticks have the session's volume so far. What of it a bar has is known where the bars in memory reach back to the
    session's beginning, and where a bar is of one session.
    """
    return isinstance(timeframe, int) and 60 <= timeframe <= DAY
