"""Read newest states for many readers at once, on the event loop.

What many ask for is in memory (`Memory`). For all else one read of Redis runs at a time. Readers that arrive meanwhile
share the next one, a transaction that reads each value once, so a hundred readers cost little more than one.
"""

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from django.conf import settings
from redis.exceptions import RedisError

from realtime.snapshot.selectors import Reading, T, Wanted
from realtime.snapshot.transactions import Transactions
from signalsite.foundation.errors import LimitExceeded, RedisConnectionError

logger = logging.getLogger(__name__)

MOST_FIELDS = 128  # of one response: building a larger one would block the event loop for a millisecond
ROUND_FIELDS = 1_000  # beyond it readers wait for the round after
NAMES_FIELDS = 500  # what listing a hash's field names counts as; a chain has up to some thousand
EXPIRE_SECONDS = 0.1  # between two looks at the deadlines
ANSWER_SECONDS = 4.0  # for all reads of a response; each may wait for a round to end
REDIS_SECONDS = 3.0  # for one round: a second of stalled disk or busy event loop is no reason to fail all its readers


class TooLarge(LimitExceeded):
    """The read is too large for the event loop: answer it on a thread."""


class Memory(Protocol):
    """Newest states that this process hears of anyway."""

    def replies(self, wanted: Sequence[Wanted]) -> list[Any] | None:
        """Return what Redis would reply, or None to ask Redis."""

    async def close(self) -> None: ...


class _Round:
    """The reads of one transaction. `values`: the fields of each hash, or an error."""

    def __init__(self) -> None:
        self.fields: dict[str, dict[str, None]] = {}
        self.names: dict[str, None] = {}
        self.size = 0
        self.waiting: list[tuple[asyncio.Future[None], float]] = []  # each with its deadline
        self.error: Exception | None = RedisError("the read did not run")
        self.values: dict[str, dict[str, Any] | Exception] = {}
        self.names_of: dict[str, Any] = {}

    def add(self, wanted: Sequence[Wanted]) -> None:
        for name, fields in wanted:
            if fields is None:
                if name not in self.names:  # equal reads share one
                    self.names[name] = None
                    self.size += NAMES_FIELDS
            else:
                self.fields.setdefault(name, {}).update(dict.fromkeys(fields))
                self.size += len(fields)

    def is_wanted(self) -> bool:
        return any(not each.done() for each, _ in self.waiting)

    def expire(self, now: float) -> None:
        for each, deadline in self.waiting:
            if deadline <= now and not each.done():
                each.set_exception(RedisConnectionError("Redis did not answer in time"))

    def end(self) -> None:
        for each, _ in self.waiting:
            if not each.done():  # its reader has given up
                each.set_result(None)

    def replies(self, wanted: Sequence[Wanted]) -> list[Any]:
        """Raises RedisConnectionError."""
        if isinstance(self.error, RedisError | OSError):
            raise RedisConnectionError("Redis did not answer") from self.error
        if self.error is not None:
            raise self.error
        found: list[Any] = []
        for name, fields in wanted:
            values = self.names_of[name] if fields is None else self.values[name]
            if isinstance(values, Exception):
                raise RedisConnectionError("Redis did not answer") from values
            found.append(values if fields is None else [values[field] for field in fields])
        return found


class NewestStates:
    """One for each event loop."""

    def __init__(self, url: str, memory: Memory | None = None) -> None:
        self._memory = memory
        self._redis = Transactions(url, settings.REDIS_OPTIONS, REDIS_SECONDS)
        self._loop = asyncio.get_running_loop()  # kept: looking it up costs a system call
        self._turn: _Round | None = None  # the round that Redis is answering
        self._rounds: deque[_Round] = deque()
        self._working: asyncio.Task[None] | None = None
        self._expiring: asyncio.TimerHandle | None = None
        self._failing = False

    async def close(self) -> None:
        if self._expiring is not None:
            self._expiring.cancel()
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])
        if self._memory is not None:
            await self._memory.close()
        await self._redis.close()

    async def run(self, reading: Reading[T], seconds: float = ANSWER_SECONDS) -> T:
        """Drive a reading. Raises what it raises, RedisConnectionError or TooLarge."""
        try:
            deadline = self._loop.time() + seconds
            wanted = next(reading)
            while True:
                wanted = reading.send(await self._read(wanted, deadline))
        except StopIteration as end:
            found: T = end.value
            return found

    async def _read(self, wanted: Sequence[Wanted], deadline: float) -> list[Any]:
        if sum(len(fields) for _, fields in wanted if fields) > 2 * MOST_FIELDS:  # a state and its entry's ID
            raise TooLarge(f"more than {MOST_FIELDS} states at once")
        if self._memory is not None and (found := self._memory.replies(wanted)) is not None:
            return found
        if not self._rounds or self._rounds[-1].size > ROUND_FIELDS:
            self._rounds.append(_Round())
        mine = self._rounds[-1]
        mine.add(wanted)
        if self._working is None:
            self._working = self._loop.create_task(self._work(), context=contextvars.Context())  # not of a request
        if self._expiring is None:
            self._expiring = self._loop.call_later(EXPIRE_SECONDS, self._expire, context=contextvars.Context())
        waiting = self._loop.create_future()
        mine.waiting.append((waiting, deadline))
        await waiting
        return mine.replies(wanted)

    def _expire(self) -> None:
        """Fail the readers whose deadline has passed. One timer for all: one for each costs a tenth of an answer."""
        if self._working is None:
            self._expiring = None
            return
        for each in (self._turn, *self._rounds):
            if each is not None:
                each.expire(self._loop.time())
        self._expiring = self._loop.call_later(EXPIRE_SECONDS, self._expire)

    async def _work(self) -> None:
        """Run rounds until nobody waits."""
        try:
            while self._rounds:
                self._turn = turn = self._rounds.popleft()
                if not turn.is_wanted():
                    continue
                try:
                    await self._ask(turn)
                    turn.error = None
                except Exception as error:  # noqa: BLE001 - the waiting readers raise it
                    turn.error = error
                self._log_change(turn.error)
                turn.end()
        finally:
            self._working = None
            for each in (self._turn, *self._rounds):  # some are left if the process ends and we are cancelled
                if each is not None:
                    each.end()
            self._turn = None
            self._rounds.clear()

    async def _ask(self, turn: _Round) -> None:
        commands = [("HMGET", name, *fields) for name, fields in turn.fields.items()]
        replies = iter(await self._redis.run([*commands, *(("HKEYS", name) for name in turn.names)]))
        for (name, fields), values in zip(turn.fields.items(), replies, strict=False):
            turn.values[name] = values if isinstance(values, Exception) else dict(zip(fields, values, strict=True))
        turn.names_of = dict(zip(turn.names, replies, strict=True))

    def _log_change(self, error: Exception | None) -> None:
        """Log once that Redis is away, and once that it is back."""
        if error is not None and not self._failing:
            logger.error("live reads find no Redis: %s", error)
        elif error is None and self._failing:
            logger.warning("live reads find Redis again")
        self._failing = error is not None


_newest: NewestStates | None = None


def newest_states(memory: Callable[[], Memory]) -> NewestStates:
    """Return this process' reader. The first call creates it, with its memory, for the running event loop."""
    global _newest
    if _newest is None:
        _newest = NewestStates(settings.REDIS_URL, memory())
    return _newest


async def close() -> None:
    if _newest is not None:
        await _newest.close()
