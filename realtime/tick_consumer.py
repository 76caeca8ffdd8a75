"""The tick daemon: from the streams to the tables, the output streams, and the acknowledgement.

Each round: settle who owns what, take over what a dead consumer left, read, handle, commit. Whatever fails, nothing is
acknowledged that isn't kept: ticks are in PostgreSQL before one transaction in Redis leaves their effects and
acknowledges them. After any doubt the consumer forgets what it held and takes its streams over again, like another's.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

import redis
from django.db import connection

from realtime import tick_metrics as metrics
from realtime.contracts import load_terms, prepare_contracts
from realtime.core.book import Book
from realtime.core.cycle import Computation, Cycle, Frame, Rejected
from realtime.core.entry_ids import parse_id
from realtime.core.names import Names
from realtime.core.progress import Progress
from realtime.core.ticks import Reason, Tick
from realtime.effects import Effects, Limits
from realtime.ownership import LeaseLost, Ownership
from realtime.restore import restore_underlying
from realtime.streams import Group, Redis, StreamEntry, runs, tail, trim
from realtime.tick_store import UNAVAILABLE, store_quotes, store_ticks
from signals.greeks.core.conventions import GreeksParams
from timeframes.core.tick_stream import tick_stream, underlying_of
from timeframes.models import AbstractTick

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

BACKOFF = (0.1, 2.0)  # seconds, first and longest
REDELIVER_SECONDS = 1.0
HEARD_AGAIN_SECONDS = 10.0
SUSPICIOUS = 3  # delivered so often, an entry is handled alone: it may be what kills its consumers
FORGOTTEN_CONSUMER_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a consumer works. Times in seconds."""

    batch: int
    max_bytes: int
    max_ahead: float
    max_deliveries: int
    beat: float
    lease: float
    maintenance: float
    quotes: float  # between writes of the newest quotes; 0: none are written
    keep: float  # how long acknowledged entries stay in a stream
    keep_entries: int
    own_time: bool  # the ticks' times are now
    register: bool  # unknown contracts are made known; else their ticks are refused
    limits: Limits


HANDLED_ELSEWHERE = (LeaseLost, redis.RedisError, *UNAVAILABLE)
"""Not the fault of any tick: what was read is read again when things are better."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read, what came of it, and when it was read (monotonic)."""

    entries: Sequence[StreamEntry]
    frame: Frame
    rejected: Sequence[Rejected]
    begun: float


