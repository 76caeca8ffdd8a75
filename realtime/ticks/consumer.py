"""The tick daemon: from the tick streams to the tables, the output streams and the acknowledgement.

Each step settles who owns which stream, takes over what a dead consumer left, reads entries, computes a batch, and
writes it. An entry is acknowledged only after its ticks are in PostgreSQL, in the transaction that leaves their effects
in Redis. After any doubt the consumer forgets what it holds and takes its streams over again, as from another consumer.

A fault of one underlying stops no other: a tick at fault ends in the dead letters, a chain at fault is not published,
and a stream at fault is paused.
"""

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from threading import Event

import redis
from django.db import connection

from realtime.consumer_groups import ConsumerGroup, Redis, StreamEntry
from realtime.core.group_progress import GroupProgress
from realtime.core.names import Names
from realtime.core.paused_streams import PausedStreams
from realtime.intervals import Intervals
from realtime.ticks import metrics
from realtime.ticks.batch_writer import BatchWriter
from realtime.ticks.batches import Batches
from realtime.ticks.chain_evaluations import ChainEvaluations
from realtime.ticks.configurations import LiveConfigurations
from realtime.ticks.core.book import Book
from realtime.ticks.core.computations import Computation
from realtime.ticks.core.cycle import Cycle
from realtime.ticks.effects import Effects
from realtime.ticks.guard import succeeds
from realtime.ticks.live_bars import LiveBars
from realtime.ticks.live_indicators import LiveIndicators
from realtime.ticks.options import Options
from realtime.ticks.ownership import LeaseLost, Ownership
from realtime.ticks.pending_entries import PendingEntries
from realtime.ticks.postgres_retry import PostgresRetry
from realtime.ticks.running import run_steps
from realtime.ticks.store import store_quotes
from realtime.ticks.underlying_history import UnderlyingHistory
from realtime.ticks.upkeep import Upkeep
from realtime.ticks.volatility_indices import VolatilityIndices
from realtime.ticks.waiting_results import WaitingResults
from signals.greeks.core.conventions import GreeksParams
from signalsite.foundation import heartbeat
from signalsite.foundation.postgres import UNAVAILABLE
from timeframes.core.tick_stream import underlying_of
from timeframes.ticks.models import AbstractTick

logger = logging.getLogger(__name__)

REDELIVER_SECONDS = 1.0
TERMS_SECONDS = 60.0  # how soon a new curve, dividend or setting of an underlying counts
BARS_SECONDS = 0.5  # how soon a change of an open bar is published


