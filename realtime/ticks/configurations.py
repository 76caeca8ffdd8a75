"""Configurations beside the batches: which there are, the bars that they need, and the rows that they leave."""

import logging
import math
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from realtime.core.names import Names
from realtime.core.wanted_indicators import wanted_series
from realtime.intervals import Intervals
from realtime.ticks import metrics
from realtime.ticks.backtest_work import BacktestWork
from realtime.ticks.configured_store import store_records
from realtime.ticks.core.book import Book
from realtime.ticks.core.configured import ConfiguredCycle
from realtime.ticks.core.configured_records import ConfiguredRecords
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.plans import GREEKS, INDICATORS, Plan, make_plan
from realtime.ticks.core.tick import Tick
from realtime.ticks.core.window_bars import WindowBars
from realtime.ticks.guard import succeeds
from realtime.ticks.heavy_work import HeavyWork
from realtime.ticks.live_indicators import LiveIndicators
from realtime.ticks.options import Options
from realtime.ticks.postgres_retry import PostgresRetry
from realtime.ticks.window_history import load_windows
from realtime.ticks.window_loading import WindowLoading
from signals.configs.core.results import ConfiguredResult, Source
from signals.configs.selectors import Active, active_on_ticks, newest_change, public_owner
from signals.greeks.core.conventions import GreeksParams
from signalsite.foundation import heartbeat
from signalsite.foundation.computations.registry import find
from signalsite.foundation.postgres import UNAVAILABLE
from timeframes.core.bars import join_folded
from timeframes.core.keys import parse_key

logger = logging.getLogger(__name__)

CHANGES_SECONDS = 1.0  # how soon a change counts
UNFINISHED_BYTES = 64 << 20  # of bars that wait for the heavy work of a back-test
ONE = timedelta(microseconds=1)


