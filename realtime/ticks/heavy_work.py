"""Work for ticks that workers do: users' functions and long windows. Their results come back through the waiting list.

At most one tick of a configuration and instrument is outstanding; of those that come meanwhile the newest follows it.
A thread of its own sends, so that a broker that is slow or away holds up no tick.
"""

import logging
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from celery import current_app
from django.conf import settings

from realtime.core.names import Names
from realtime.ticks import metrics
from realtime.ticks.core.plans import Plan
from realtime.ticks.core.tick import Tick
from signals.configs.core.results import ConfiguredResult, Source

logger = logging.getLogger(__name__)

TASK = "batch.compute_on_ticks"
EVERY_SECONDS = 0.1  # between tasks of a configuration
LOST_SECONDS = 60.0  # after which a tick without a result is taken to be lost
TOGETHER = 100  # instruments of a task
PLANS_A_WORKER = 4  # configurations with outstanding ticks: more would only queue up
OWNERS_PLANS_A_WORKER = 2  # of them of one owner, so that nobody takes all
REPORT_SECONDS = 60.0

Message = dict[str, Any]
Key = tuple[uuid.UUID, int, str]
"""A configuration, its version and an instrument: a new version need not wait for what the old one asked for."""


class HeavyWork:
    """`send`: enqueues a message."""

    def __init__(self, names: Names, *, send: Callable[[Message], None] | None = None) -> None:
        self.names = names
        self._send = send or enqueue
        self._waiting: dict[Key, tuple[Plan, Tick]] = {}
        self._outstanding: dict[Key, tuple[float, int]] = {}  # until when, and the owner
        self._heard: deque[Key] = deque()  # results, from the thread that reads them
        self._given: deque[Sequence[tuple[Plan, Tick]]] = deque()  # ticks, from the thread that writes them
        self._next = 0.0
        self._reported = 0.0
        self._thread = ThreadPoolExecutor(1, "heavy")
        self._sending: Future[None] | None = None

    def add(self, heavy: Sequence[tuple[Plan, Tick]]) -> None:
        """Have these computed. Their ticks are stored."""
        if heavy:
            self._given.append(heavy)

    def heard(self, results: Iterable[ConfiguredResult]) -> None:
        """Results have come back."""
        self._heard += [
            (each.configuration, each.version, each.instrument_key) for each in results if each.source is Source.TICK
        ]

    def run(self) -> None:
        """Send what may be sent, unless it is too soon or the last sending has not ended."""
        now = time.monotonic()
        if now < self._next or (self._sending is not None and not self._sending.done()):
            return
        self._next = now + EVERY_SECONDS
        self._gather()
        while self._heard:
            self._outstanding.pop(self._heard.popleft(), None)
        self._outstanding = {key: known for key, known in self._outstanding.items() if known[0] > now}
        metrics.outstanding_results.set(len(self._outstanding))
        if messages := self._messages(now + LOST_SECONDS):
            self._sending = self._thread.submit(self._send_all, messages)

    def _gather(self) -> None:
        while self._given:
            for plan, tick in self._given.popleft():
                self._waiting[plan.id, plan.version, tick.contract.text] = plan, tick

    def _messages(self, until: float) -> list[Message]:
        ready = [key for key in self._waiting if key not in self._outstanding]
        busy = {key[0]: owner for key, (_, owner) in self._outstanding.items()}
        owners = Counter(busy.values())
        by_plan: dict[Plan, list[Tick]] = {}
        for key in ready:  # those that have waited for longest first, so that each has its turn
            owner = self._waiting[key][0].owner_id
            if key[0] not in busy:
                full = len(busy) >= PLANS_A_WORKER * settings.WORKERS
                if full or owners[owner] >= OWNERS_PLANS_A_WORKER * settings.WORKERS:
                    continue
                busy[key[0]] = owner
                owners[owner] += 1
            plan, tick = self._waiting.pop(key)
            by_plan.setdefault(plan, []).append(tick)
            self._outstanding[key] = until, owner
        return [
            {
                "configuration": str(plan.id),
                "version": plan.version,
                "labels": _labels(plan),
                "ticks": [
                    (tick.contract.text, tick.entry_id, tick.time.isoformat())
                    for tick in ticks[begin : begin + TOGETHER]
                ],
                "group": self.names.group,
            }
            for plan, ticks in by_plan.items()
            for begin in range(0, len(ticks), TOGETHER)
        ]

    def _send_all(self, messages: Sequence[Message]) -> None:
        """Send messages. What cannot be sent is lost, and follows with a later tick."""
        for message in messages:
            try:
                self._send(message)
            except Exception:  # a broker raises what it likes, and ticks go on
                metrics.errors.labels("broker").inc()
                for key, _, _ in message["ticks"]:
                    self._heard.append((uuid.UUID(message["configuration"]), message["version"], key))
                if time.monotonic() - self._reported >= REPORT_SECONDS:
                    self._reported = time.monotonic()
                    logger.exception("work for ticks cannot be enqueued")

    def forget(self) -> None:
        """Drop what waits: another consumer may have its ticks."""
        self._given.clear()
        self._waiting.clear()

    def drop(self, underlying: str) -> None:
        """Forget what waits and what is outstanding of this underlying: another consumer owns it."""
        self._gather()
        ours = f"{underlying}@"
        self._waiting = {key: each for key, each in self._waiting.items() if not f"{key[2]}@".startswith(ours)}
        self._outstanding = {key: each for key, each in self._outstanding.items() if not f"{key[2]}@".startswith(ours)}

    def close(self) -> None:
        self._thread.shutdown()


def _labels(plan: Plan) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, label in plan.heavy:
        found.setdefault(kind, []).append(label)
    return found


def enqueue(message: Message) -> None:
    current_app.send_task(
        TASK, kwargs=message, queue=settings.CELERY_SLOW_QUEUE, retry=False, expires=LOST_SECONDS, ignore_result=True
    )
