"""The consumer of configurations: from the stream to the tables, and from the tables to what in Redis depends on them.

Whoever holds the lease does both. Changes reach Redis the same way whether they came by the stream, the API or the
admin: through the outbox. After any doubt the consumer begins again as if another had been there.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event

import redis
from django.db import connection

from realtime.configs import metrics
from realtime.configs.keys import load_initial_configurations
from realtime.configs.lease import Lease, LeaseLost
from realtime.configs.options import Options
from realtime.configs.outbox import Outbox
from realtime.configs.stream import BACKOFF, ConfigStream
from realtime.configs.witness import Witness
from realtime.consumer_groups import Redis
from realtime.core.names import Names
from realtime.core.paused_streams import PausedStreams
from realtime.intervals import Intervals
from signalsite.foundation import heartbeat
from signalsite.foundation.postgres import UNAVAILABLE

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 2.0
TIDY_SECONDS = 60.0


class ConfigConsumer:
    """`stop`: set it to end `run`. `clock` returns seconds since 1970."""

    def __init__(self, client: Redis, *, name: str, options: Options, clock: Callable[[], float] = time.time) -> None:
        self.client = client
        self.options = options
        self.clock = clock
        self.stop = Event()
        self.lease = Lease(client, f"config_owner:{options.group}", name=name, seconds=options.lease)
        self.stream = ConfigStream(client, self.lease, name=name, options=options, stop=self.stop, clock=clock)
        self.outbox = Outbox(client, self.lease, Names())
        self.witness = Witness(client, self.lease)
        self.paused = PausedStreams()
        self.intervals = Intervals()
        self.leads = False

    def run(self) -> None:
        """Run until `stop` is set. Outages of Redis and PostgreSQL and faults of our own are logged and survived."""
        delay = BACKOFF[0]
        while not self.stop.is_set():
            try:
                self.step()
                delay = BACKOFF[0]
                continue
            except LeaseLost as error:
                logger.warning("%s", error)
                self._forget()
                continue
            except (redis.RedisError, *UNAVAILABLE) as error:
                metrics.errors.labels(type(error).__name__).inc()
                logger.error("%s: %s; trying again in %.1f s", type(error).__name__, str(error).strip(), delay)
            except Exception:  # a fault of ours: ending would stop every configuration from changing
                metrics.errors.labels("unexpected").inc()
                logger.exception("the consumer failed, and begins again in %.1f s", delay)
            connection.close()
            self._forget()
            heartbeat.beat()
            self.stop.wait(delay)
            delay = min(delay * 2, BACKOFF[1])
        self._leave()

    def step(self) -> None:
        """Run one round, with at most one read of the stream, which waits shortly for a message."""
        heartbeat.beat()
        if not self.leads and not self._take():
            self.stop.wait(min(self.options.poll, self.options.lease / 3))
            return
        self.lease.renew()
        if self.intervals.is_due("watch", self.options.watch) and self.witness.misses():
            self.intervals.make_due("verify")
        if self.intervals.is_due("verify", self.options.verify):
            self._verify()
        self._apply()
        if self._handle():
            self._apply()
        if self.intervals.is_due("look again", LOOK_AGAIN_SECONDS):
            self.outbox.look_again()
        if self.intervals.is_due("tidy", TIDY_SECONDS):
            self.outbox.tidy(now=self._now())

    def _take(self) -> bool:
        """Take the lease if nobody has it. Everything is due at once then."""
        self.leads = self.lease.take()
        metrics.leading.set(self.leads)
        if self.leads:
            logger.info("took %s as %s", self.lease.key, self.lease.token)
            self.intervals = Intervals()
        return self.leads

    def _verify(self) -> None:
        """Compare all keys with PostgreSQL: at the start, after a loss in Redis, and now and then."""
        begun = time.monotonic()
        wrong = load_initial_configurations(self.client, self.lease)
        self.witness.mark()
        metrics.repaired.inc(wrong)
        logger.info("%d keys of configurations were wrong, after %.2f s", wrong, time.monotonic() - begun)

    def _handle(self) -> int:
        """Handle messages, and return how many.

        A fault of the stream's own keys, such as a wrong type, must not keep changes waiting.
        """
        stream = self.options.stream
        if self.paused.at(time.monotonic()):
            self.stop.wait(self.options.poll)
            return 0
        try:
            if self.intervals.is_due("maintain", self.options.maintenance):
                self.stream.maintain()
            handled = self.stream.handle()
        except redis.ResponseError as error:
            metrics.errors.labels("stream").inc()
            seconds = self.paused.pause(stream, time.monotonic())
            logger.error("%s is left alone for %.0f s: %s", stream, seconds, error)
            self.stream.forget()
            return 0
        self.paused.succeeded(stream)
        return handled

    def _apply(self) -> None:
        while self.outbox.apply(now=self._now()) and not self.stop.is_set():
            heartbeat.beat()
            self.lease.renew()

    def _forget(self) -> None:
        self.stream.forget()
        self.leads = False
        metrics.leading.set(0)

    def _leave(self) -> None:
        """Apply what was kept, and let another take over at once."""
        try:
            if self.leads:
                self.outbox.apply(now=self._now())
                self.lease.release()
        except (LeaseLost, redis.RedisError, *UNAVAILABLE) as error:
            logger.warning("could not say goodbye: %s", error)
        connection.close()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)