class LiveConfigurations:
    """`cycle`: computes with ticks. `indicators`: those of bars, which are published for everybody."""

    def __init__(
        self,
        book: Book,
        params: GreeksParams,
        retry: PostgresRetry,
        indicators: LiveIndicators,
        names: Names,
        *,
        options: Options,
    ) -> None:
        self.retry = retry
        self.public: int | None = None  # whose configurations every user may see
        self.indicators = indicators
        self.options = options
        self.cycle = ConfiguredCycle(
            book,
            params,
            timer=time.thread_time,
            clock=time.monotonic,
            allowed=math.inf
            if options.own_time
            else options.configured_seconds,  # a back-test gives the same each time
            record=options.configured_record,
            source=Source.BACKTEST if options.own_time else Source.TICK,
            versions={kind: str(find(kind).version) for kind in (GREEKS, INDICATORS)},
        )
        self.heavy = HeavyWork(names)
        self.backtest = BacktestWork(retry, lease=options.lease)
        self.loading = WindowLoading()
        self._intervals = Intervals()
        self._change = -1
        self._asked: frozenset[str] | None = None
        self._underlyings: frozenset[str] = frozenset()  # whose configurations run

    def settle(self, underlyings: Collection[str]) -> None:
        """Learn what has changed, before a batch is computed. A fault of configurations costs no tick."""
        succeeds("reading the configurations", lambda: self.refresh(underlyings))
        if not self.options.own_time:
            self.loading.install()
            self.loading.collect(self.cycle.running.series.values(), time.monotonic())
        self.heavy.run()

    def ask(self, now: float) -> None:
        """Have bars read that are missing. All batches but the one that was just computed are written."""
        self.loading.ask(datetime.fromtimestamp(now + self.options.max_ahead, UTC))

    # --- which there are --------------------------------------------------------------------------------------------

    def refresh(self, underlyings: Collection[str]) -> None:
        """Read what has changed, once a second, and at once where others are owned."""
        if not self._intervals.is_due("changes", CHANGES_SECONDS) and self._asked == frozenset(underlyings):
            return
        self._asked = frozenset(underlyings)
        change = self.retry.run(newest_change)
        if change == self._change and self._underlyings == frozenset(underlyings):
            return
        active = self.retry.run(lambda: active_on_ticks(underlyings)) if underlyings else []
        self.public = self.retry.run(public_owner) if active else None
        plans = [plan for each in active if (plan := self._plan(each)) is not None]
        self._underlyings = frozenset(underlyings)
        self.cycle.set_plans(plans, lambda key: parse_key(key).underlying in self._underlyings)
        self.indicators.want(wanted_series([each.document for each in active], self._underlyings))
        self._change = change  # last: what raised above is tried again
        for name, error in self.cycle.running.warm():
            metrics.errors.labels("configuration").inc()
            logger.error("%s cannot be run with ticks: %s", name, error, exc_info=error)
        metrics.configurations.set(len(plans))

    def _plan(self, active: Active) -> Plan | None:
        """Return what to run of a configuration, None without a tick's part or where it cannot be read."""
        document = active.document
        if document.frequency is not None and not self.options.own_time:
            return None  # workers run it when it is due
        try:
            greeks = None if document.greeks is None else greeks_params(document.greeks.params)
            return make_plan(
                document,
                id=active.id,
                owner_id=active.owner_id,
                version=active.version,
                public=active.owner_id == self.public,
                greeks_params=greeks,
                backtest=self.options.own_time,
            )
        except Exception:  # whatever is wrong with it, the others run
            metrics.errors.labels("configuration").inc()
            logger.exception("configuration %s cannot be run with ticks", active.id)
            return None

    # --- bars -------------------------------------------------------------------------------------------------------

    def load_for(self, ticks: Sequence[Tick]) -> None:
        """Load the bars that these ticks of a back-test need, as they were before them."""
        for series in self.cycle.running.series.values():
            wanted = {key for key, lane in series.lanes.items() if not series.known[lane]}
            for tick in ticks if wanted else ():
                if tick.contract.text in wanted:
                    wanted.discard(tick.contract.text)
                    self._load(series, tick.contract.text, tick.time - ONE)

    def _load(self, series: WindowBars, key: str, as_of: datetime) -> None:
        """Load the bars of an instrument; one at fault has none."""
        try:
            found = self.retry.run(lambda: load_windows([key], series.kind, series.window, as_of))
        except UNAVAILABLE:
            raise
        except Exception:  # whatever is wrong with what is stored of one, the others are loaded
            metrics.errors.labels("configuration").inc()
            logger.exception("the bars of %s cannot be loaded", key)
            found = {key: (join_folded([]), np.empty(0, np.int64))}
        for bars, sessions in found.values():
            series.load(key, bars, sessions)

    # --- back-tests -------------------------------------------------------------------------------------------------

    def between(self, result: CycleResult) -> None:
        """Keep the leases while a batch of a back-test is computed. Do its heavy work before too many bars wait."""
        heartbeat.beat()
        if self._intervals.is_due("leases", self.options.lease / 3):
            self.retry.ownership.renew(self.retry.owned)
        if result.unfinished_bytes > UNFINISHED_BYTES:
            self.finish(result)

    def finish(self, result: CycleResult) -> None:
        """Do the heavy work of a back-test that waits."""
        if result.unfinished:
            self.backtest.finish(result, self.cycle.versions)

    # --- rows -------------------------------------------------------------------------------------------------------

    def store(self, records: ConfiguredRecords) -> None:
        """Store rows. If they cannot be stored together, store each and log the faults."""
        if not records:
            return
        try:
            self.retry.run(lambda: store_records(records))
        except UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001 - the fault of one, found below
            logger.error("results are stored apart, since together they raise %r", error)
            for each in records.results:
                self._store_one(each)
        metrics.recorded_results.inc(len(records.results))

    def _store_one(self, result: ConfiguredResult) -> None:
        try:
            self.retry.run(lambda: store_records(ConfiguredRecords([result])))
        except UNAVAILABLE:
            raise
        except Exception:  # whatever is wrong with this row, the others are stored
            metrics.errors.labels("records").inc()
            logger.exception("a result of configuration %s cannot be stored", result.configuration)

    # --- ownership --------------------------------------------------------------------------------------------------

    def drop(self, underlying: str) -> None:
        """Another consumer has this underlying from now on."""
        self.cycle.running.forget(underlying)
        self.heavy.drop(underlying)
        self._underlyings -= {underlying}
        self._asked = None  # if its stream comes back within a second, its configurations are read again

    def forget(self) -> None:
        """What was folded may not be stored: load all bars again."""
        self.cycle.running.doubt()
        self.loading.forget()
        self.heavy.forget()

    def close(self) -> None:
        self.loading.close()
        self.heavy.close()
        self.backtest.close()


def greeks_params(params: Mapping[str, Any]) -> GreeksParams:
    """Return the conventions of these parameters of the computation `greeks`."""
    greeks: Any = find(GREEKS)
    return greeks.conventions({**greeks.defaults, **params})