class TickConsumer:
    """While one batch is written, in a thread of its own, the next is read and computed.

    `find`: the streams there are to choose from, asked for now and then."""

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
        self.model = model
        self.names = names
        self.options = options
        self.clock = clock
        self.group = Group(client, group, name)
        self.ownership = Ownership(client, group=group, name=name, choice=choice, seconds=options.lease)
        self.effects = Effects(
            client,
            self.ownership,
            group=group,
            names=names,
            limits=options.limits,
            write_back=write_back,
            clock=time.time,
        )
        self.book = Book()
        self.cycle = Cycle(self.book, params, beat=options.beat, max_bytes=options.max_bytes, computations=computations)
        self.stop = Event()
        self.owned: dict[str, Progress] = {}
        self._failed: set[str] = set()  # streams with entries that our handling raised on
        self._tails: dict[str, str] = {}
        self._writer = ThreadPoolExecutor(1, "writer")
        self._writing: tuple[Batch, Future[None]] | None = None
        self._due = dict.fromkeys(("settle", "maintain", "quotes", "redeliver"), 0.0)

    def run(self) -> None:
        """Until `stop` is set. Survives Redis and PostgreSQL being away; anything else is a bug and ends it."""
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
        self._leave()

    def step(self) -> None:
        """One round: at most one read of the streams, waiting shortly for the first entry."""
        if self._is_due("settle", self.options.lease / 3):
            self._finish()
            self._settle()
        if not self.owned:
            self.stop.wait(min(0.2, self.options.lease / 3))
            return
        if self._is_due("maintain", self.options.maintenance):
            self._finish()
            self._maintain()
        if self._failed and self._is_due("redeliver", REDELIVER_SECONDS):
            self._finish()
            self._redeliver()
        if self.options.quotes and self._is_due("quotes", self.options.quotes):
            self._patiently(lambda: store_quotes(self.book))
        self._hear_others()
        count = min(self.options.batch, max(4 * self.options.batch // len(self.owned), 20))
        entries = self.group.read(sorted(self.owned), count, self._patience())
        begun = time.monotonic()
        try:
            batch = self._compute(entries, begun)
        except HANDLED_ELSEWHERE:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it is some tick's doing: `handle` finds out whose
            self._finish()
            self.handle(entries)
            return
        self._finish()
        if batch is not None:
            self._writing = (batch, self._writer.submit(self._write, batch))

    def _finish(self) -> None:
        """Wait for the batch that is being written, if there is one; raises what its writing raised."""
        if self._writing is None:
            return
        batch, writing = self._writing
        while not wait([writing], self.options.lease / 3).done:
            self.ownership.renew(self.owned)
        self._writing = None
        try:
            writing.result()
        except HANDLED_ELSEWHERE:
            raise
        except Exception:  # noqa: BLE001 - as in `step`
            self.handle(batch.entries)

    def handle(self, entries: Sequence[StreamEntry]) -> None:
        """Take entries all the way to their acknowledgement. What raises is halved until the one at fault is alone."""
        try:
            batch = self._compute(entries, time.monotonic())
            if batch is not None:
                self._write(batch)
        except HANDLED_ELSEWHERE:
            raise
        except Exception:
            metrics.errors.labels("handler").inc()
            if not entries:
                raise
            if len(entries) == 1:
                logger.exception("tick %s of %s cannot be handled", entries[0][1], entries[0][0])
                self._failed.add(entries[0][0])
                return
            half = len(entries) // 2
            self.handle(entries[:half])
            self.handle(entries[half:])

    def _compute(self, entries: Sequence[StreamEntry], begun: float) -> Batch | None:
        """What is to be written of these entries and of the chains that are due; None where there is nothing."""
        now = self.clock()
        beat = not self.options.own_time and now >= self.cycle.next_beat()
        if not entries and not beat:
            return None
        decoded = self.cycle.decode(entries, now + self.options.max_ahead)
        ticks = decoded.ticks
        if unknown := self._prepare(ticks):
            read = {(stream, entry_id): entry for stream, entry_id, entry in entries}
            for tick in ticks:
                if tick.contract.text in unknown:
                    where = (tick.stream, tick.entry_id)
                    detail = f"no instrument {tick.contract.text} is known"
                    decoded.rejected.append(Rejected(*where, read[where], Reason.UNKNOWN_INSTRUMENT, detail))
            ticks = [tick for tick in ticks if tick.contract.text not in unknown]
        frame = self.cycle.handle(ticks, None if self.options.own_time else now)
        for name, error in frame.failures:
            metrics.errors.labels(name).inc()
            logger.error("computation %s failed: %s", name, error, exc_info=error)
        metrics.ticks.labels("skipped").inc(decoded.skipped)
        if not entries and not frame.topics:
            return None
        return Batch(entries, frame, decoded.rejected, begun)

    def _write(self, batch: Batch) -> None:
        """First to PostgreSQL, then the effects and the acknowledgement."""
        frame = batch.frame
        self._patiently(lambda: store_ticks(self.model, frame.ticks))
        self._commit(batch.entries, frame, batch.rejected)
        metrics.ticks.labels("accepted").inc(len(frame.ticks))
        metrics.ticks.labels("rejected").inc(len(batch.rejected))
        metrics.repriced.inc(frame.priced)
        if batch.entries:
            metrics.processing_time.observe(time.monotonic() - batch.begun, len(batch.entries))

    def _prepare(self, ticks: Sequence[Tick]) -> set[str]:
        contracts = [tick.contract for tick in ticks]
        return self._patiently(lambda: prepare_contracts(self.book, contracts, register=self.options.register))

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        """Until PostgreSQL answers: what is in hand stays there, the streams stay ours. Raises when told to stop."""
        delay = BACKOFF[0]
        while True:
            try:
                return call()
            except UNAVAILABLE as error:
                metrics.errors.labels(type(error).__name__).inc()
                connection.close()
                if self.stop.is_set():
                    raise
                logger.error("PostgreSQL: %s; trying again in %.1f s", str(error).strip(), delay)
                self.ownership.renew(self.owned)
                self.stop.wait(delay)
                delay = min(delay * 2, BACKOFF[1])

    def _commit(self, entries: Sequence[StreamEntry], frame: Frame, rejected: Sequence[Rejected]) -> None:
        told = {tick_stream(underlying) for underlying in frame.topics} & self.owned.keys()
        removals = self.effects.commit(entries, frame, rejected, told)
        for stream, (first, gone) in removals.items():
            if progress := self.owned.get(stream):
                # Entries taken over are older than what was read last: they were accounted for when they were.
                fresh = [entry_id for each, entry_id, _ in entries if each == stream]
                if fresh and parse_id(fresh[0]) > progress.delivered:
                    self._report_lost(stream, progress.account(fresh, first, gone))

    def _report_lost(self, stream: str, lost: int) -> None:
        if lost:
            metrics.trimmed.labels(stream).inc(lost)
            logger.error("%d entries of %s were removed before they were read", lost, stream)

    def _settle(self) -> None:
        owned, give_back = self.ownership.settle(self.find())
        for stream in self.owned.keys() - owned:
            logger.warning("lost %s to another consumer", stream)
            self._drop(stream)
        self.ownership.release(give_back)
        for stream in give_back:
            logger.info("gave back %s", stream)
            self._drop(stream)
        for stream in sorted(owned - self.owned.keys() - set(give_back)):
            self._take(stream)
        metrics.owned.set(len(self.owned))

    def _drop(self, stream: str) -> None:
        self.owned.pop(stream, None)
        if chain := self.book.chains.get(underlying_of(stream)):
            chain.moved = False  # its new owner tells of it

    def _take(self, stream: str) -> None:
        """Begin with a stream: the book as it was left, then what was given out and not acknowledged."""
        underlying = underlying_of(stream)
        self.group.create(stream)
        for known, terms in load_terms([underlying]).items():
            self.book.add_underlying(known, terms)
        restored = self._restore(underlying)
        at = self.group.position(stream)
        self.owned[stream] = Progress(at.delivered, at.position)
        claimed = self._claim(stream, 0)
        logger.info("took %s: %d instruments restored, %d entries taken over", stream, restored, claimed)

    def _restore(self, underlying: str) -> int:
        return restore_underlying(self.client, self.book, self.names, underlying, register=self.options.register)

    def _claim(self, stream: str, idle_ms: int) -> int:
        claimed = 0
        while pending := self.group.pending(stream, idle_ms):
            for first, number, deliveries in runs(pending, SUSPICIOUS, self.options.batch):
                if self.stop.is_set():
                    return claimed
                entries, removed = self.group.claim(stream, first, number, idle_ms)
                self._report_lost(stream, removed)
                claimed += len(entries)
                if deliveries >= self.options.max_deliveries:
                    self._give_up(entries, deliveries)
                else:
                    self.handle(entries)
                if self._is_due("settle", self.options.lease / 3):
                    self.ownership.renew(self.owned)
            if stream in self._failed or len(pending) < 10_000:
                break
        return claimed

    def _give_up(self, entries: Sequence[StreamEntry], deliveries: int) -> None:
        detail = f"handling it failed {deliveries} times"
        rejected = [
            Rejected(stream, entry_id, entry, Reason.HANDLER_ERROR, detail) for stream, entry_id, entry in entries
        ]
        self.effects.commit(entries, Frame(), rejected, ())
        metrics.ticks.labels("rejected").inc(len(rejected))

    def _redeliver(self) -> None:
        for stream in sorted(self._failed & self.owned.keys()):
            self._failed.discard(stream)
            self._claim(stream, int(REDELIVER_SECONDS * 1000))
            if self.group.pending(stream, 0, 1):
                self._failed.add(stream)

    def _hear_others(self) -> None:
        """Volatility indices whose streams others own are heard too: every chain needs them."""
        chains = (self.book.chains.get(underlying_of(stream)) for stream in self.owned)
        indices = {chain.terms.volatility_index_key for chain in chains if chain}
        wanted = {tick_stream(key.rpartition("@")[0]) for key in indices if key} - self.owned.keys()
        for stream in wanted - self._tails.keys():
            restored = self._restore(underlying_of(stream))
            now = self.client.time()[0]
            self._tails[stream] = f"{int((now - HEARD_AGAIN_SECONDS) * 1000)}-0"
            logger.info("hearing %s: %d instruments restored", stream, restored)
        for stream in self._tails.keys() - wanted:
            del self._tails[stream]
        heard = tail(self.client, self._tails)
        if not heard:
            return
        decoded = self.cycle.decode(heard, self.clock() + self.options.max_ahead)
        unknown = self._prepare(decoded.ticks)
        self.cycle.hear([tick for tick in decoded.ticks if tick.contract.text not in unknown])

    def _maintain(self) -> None:
        for stream, progress in self.owned.items():
            at = self.group.position(stream)
            metrics.queue_length.labels(stream).set(at.waiting)
            self._report_lost(stream, progress.account((), at.first, at.removed))
            if progress.position is None and at.delivered == progress.delivered:
                progress.position = at.position
            trim(
                self.client,
                stream,
                keep_ms=int(self.options.keep * 1000),
                keep_entries=self.options.keep_entries,
            )
            self.group.forget_consumers(stream, FORGOTTEN_CONSUMER_MS)

    def _patience(self) -> int:
        """Milliseconds to wait for an entry: until the next chain is due, the leases are, or others may have spoken."""
        seconds = min(0.05 if self._tails else 1.0, self.options.lease / 3, self.cycle.next_beat() - self.clock())
        return max(int(seconds * 1000), 1)

    def _is_due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every
        return True

    def _forget(self) -> None:
        """Whatever we believed about the streams may be wrong: begin again as if another had had them."""
        if self._writing is not None:
            wait([self._writing[1]])
            self._writing = None
        for stream in list(self.owned):
            self._drop(stream)
        self._failed.clear()
        self.effects.forget()
        self._due["settle"] = 0.0

    def _leave(self) -> None:
        try:
            self._finish()
            if self.options.quotes:
                store_quotes(self.book)
            self.ownership.leave(self.owned)
        except (redis.RedisError, *UNAVAILABLE) as error:
            logger.warning("could not say goodbye: %s", error)
        self._writer.submit(lambda: connection.close()).result()  # each thread has a connection of its own
        self._writer.shutdown()
        connection.close()
