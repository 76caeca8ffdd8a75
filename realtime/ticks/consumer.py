"""The tick daemon: from the streams to the tables, the output streams, and the acknowledgement.

Each round: settle who owns what, take over what a dead consumer left, read, handle, commit. Whatever fails, nothing is
acknowledged that isn't kept: ticks are in PostgreSQL before one transaction in Redis leaves their effects and
acknowledges them. After any doubt the consumer forgets what it held and takes its streams over again, like another's.

A fault of one underlying stops no other: a tick at fault ends in the dead letters, a chain at fault is not told of, and
a stream at fault is put aside for a while.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from threading import Event

import redis
from django.db import connection

from realtime.core.names import Names
from realtime.ticks import metrics
from realtime.ticks.batches import BACKOFF, HANDLED_ELSEWHERE, Batches, Options
from realtime.ticks.contracts import load_terms
from realtime.ticks.core.book import Book
from realtime.ticks.core.computations import Computation
from realtime.ticks.core.cycle import Cycle
from realtime.ticks.core.group_progress import GroupProgress
from realtime.ticks.core.paused_streams import PausedStreams
from realtime.ticks.effects import Effects
from realtime.ticks.ownership import LeaseLost, Ownership
from realtime.ticks.restore import restore_underlying
from realtime.ticks.store import UNAVAILABLE, store_quotes
from realtime.ticks.streams import ConsumerGroup, Redis, StreamEntry, runs, trim
from realtime.ticks.volatility_indices import VolatilityIndices
from signals.greeks.core.conventions import GreeksParams
from signalsite.foundation import heartbeat
from timeframes.core.tick_stream import underlying_of
from timeframes.ticks.models import AbstractTick

logger = logging.getLogger(__name__)

REDELIVER_SECONDS = 1.0
SUSPICIOUS = 3  # delivered so often, an entry is handled alone: it may be what kills its consumers
FORGOTTEN_CONSUMER_MS = 3_600_000


class TickConsumer:
    """`find`: the streams there are to choose from, asked for now and then. `stop`: set it to end `run`."""

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
        self.client = client
        self.find = find
        self.names = names
        self.options = options
        self.clock = clock
        self.stop = Event()
        self.owned: dict[str, GroupProgress] = {}
        self.book = Book()
        self.cycle = Cycle(
            self.book,
            params,
            reprice_interval=options.reprice_interval,
            window=options.window,
            max_bytes=options.max_bytes,
            sanity=options.sanity,
            computations=computations,
        )
        self.group = ConsumerGroup(client, group, name)
        self.ownership = Ownership(client, group=group, name=name, choice=choice, seconds=options.lease)
        effects = Effects(
            client,
            self.ownership,
            group=group,
            names=names,
            limits=options.limits,
            write_back=write_back,
            clock=time.time,
        )
        self.paused = PausedStreams()
        self.batches = Batches(
            self.cycle,
            effects,
            self.ownership,
            model=model,
            options=options,
            owned=self.owned,
            paused=self.paused,
            stop=self.stop,
            clock=clock,
        )
        self.indices = VolatilityIndices(client, self.book, self._restore, self._guard)
        self._to_give_back: list[str] = []
        self._to_take: list[str] = []
        self._due = dict.fromkeys(("settle", "maintain", "quotes", "redeliver"), 0.0)

    def run(self) -> None:
        """Until `stop` is set. Survives Redis and PostgreSQL being away, and faults of ours, which the log shows."""
        delay = BACKOFF[0]
        while not self.stop.is_set():
            try:
                self.step()
                delay = BACKOFF[0]
            except LeaseLost as error:
                logger.warning("%s", error)
                self._forget()
            except (redis.RedisError, *UNAVAILABLE) as error:
                metrics.errors.labels(type(error).__name__).inc()
                logger.error("%s: %s; trying again in %.1f s", type(error).__name__, error, delay)
                connection.close()
                self._forget()
                self.stop.wait(delay)
                delay = min(delay * 2, BACKOFF[1])
            except Exception:  # a fault of ours outside any stream: to end here would end with every stream that we own
                metrics.errors.labels("unexpected").inc()
                logger.exception("the consumer failed, and begins again in %.1f s", delay)
                self._forget()
                self.stop.wait(delay)
                delay = min(delay * 2, BACKOFF[1])
        self._leave()

    def step(self) -> None:
        """One round: at most one read of the streams, waiting shortly for the first entry."""
        heartbeat.beat()
        if self._to_give_back or self._to_take or self.batches.at_fault:
            self.batches.finish()
            self._exchange()
        if self._is_due("maintain", self.options.maintenance):
            self.batches.finish()
            self._maintain()
        if self.batches.failed and self._is_due("redeliver", REDELIVER_SECONDS):
            self.batches.finish()
            self._redeliver()
        if self.options.quotes and self._is_due("quotes", self.options.quotes):
            self.batches.patiently(lambda: store_quotes(self.book))
        self._guard("hearing the volatility indices", self._read_indices)
        batch = self.batches.compute(self._read()) if self.owned else None
        self.batches.finish()
        if self._is_due("settle", self.options.lease / 3):
            self._settle()
        self.batches.begin(batch)
        self.batches.reprice()
        if not self.owned:
            self.stop.wait(min(0.2, self.options.lease / 3))

    def _read(self) -> list[StreamEntry]:
        count = min(self.options.batch, max(4 * self.options.batch // len(self.owned), 20))
        entries = self.group.read(sorted(self.owned), count, self._patience())
        metrics.observe_waiting([entry_id for _, entry_id, _ in entries], time.time())
        return entries

    def _settle(self) -> None:
        """Nothing is being written meanwhile: a lease that is renewed breaks up the transaction that holds by it.

        What was computed is still to be written, so streams change hands only after that, with the next step.
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
        """Streams change hands. Whatever was read of those that are given back has been acknowledged."""
        for stream in sorted(self.batches.at_fault & self.owned.keys()):
            self._pause(stream)
        self.batches.at_fault.clear()
        self.ownership.release(self._to_give_back)
        for stream in self._to_give_back:
            logger.info("gave back %s", stream)
            self._drop(stream)
        if self._to_give_back:
            self.batches.effects.forget()  # their new owners write where we did
        for stream in self._to_take:
            if not self._guard(f"taking {stream}", partial(self._take, stream)):
                self._pause(stream)
        self._to_give_back, self._to_take = [], []
        metrics.owned.set(len(self.owned))

    def _guard(self, what: str, call: Callable[[], object]) -> bool:
        """Whether the call succeeded. What it raises of its own is logged and counted: others go on."""
        try:
            call()
        except Exception as error:
            # That a key is not of the type it should be is a stream's own fault; that Redis does not answer is not.
            if isinstance(error, HANDLED_ELSEWHERE) and not isinstance(error, redis.ResponseError):
                raise
            metrics.errors.labels("stream").inc()
            logger.exception("%s failed", what)
            return False
        return True

    def _pause(self, stream: str) -> None:
        seconds = self.paused.pause(stream, time.monotonic())
        logger.error("%s is put aside for %.0f s; its entries wait", stream, seconds)
        self.ownership.release([stream])
        self.batches.effects.forget()  # another may write meanwhile where we did
        self._drop(stream)

    def _drop(self, stream: str) -> None:
        self.owned.pop(stream, None)
        self.batches.failed.discard(stream)
        self.batches.at_fault.discard(stream)
        self.batches.backlog.forget(underlying_of(stream))
        if chain := self.book.underlyings.get(underlying_of(stream)):
            chain.moved = False  # its new owner tells of it

    def _take(self, stream: str) -> None:
        """Begin with a stream: the book as it was left, then what was given out and not acknowledged."""
        underlying = underlying_of(stream)
        self.group.create(stream)
        for known, terms in load_terms([underlying]).items():
            self.book.add_underlying(known, terms)
        restored = self._restore(underlying)
        at = self.group.position(stream)
        self.owned[stream] = GroupProgress(at.delivered, at.position)
        claimed = self._claim(stream, 0)
        logger.info("took %s: %d instruments restored, %d entries taken over", stream, restored, claimed)

    def _restore(self, underlying: str) -> int:
        as_of = None if self.options.own_time else datetime.fromtimestamp(self.clock(), UTC)
        register = self.options.register
        return restore_underlying(self.client, self.book, self.names, underlying, register=register, as_of=as_of)

    def _claim(self, stream: str, idle_seconds: float) -> int:
        claimed, idle_ms = 0, int(idle_seconds * 1000)
        while pending := self.group.pending(stream, idle_ms):
            for first, number, deliveries in runs(pending, SUSPICIOUS, self.options.batch):
                if self.stop.is_set():
                    return claimed
                if stream in self.batches.at_fault:  # it is put aside with the next step
                    return claimed
                heartbeat.beat()
                entries, removed = self.group.claim(stream, first, number, idle_ms)
                self.batches.report_lost(stream, removed)
                claimed += len(entries)
                if deliveries >= self.options.max_deliveries:
                    self.batches.give_up(entries, deliveries)
                else:
                    self.batches.handle(entries)
                if self._is_due("settle", self.options.lease / 3):
                    self.ownership.renew(self.owned)
            if stream in self.batches.failed or len(pending) < 10_000:
                break
        return claimed

    def _redeliver(self) -> None:
        for stream in sorted(self.batches.failed & self.owned.keys()):
            self.batches.failed.discard(stream)
            if not self._guard(f"delivering again on {stream}", partial(self._claim, stream, REDELIVER_SECONDS)):
                self._pause(stream)
            elif self.group.pending(stream, 0, 1):
                self.batches.failed.add(stream)

    def _read_indices(self) -> None:
        heard = self.indices.read(self.owned)
        if heard:
            now = self.clock()
            decoded = self.cycle.decode(heard, now + self.options.max_ahead)
            refused = self.batches.prepare(decoded.ticks, now)
            ticks = [tick for tick in decoded.ticks if tick.contract.text not in refused]
            self.cycle.observe(ticks, None if self.options.own_time else now)

    def _maintain(self) -> None:
        for stream, progress in self.owned.items():
            self._guard(f"maintaining {stream}", partial(self._maintain_stream, stream, progress))

    def _maintain_stream(self, stream: str, progress: GroupProgress) -> None:
        at = self.group.position(stream)
        metrics.queue_length.labels(stream).set(at.waiting)
        self.batches.report_lost(stream, progress.account((), at.first, at.removed))
        if progress.position is None and at.delivered == progress.delivered:
            progress.position = at.position
        trim(self.client, stream, keep_ms=int(self.options.keep * 1000), keep_entries=self.options.keep_entries)
        self.group.forget_consumers(stream, FORGOTTEN_CONSUMER_MS)

    def _patience(self) -> int:
        """Milliseconds to wait for an entry: until the next chain is due, the leases are, or others may have spoken."""
        if self.batches.backlog:
            return 1
        seconds = min(0.05 if self.indices.positions else 1.0, self.options.lease / 3, self.cycle.due_in(self.clock()))
        return max(int(seconds * 1000), 1)

    def _is_due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every
        return True

    def _forget(self) -> None:
        """Whatever we believed about the streams may be wrong: begin again as if another had had them."""
        self.batches.forget()
        self._to_give_back, self._to_take = [], []
        for stream in list(self.owned):
            self._drop(stream)
        self._due["settle"] = 0.0

    def _leave(self) -> None:
        try:
            self.batches.empty()
            if self.options.quotes:
                store_quotes(self.book)
            self.ownership.leave(self.owned)
        except (LeaseLost, redis.RedisError, *UNAVAILABLE) as error:
            logger.warning("could not say goodbye: %s", error)
        self.batches.close()
        connection.close()
