"""One function in one warm process: compile once, call often, under deadlines that are enforced from outside."""

import os
import select
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson

from signals.functions.inside.wire import HEADER, MOST_REQUEST_BYTES, frame
from signals.functions.sandbox import starter
from signals.functions.sandbox.results import BadFrame, Fault, Outcome, read, sizes
from signals.functions.sandbox.starter import Zygote

Columns = Mapping[str, np.ndarray]
POLL_SECONDS = 0.05  # between looks at the clock of the process's own CPU time
READ_BYTES = 1 << 18
BATCH_BYTES = 16 << 20  # of the numbers in one request
MOST_REPLACED = 20
"""In one batch. After so many ends of its process a function gets no further one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one call may cost. `wall_seconds` is for calls that wait or share a busy machine."""

    cpu_seconds: float = 1.0
    wall_seconds: float = 5.0
    memory_bytes: int = 512 << 20
    batch_seconds: float = 20.0


class _Ended(Exception):
    """The process broke a rule or died. `kind` and the message are for the user."""

    def __init__(self, kind: str, message: str, *, lasting: bool = True) -> None:
        super().__init__(message)
        self.kind, self.lasting = kind, lasting


class FunctionProcess:
    """A user's function, ready to be called. Use it in one thread, and as a context manager.

    A process that breaks a rule is killed, its call gets an error, and the next call gets a new process.
    """

    def __init__(self, source: str, limits: Limits, zygote: Zygote | None = None) -> None:
        """Compile the source. `refused` tells why it is no function, if so. Raises SandboxUnavailable."""
        self._source, self._limits = source, limits
        self._zygote = zygote
        self._forked: starter.Forked | None = None
        self._buffer = bytearray()
        self.refused: Outcome | None = None
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._forked is not None:
            forked, self._forked = self._forked, None
            self._from.end(forked)

    def call(self, data: Columns, params: Mapping[str, Any]) -> Outcome:
        (outcome,) = self.call_many([data], params)
        return outcome

    def call_many(self, calls: Sequence[Columns], params: Mapping[str, Any]) -> Iterator[Outcome]:
        """Yield the outcome of each call, in order. A call that fails, hangs or kills its process fails alone."""
        until = time.monotonic() + self._limits.batch_seconds
        wire = orjson.dumps(dict(params)).decode()
        done = replaced = 0
        while done < len(calls):
            if self.refused is not None:
                yield self.refused
                done += 1
                continue
            some = _request(calls, done, wire)
            if isinstance(some, Outcome):
                yield some
                done += 1
                continue
            request, count = some
            try:
                if time.monotonic() > until:
                    raise _Ended(
                        "Deadline", f"the {self._limits.batch_seconds:g} s for all calls are over", lasting=False
                    )
                if replaced > MOST_REPLACED:
                    raise _Ended("GivenUp", "the function ended its process too often in these calls", lasting=False)
                if self._forked is None:
                    self._start()
                    continue  # the source may be refused now
                for outcome in self._answers(request, count, until):
                    done += 1
                    yield outcome
            except _Ended as error:
                self.close()
                replaced += 1
                done += 1
                yield Outcome({}, error=error.kind, faults=(Fault(str(error)),), lasting=error.lasting)

    def _answers(self, request: Sequence[bytes | memoryview], count: int, until: float) -> Iterator[Outcome]:
        self._buffer.clear()
        self._send(request, min(time.monotonic() + self._limits.wall_seconds, until))
        for _ in range(count):
            yield self._answer(until)

    def _start(self) -> None:
        self._from = self._zygote or starter.current()
        limits = self._limits
        self._forked = self._from.fork(
            memory_bytes=limits.memory_bytes,
            cpu_seconds=int(limits.batch_seconds + limits.cpu_seconds) + 5,
        )
        self._buffer.clear()
        now = time.monotonic()
        try:
            self._send([frame(orjson.dumps({"source": self._source}))], now + limits.wall_seconds)
            outcome = self._answer(now + limits.wall_seconds)
        except _Ended as error:
            self.close()
            outcome = Outcome({}, error=error.kind, faults=(Fault(str(error)),), lasting=error.lasting)
        except BaseException:
            self.close()
            raise
        if outcome.error is not None:
            self.close()
            self.refused = outcome

    @property
    def _process(self) -> starter.Forked:
        assert self._forked is not None
        return self._forked

    def _send(self, parts: Sequence[bytes | memoryview], until: float) -> None:
        """Write a request. The process reads it whole before it computes, so it does not block on its answers."""
        for part in parts:
            left = memoryview(part)
            while left:
                try:
                    left = left[os.write(self._process.requests, left) :]
                except BlockingIOError:
                    self._wait(self._process.requests, select.POLLOUT, until, self._cpu_seconds())
                except BrokenPipeError:
                    raise self._died() from None

    def _answer(self, until: float) -> Outcome:
        """Read one answer. Its time begins now: the process starts a call when it has answered the one before."""
        deadline = time.monotonic() + self._limits.wall_seconds
        late = until < deadline
        cpu = -1.0
        buffer = self._buffer
        needed, whole = HEADER.size, False
        while True:
            if len(buffer) >= needed:
                if whole:
                    break
                try:
                    meta, numbers = sizes(bytes(buffer[: HEADER.size]))
                except BadFrame as error:
                    raise _Ended("BadAnswer", str(error)) from None
                needed, whole = HEADER.size + meta + numbers, True
                continue
            try:
                got = os.read(self._process.answers, READ_BYTES)
            except BlockingIOError:
                if cpu < 0.0:
                    cpu = self._cpu_seconds()
                self._wait(self._process.answers, select.POLLIN, until if late else deadline, cpu)
                continue
            if not got:
                raise self._died()
            buffer += got
        body = bytes(buffer[HEADER.size : needed])
        del buffer[:needed]
        try:
            return read(body[:meta], body[meta:])
        except BadFrame as error:
            raise _Ended("BadAnswer", str(error)) from None

    def _wait(self, descriptor: int, event: int, deadline: float, cpu_before: float) -> None:
        """Wait for the pipe. Raises _Ended when the call's time is over, by the wall's clock or the processor's."""
        limits = self._limits
        poll = select.poll()
        poll.register(descriptor, event)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Ended("Deadline", f"the call took over {limits.wall_seconds:g} s", lasting=False)
            if poll.poll(1000 * min(left, POLL_SECONDS)):
                return
            if self._cpu_seconds() - cpu_before > limits.cpu_seconds:
                raise _Ended("Deadline", f"the call took over {limits.cpu_seconds:g} s of processor time")

    def _cpu_seconds(self) -> float:
        """Return the processor time that the process has used, by the kernel's clock of another process."""
        try:
            return time.clock_gettime(~self._process.pid << 3 | 2)
        except OSError:  # it has ended; the pipe tells
            return 0.0

    def _died(self) -> _Ended:
        """Return what the end of the process was."""
        forked, self._forked = self._process, None
        poll = select.poll()
        poll.register(forked.handle, select.POLLIN)
        poll.poll(1000)  # a process closes its pipes a moment before it can be waited for
        status = self._from.end(forked)
        if status >= 0 and os.WIFSIGNALED(status):
            return _Ended(*_SIGNALS.get(os.WTERMSIG(status), ("Killed", f"signal {os.WTERMSIG(status)} ended it")))
        return _Ended("Ended", "the function ended its process")


