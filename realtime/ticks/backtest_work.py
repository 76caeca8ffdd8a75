"""Heavy work of a back-test: users' functions, long windows and indicators without a kernel, done in the consumer.

Workers would read the live market's tables. Here the work sees the bars of the back-test as they were at each tick,
copied then (`core.unfinished`), and of a batch is done at once: a function has one process for a few calls. Nothing is
skipped for want of time, so that the same ticks give the same values.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection

from realtime.core.result_states import UnwritableResult, encode_result
from realtime.core.topic_grammar import results_topic
from realtime.ticks.core.configured_records import records_of
from realtime.ticks.core.configured_rows import NO_BAR
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.plans import EXTERNAL, INDICATORS, Plan
from realtime.ticks.core.unfinished import Unfinished, Window
from realtime.ticks.postgres_retry import PostgresRetry
from signals.computations.bars import Part
from signals.computations.function_calls import call_on_frames
from signals.computations.indicators import ItemBars
from signals.computations.joined import Frame, join_frames
from signals.computations.newest_values import indicator_joins, newest_of_call, newest_of_indicator
from signals.configs.core.results import ConfiguredResult
from signals.configs.core.sections import joins_of
from signals.functions.core.joins import Join, Joins, Kind
from signals.functions.references import resolve
from signalsite.foundation import heartbeat
from signalsite.foundation.postgres import UNAVAILABLE
from timeframes.core.bars import FoldedBars
from timeframes.core.grid import SECOND, dates_of, instant, make_grid
from timeframes.core.keys import parse_key

NO_TICK = "no tick of {} has come in this back-test"
OTHER_STREAM = "a back-test joins bars of the same underlying only: ticks of {} are in no order with these"
NO_GREEKS = "a back-test joins no Greeks: those that are stored are of the live market"
Found = tuple[Any, str | None]


class BacktestWork:
    """`lease`: seconds. The work has a thread of its own, so that leases are kept however long a function takes."""

    def __init__(self, retry: PostgresRetry, *, lease: float) -> None:
        self.retry = retry
        self.lease = lease
        self._thread = ThreadPoolExecutor(1, "backtest")

    def finish(self, result: CycleResult, versions: Mapping[str, str]) -> None:
        """Complete the results of a batch that lack their heavy work: add their topics, rows and failures.

        `versions`: of what computes each kind. Raises redis.RedisError, and the errors of a lost PostgreSQL when the
        consumer stops.
        """
        by_plan: dict[Plan, list[Unfinished]] = {}
        for each in result.unfinished.values():
            by_plan.setdefault(each.plan, []).append(each)
        works = [_PlanWork(plan, asked, self.retry) for plan, asked in by_plan.items()]
        working = self._thread.submit(_run, works)
        while not wait([working], self.lease / 3).done:
            heartbeat.beat()
            self.retry.ownership.renew(self.retry.owned)
        working.result()
        for work in works:
            _add(result, work, versions)
        result.unfinished.clear()
        result.unfinished_bytes = 0

    def close(self) -> None:
        self._thread.submit(lambda: connection.close()).result()  # Django's connections are per thread
        self._thread.shutdown()


def _run(works: "Sequence[_PlanWork]") -> None:
    for work in works:
        work.run()


@dataclass(slots=True)
class _PlanWork:
    """`found`: of each result, values and why there is none, by kind and label. `spent`: seconds, by the same."""

    plan: Plan
    asked: Sequence[Unfinished]
    retry: PostgresRetry
    failures: list[tuple[str, Exception]] = field(default_factory=list)
    found: list[dict[tuple[str, str], Found]] = field(init=False)
    spent: dict[tuple[str, str], float] = field(init=False)

    def run(self) -> None:
        self.found = [dict.fromkeys(self.plan.heavy, (None, NO_BAR)) for _ in self.asked]
        self.spent = dict.fromkeys(self.plan.heavy, 0.0)
        most = max(int(settings.FUNCTIONS_BATCH_SECONDS / settings.FUNCTIONS_CPU_SECONDS), 1)
        able = [place for place, each in enumerate(self.asked) if each.own is not None]
        for begin in range(0, len(able), most):
            some = able[begin : begin + most]
            for name in self.plan.heavy:
                begun = time.perf_counter()
                for place, found in zip(some, self._compute(name, [self.asked[each] for each in some]), strict=True):
                    self.found[place][name] = found
                self.spent[name] += time.perf_counter() - begun

    def _compute(self, name: tuple[str, str], asked: Sequence[Unfinished]) -> list[Found]:
        """Compute one label. If it raises, it fails alone."""
        kind, label = name
        try:
            if kind == INDICATORS:
                joins = indicator_joins([label])
                return [newest_of_indicator(_frame(each, joins, 0), label) for each in asked]
            return self._call(kind, label, asked)
        except UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001 - any fault of a computation costs only its own values
            self.failures.append((f"configured {kind} of {self.plan.id}", error))
            return [(None, f"it failed: {type(error).__name__}")] * len(asked)

    def _call(self, kind: str, label: str, asked: Sequence[Unfinished]) -> list[Found]:
        document = self.plan.document
        functions = document.external_functions if kind == EXTERNAL else document.functions
        function = next(each for each in functions if each.label == label)
        joins = joins_of(document.join)
        frames = [_frame(each, joins, document.bars) for each in asked]
        outcomes = self.retry.run(lambda: call_on_frames(resolve(function.function), frames, function.params))
        return [newest_of_call(each) for each in outcomes]


def _add(result: CycleResult, work: _PlanWork, versions: Mapping[str, str]) -> None:
    plan, asked = work.plan, work.asked
    result.failures += work.failures
    kept: dict[datetime, list[tuple[Unfinished, ConfiguredResult]]] = {}
    for each, found in zip(asked, work.found, strict=True):
        whole = _completed(each.result, found)
        topic = results_topic(str(plan.id), whole.instrument_key)
        try:
            result.topics[parse_key(whole.instrument_key).underlying][topic] = encode_result(whole)
        except UnwritableResult as error:
            result.failures.append((f"configuration {plan.id}", error))
        if each.kept:
            kept.setdefault(whole.time, []).append((each, whole))
    for rows in kept.values():
        share = len(rows) / len(asked)
        taken = {f"{kind}.{label}": share * each for (kind, label), each in work.spent.items()}
        taken = {**rows[0][0].taken, **taken}
        result.configured.add(records_of(plan, [whole for _, whole in rows], taken, versions))


def _completed(light: ConfiguredResult, found: Mapping[tuple[str, str], Found]) -> ConfiguredResult:
    values = {kind: dict(labels) for kind, labels in light.values.items()}
    reasons = dict(light.reasons)
    for (kind, label), (value, why) in found.items():
        known = None if value is None else {name: each if np.isfinite(each) else None for name, each in value.items()}
        values.setdefault(kind, {})[label] = known
        reasons.pop(f"{kind}.{label}", None)
        if why is not None:
            reasons[f"{kind}.{label}"] = why
    return replace(light, values=values, reasons=reasons)


# --- what functions see ---------------------------------------------------------------------------------------------


def _frame(asked: Unfinished, joins: Joins, bars: int) -> Frame:
    """Return the newest bar of a result and the `bars` before it, with what joins."""
    assert asked.own is not None
    own = _bars(asked.own)
    begin, as_of = instant(int(own.time[0])), asked.result.time
    kind = asked.own.kind
    part = Part(kind.exchange, kind.anchor, _grid(kind, *dates_of(kind.exchange, kind.anchor, begin, as_of)))
    absent = {name: why for name, join in joins if (why := _why_absent(join, asked)) is not None}
    item = ItemBars(part, own, max(len(own) - bars - 1, 0), np.empty(0, bool))
    others = {key: _bars(each) for key, each in asked.others.items()}
    (frame,) = join_frames({"": item}, joins, others, as_of=as_of, params={}, absent=absent)
    return frame


def _why_absent(join: Join, asked: Unfinished) -> str | None:
    if join.kind is Kind.GREEKS:
        return NO_GREEKS
    if join.kind is Kind.BARS:
        if parse_key(join.key).underlying != parse_key(asked.result.instrument_key).underlying:
            return OTHER_STREAM.format(join.key)
        if join.key not in asked.others:
            return NO_TICK.format(join.key)
    return None


_grid = lru_cache(32)(lambda kind, first, last: make_grid(kind.exchange, kind.timeframe, kind.anchor, first, last))


def _bars(window: Window) -> FoldedBars:
    columns = window.columns
    time = np.rint(columns["timestamp"] * SECOND).astype(np.int64)
    unknown = np.full(len(time), np.nan)
    return FoldedBars(
        time=time,
        **{name: columns[name] for name in ("open", "high", "low", "close", "volume")},
        vwap=unknown,
        open_interest=unknown,
        trades=unknown,
        typical=np.zeros(len(time), bool),
    )
