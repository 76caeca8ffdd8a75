"""Evaluations of chains beside the batches: what they need is looked up, and the rows that they leave wait here."""

import logging
import time
from collections.abc import Iterable

import redis

from moneyness.core.records import ChainRecords
from moneyness.selectors import chain_rules, default_rules
from moneyness.services import record_chains
from realtime.ticks import metrics
from realtime.ticks.core.book import Book
from realtime.ticks.core.chain_beat import ChainBeat
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.interest import look_up_interest
from realtime.ticks.options import Options
from realtime.ticks.ownership import LeaseLost
from realtime.ticks.postgres_retry import PostgresRetry
from signals.greeks.core.conventions import GreeksParams
from signalsite.foundation.postgres import UNAVAILABLE

logger = logging.getLogger(__name__)

MOST_OPTIONS = 3_000  # evaluated at once: ticks wait some 15 ms for them


class ChainEvaluations:
    """`beat`: says which chains are due, and evaluates them."""

    def __init__(self, book: Book, params: GreeksParams, retry: PostgresRetry, *, options: Options) -> None:
        self.book = book
        self.retry = retry
        self.options = options
        self.beat = ChainBeat(
            book,
            params,
            interval=options.analytics_interval,
            smile_interval=options.smile_interval,
            defaults=default_rules(),
            records=not options.own_time,
        )
        self.records = ChainRecords()  # stored with the next batch, before anything of the evaluation is published

    def read_rules(self, underlyings: Iterable[str]) -> None:
        self.beat.rules.update(chain_rules(underlyings))

    def due_in(self, now: float) -> float:
        """Return the seconds until the next chain is due."""
        return self.beat.due_in(now)

    def run(self, now: float) -> CycleResult:
        """Evaluate the chains that are due. Their rows wait here."""
        begun = time.monotonic()
        try:
            result = CycleResult(failures=self.look_up())
            self.beat.evaluate(self.beat.choose(now, MOST_OPTIONS), now, result)
        finally:
            taken = time.monotonic() - begun
            self.beat.rest(now, taken)
        metrics.evaluation_time.observe(taken, 1)
        metrics.evaluated.inc(result.evaluated)
        if result.evaluated:
            metrics.evaluated_at.set(now)
        self.records.add(result.records)
        return result

    def look_up(self) -> list[tuple[str, Exception]]:
        """Look up the open interest of the session before, where options lack it. Return what failed.

        Without it changes of open interest are unknown; everything else is evaluated.
        """
        try:
            self.retry.run(lambda: look_up_interest(self.book))
        except (LeaseLost, redis.RedisError, *UNAVAILABLE):
            raise
        except Exception as error:  # noqa: BLE001 - neither a tick nor a chain is at fault
            return [("open interest of the session before", error)]
        return []

    def take(self) -> ChainRecords:
        records, self.records = self.records, ChainRecords()
        return records

    def put_back(self, records: ChainRecords) -> None:
        """Take rows back that were not stored. They are older than those that wait."""
        records.add(self.records)
        self.records = records

    def store(self, records: ChainRecords) -> None:
        """Store rows. If they cannot be stored together, store them by underlying and log the faults."""
        if not records:
            return
        try:
            stored = self.retry.run(lambda: record_chains(records))
        except UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001 - the fault of one underlying, found below
            logger.error("the rows of evaluations are stored apart, since together they raise %r", error)
            stored = sum(self._store_apart(underlying, each) for underlying, each in records.apart())
        metrics.recorded.inc(stored)

    def _store_apart(self, underlying: str, records: ChainRecords) -> int:
        try:
            return self.retry.run(lambda: record_chains(records))
        except UNAVAILABLE:
            raise
        except Exception:  # whatever is wrong with one underlying's rows, the others are stored
            metrics.errors.labels("records").inc()
            logger.exception("what the chain of %s said cannot be stored", underlying)
            return 0

    def drop(self, underlying: str) -> None:
        """Another consumer evaluates this underlying from now on."""
        self.records.forget(underlying)
        self.beat.forget(underlying)

    def forget(self) -> None:
        """Drop the rows that wait, and make those of the present intervals once more."""
        self.records = ChainRecords()
        self.beat.record_again()