_SIGNALS: dict[int, tuple[str, str]] = {
    signal.SIGSYS: ("Refused", "the function made a system call that no function may make, and was ended"),
    signal.SIGXCPU: ("Deadline", "the function used up its processor time"),
    signal.SIGSEGV: ("Crashed", "the function crashed its process: recursion or memory beyond the limit"),
    signal.SIGKILL: ("Killed", "the function's process was killed, by its limits or for want of memory"),
    signal.SIGABRT: ("Crashed", "the function crashed its process"),
    signal.SIGBUS: ("Crashed", "the function crashed its process"),
}


def _request(calls: Sequence[Columns], begin: int, params: str) -> tuple[list[bytes | memoryview], int] | Outcome:
    """Return the next request, with as many calls as fit, and their number; or why the next call fits in none."""
    shapes: list[list[tuple[str, int]]] = []
    numbers: list[bytes | memoryview] = []
    total = 0
    for call in calls[begin:]:
        columns = [(name, np.ascontiguousarray(each, "<f8")) for name, each in call.items()]
        size = sum(each.nbytes for _, each in columns)
        if shapes and total + size > BATCH_BYTES:
            break
        total += size
        shapes.append([(name, each.size) for name, each in columns])
        numbers += [each.data.cast("B") for _, each in columns if each.size]
    meta = orjson.dumps({"params": params, "calls": shapes})
    if len(meta) + total > MOST_REQUEST_BYTES:
        return Outcome({}, error="TooLarge", faults=(Fault("the columns of one call are too large"),))
    return [frame(meta)[: HEADER.size - 4] + total.to_bytes(4, "little") + meta, *numbers], len(shapes)