class TickConsumer:
    """`find` returns the streams to choose from; it is called regularly. `stop`: set it to end `run`."""

    def __init__(
        self,
        client: Redis,
        *,
        find: Callable[[], set[str]],
        group: str,
        name: str,
        choice: str,
        model: type[AbstractTick],
        names: Names,
        options: Options,
        params: GreeksParams,
        write_back: bool,
        computations: Mapping[str, Computation] = {},
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.find = find
        self.options = options
        self.clock = clock
        self.stop = Event()
        self.owned: dict[str, GroupProgress] = {}
        self.book = Book()
        self.group = ConsumerGroup(client, group, name)
        self.ownership = Ownership(client, group=group, name=name, choice=choice, seconds=options.lease)
        self.paused = PausedStreams()
        self.retry = PostgresRetry(self.ownership, self.owned, self.stop)
        self.evaluations = ChainEvaluations(self.book, params, self.retry, options=options)
        self.history = UnderlyingHistory(client, self.book, self.evaluations, names, options=options, clock=clock)
        bars = LiveBars(self.book, self.retry, model=model, on=options.bars)
        self.indicators = bars.indicators = LiveIndicators(
            client, names, bars.not_closed, own_time=options.own_time, on=options.bars
        )
        self.configurations = LiveConfigurations(self.book, params, self.retry, self.indicators, names, options=options)
        self.cycle = Cycle(
            self.book,
            params,
            reprice_interval=options.reprice_interval,
            window=options.window,
            max_bytes=options.max_bytes,
            sanity=options.sanity,
            computations=computations,
            beat=self.evaluations.beat,
            configured=self.configurations.cycle,
        )
        effects = Effects(
            client,
            self.ownership,
            group=group,
            names=names,
            limits=options.limits,
            write_back=write_back,
            clock=time.time,
        )
        self.writer = BatchWriter(
            effects,
            bars,
            self.evaluations,
            self.configurations,
            self.indicators,
            owned=self.owned,
            paused=self.paused,
        )
        self.batches = Batches(self.cycle, self.writer, self.ownership, options=options, owned=self.owned, clock=clock)
        self.intervals = Intervals()
        self.pending = PendingEntries(
            self.group,
            self.batches,
            self.ownership,
            options=options,
            owned=self.owned,
            intervals=self.intervals,
            stop=self.stop,
        )
        self.indices = VolatilityIndices(client, self.book, self.history.restore)
        self.waiting = WaitingResults(
            client, names, self.configurations.heavy.heard, lambda: self.configurations.public
        )
        self.upkeep = Upkeep(self.group, self.writer, names=names, options=options, owned=self.owned, clock=clock)
        self._to_give_back: list[str] = []
        self._to_take: list[str] = []
        self._read_until = 0.0  # when all entries had been read

    def run(self) -> None:
        """Run until `stop` is set. Outages of Redis and PostgreSQL and faults of our own are logged and survived."""
        run_steps(self.step, self._forget, self.stop)
        self._leave()

    def step(self) -> None:
        """Run one round, with at most one read, which waits shortly for the first entry."""
        heartbeat.beat()
        if self._to_give_back or self._to_take or self.writer.at_fault:
            self.batches.finish()
            if self._to_give_back:
                self.evaluations.store(self.evaluations.take())
            self._exchange()
        if self.intervals.is_due("maintain", self.options.maintenance):
            self.batches.finish()
            self.upkeep.run()
        if self.batches.failed and self.intervals.is_due("redeliver", REDELIVER_SECONDS):
            self.batches.finish()
            self._redeliver()
        if self.options.quotes and self.intervals.is_due("quotes", self.options.quotes):
            self.retry.run(lambda: store_quotes(self.book))
        if self.intervals.is_due("bars", BARS_SECONDS):
            self.batches.finish()
            self.writer.settle_bars(self._bars_until())
        self.configurations.settle({underlying_of(stream) for stream in self.owned})
        if self.owned:
            succeeds("publishing results that wait", self._publish_waiting)
        if self.intervals.is_due("terms", TERMS_SECONDS):
            self.retry.run(lambda: self.history.read_terms(self.book.underlyings))
        succeeds("reading the volatility indices", self._read_indices)
        batch = self.batches.compute(self._read()) if self.owned else None
        self.batches.finish()
        self.configurations.ask(self.clock())
        if self.intervals.is_due("settle", self.options.lease / 3):
            self._settle()
        self.batches.begin(batch)
        self.batches.reprice()
        self.batches.evaluate()
        self.indicators.run(time.monotonic())
        if not self.owned:
            self.stop.wait(min(0.2, self.options.lease / 3))

    # --- reading ----------------------------------------------------------------------------------------------------

    def _read(self) -> list[StreamEntry]:
        count = min(self.options.batch, max(4 * self.options.batch // len(self.owned), 20))
        begun = self.clock()
        entries = self.group.read(sorted(self.owned), count, self._patience_ms())
        if len(entries) < count:  # nothing waited that had come before
            self._read_until = begun
        metrics.observe_waiting([entry_id for _, entry_id, _ in entries], time.time())
        return entries

    def _patience_ms(self) -> int:
        """Return how long to wait for an entry: until a chain, a lease or a read of the indices is due."""
        if self.batches.backlog or self.evaluations.records:
            return 1
        now = self.clock()
        seconds = min(
            0.05 if self.indices.positions else BARS_SECONDS,
            self.options.lease / 3,
            self.cycle.due_in(now),
            self.evaluations.due_in(now),
        )
        return max(int(seconds * 1000), 1)

    def _bars_until(self) -> int:
        """Return the moment up to which every tick has been read: bars that end before it may close."""
        if self.options.own_time:
            return int(self.writer.bars.bars.newest.max(initial=0))
        return int(min(self._read_until, self.clock()) * 1_000_000)

    def _publish_waiting(self) -> None:
        if result := self.waiting.take(self.owned):
            self.batches.finish()
            self.writer.publish(result)

    def _read_indices(self) -> None:
        entries = self.indices.read(self.owned)
        if entries:
            now = self.clock()
            decoded = self.cycle.decode(entries, now + self.options.max_ahead)
            rejected = self.batches.prepare(decoded.ticks, now)
            ticks = [tick for tick in decoded.ticks if tick.contract.text not in rejected]
            self.cycle.observe(ticks, None if self.options.own_time else now)

    # --- streams change hands ---------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Renew the leases and decide which streams to take and to give back.

        Nothing may be being written: renewing a lease breaks the transaction that depends on it. A computed batch still
        has to be written, so streams change hands only with the next step.
        """
        found = self.find() - self.paused.at(time.monotonic())
        owned, self._to_give_back = self.ownership.settle(found, self.owned)
        self._to_take = sorted(owned - self.owned.keys() - set(self._to_give_back))
        for stream in sorted(self.ownership.barred):
            metrics.errors.labels("key").inc()
            seconds = self.paused.pause(stream, time.monotonic())
            key = self.ownership.lease(stream)
            logger.error("%s holds no lease: delete it; %s is left alone for %.0f s", key, stream, seconds)

    def _exchange(self) -> None:
        """Give back and take streams. Everything read from those given back has been acknowledged."""
        for stream in sorted(self.writer.at_fault & self.owned.keys()):
            self._pause(stream)
        self.writer.at_fault.clear()
        self.ownership.release(self._to_give_back)
        for stream in self._to_give_back:
            logger.info("gave back %s", stream)
            self._drop(stream)
        if self._to_give_back:
            self.writer.effects.forget()  # the new owners write where we did
        if self._to_take:  # entries that are taken over run through the configurations too
            self.configurations.settle({underlying_of(stream) for stream in (*self.owned, *self._to_take)})
        for stream in self._to_take:
            if not succeeds(f"taking {stream}", partial(self._take, stream)):
                self._pause(stream)
        self._to_give_back, self._to_take = [], []
        metrics.owned.set(len(self.owned))

    def _take(self, stream: str) -> None:
        """Take a stream: restore its part of the book, then handle its pending entries."""
        underlying = underlying_of(stream)
        self.group.create(stream)
        self.history.read_terms([underlying])
        restored = self.history.restore(underlying)
        self.writer.bars.take(underlying, self.history.recent_instruments(underlying))
        self._read_until = 0.0
        at = self.group.position(stream)
        self.owned[stream] = GroupProgress(at.delivered, at.position)
        claimed = self.pending.claim(stream, 0)
        logger.info("took %s: %d instruments restored, %d entries taken over", stream, restored, claimed)

    def _pause(self, stream: str) -> None:
        seconds = self.paused.pause(stream, time.monotonic())
        logger.error("%s is put aside for %.0f s; its entries wait", stream, seconds)
        self.ownership.release([stream])
        self.writer.effects.forget()  # another consumer may write meanwhile where we did
        self._drop(stream)

    def _drop(self, stream: str) -> None:
        self.owned.pop(stream, None)
        self.batches.failed.discard(stream)
        self.writer.at_fault.discard(stream)
        self.batches.drop(underlying_of(stream))
        self.writer.bars.drop(underlying_of(stream))
        if chain := self.book.underlyings.get(underlying_of(stream)):
            chain.moved = chain.ticked = False  # the new owner reprices it

    # --- upkeep -----------------------------------------------------------------------------------------------------

    def _redeliver(self) -> None:
        for stream in sorted(self.batches.failed & self.owned.keys()):
            self.batches.failed.discard(stream)
            if not succeeds(f"delivering again on {stream}", partial(self.pending.claim, stream, REDELIVER_SECONDS)):
                self._pause(stream)
            elif self.group.pending(stream, 0, 1):
                self.batches.failed.add(stream)

    def _forget(self) -> None:
        """Drop all streams: what we believe about them may be wrong. The next step takes them anew."""
        self.batches.forget()
        self._to_give_back, self._to_take = [], []
        for stream in list(self.owned):
            self._drop(stream)
        self.intervals.make_due("settle")

    def _leave(self) -> None:
        try:
            self.batches.empty()
            self.writer.settle_bars(self._bars_until())
            if self.options.quotes:
                store_quotes(self.book)
            self.ownership.leave(self.owned)
        except (LeaseLost, redis.RedisError, *UNAVAILABLE) as error:
            logger.warning("could not say goodbye: %s", error)
        self.batches.close()
        self.indicators.close()
        self.configurations.close()
        connection.close()
