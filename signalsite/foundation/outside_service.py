"""Ask another HTTP service for JSON: a deadline for all attempts, a bound on the body, retries, a circuit breaker.

Only an event loop can end a request whatever its server does, so requests run on one that has a thread of its own.
Nothing here runs on an event loop of this service.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import httpx
import tenacity
from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError, CircuitMemoryStorage

from signalsite.foundation.errors import ExternalServiceError
from signalsite.foundation.once import made_once
from signalsite.foundation.tls import trusted_authorities

T = TypeVar("T")
ATTEMPTS, FAILURES, REST_SECONDS = 3, 3, 30.0


class ServiceFailed(ExternalServiceError):
    """The service did not answer, or not with what it should."""


class Overdue(ServiceFailed):
    """The time for the answer is used up."""


class Refused(ServiceFailed):
    """The answer will not be another one in a second: a status of 3xx or 4xx, or a body of the wrong kind."""


class Rejected(Refused):
    """The service is well, and refuses what was asked: 400 or 422."""


class LeftAlone(ServiceFailed):
    """The circuit breaker is open after failures: the service is not asked for REST_SECONDS."""


class _Breaker:
    """A circuit breaker that lets requests run beside each other: pybreaker's own `call` lets one run at a time."""

    def __init__(self) -> None:
        self._storage = CircuitMemoryStorage(STATE_CLOSED)
        self._breaker = CircuitBreaker(
            fail_max=FAILURES, reset_timeout=REST_SECONDS, exclude=[Overdue, Rejected], state_storage=self._storage
        )
        self._trial = threading.Lock()

    @property
    def current_state(self) -> str:
        return self._breaker.current_state

    def close(self) -> None:
        self._breaker.close()

    @contextmanager
    def around(self) -> Iterator[None]:
        """Count how the block ends. Raises LeftAlone while the service rests; after that one block at a time tries."""
        closed = self._breaker.current_state == STATE_CLOSED
        if not closed and not self._trial.acquire(blocking=False):
            raise LeftAlone("it is being tried again after failures")
        try:
            opened = self._storage.opened_at
            if not closed and opened and datetime.now(UTC) < opened + timedelta(seconds=REST_SECONDS):
                raise LeftAlone(f"it is left alone for {REST_SECONDS:g} s after {FAILURES} failures")
            try:
                yield
            except Exception as error:
                self._count(error)
                raise
            self._count(None)
        finally:
            if not closed:
                self._trial.release()

    def _count(self, error: Exception | None) -> None:
        def end() -> None:
            if error is not None:
                raise error

        with suppress(CircuitBreakerError, type(error) if error else CircuitBreakerError):
            self._breaker.call(end)


@dataclass(frozen=True, slots=True)
class OutsideService:
    """One service, with the circuit breaker of this process. `most_bytes`: of a body."""

    most_bytes: int
    breaker: _Breaker = field(default_factory=_Breaker)

    def ask(
        self, url: str, parameters: Mapping[str, str], read: Callable[[bytes | None], T], *, deadline: float, token: str
    ) -> T:
        """Return what `read` makes of the body of a 200, or of None for a 404.

        `deadline`: of time.monotonic(), for all attempts together. An error of `read` is a failure too; a ServiceFailed
        that is neither Overdue nor Refused is tried again. Raises ServiceFailed, or what `read` raises.
        """

        failure: ServiceFailed | None = None

        def once() -> T:
            nonlocal failure
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise failure or Overdue("the time for this answer is used up")  # a failure counts for the breaker
            try:
                return read(self._get(url, parameters, token, remaining))
            except ServiceFailed as error:
                failure = error
                raise

        retrying = tenacity.Retrying(
            stop=lambda state: state.attempt_number >= ATTEMPTS or time.monotonic() >= deadline,
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=1.0),
            retry=tenacity.retry_if_exception_type(ServiceFailed)
            & tenacity.retry_if_not_exception_type((Overdue, Refused)),
            reraise=True,
        )
        with self.breaker.around():
            found: T = retrying(once)
        return found

    def _get(self, url: str, parameters: Mapping[str, str], token: str, seconds: float) -> bytes | None:
        future = asyncio.run_coroutine_threadsafe(self._download(url, parameters, token, seconds), _loop())
        try:
            return future.result(seconds + 0.5)
        except TimeoutError as error:  # also one that the loop cannot end, such as a name that does not resolve
            future.cancel()
            raise ServiceFailed(f"no answer within {seconds:.1f} s") from error
        except httpx.HTTPError as error:
            raise ServiceFailed(f"{type(error).__name__}: {error}") from error

    async def _download(self, url: str, parameters: Mapping[str, str], token: str, seconds: float) -> bytes | None:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        authorities = trusted_authorities()
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(timeout=seconds, verify=authorities, follow_redirects=False, trust_env=False) as http,
            http.stream("GET", url, params=parameters, headers=headers) as response,
        ):
            if response.status_code >= 500 or response.status_code == 429:
                raise ServiceFailed(f"status {response.status_code}")
            if response.status_code == 404:
                return None
            if response.status_code in (400, 422):
                raise Rejected(f"status {response.status_code}")
            if response.status_code != 200:
                raise Refused(f"status {response.status_code}")
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json" or response.headers.get("content-encoding", "identity") != "identity":
                raise Refused(f"the body is {kind[:50] or 'of no type'}, not plain application/json")
            parts, size = [], 0
            async for part in response.aiter_raw(1 << 16):
                size += len(part)
                if size > self.most_bytes:
                    raise Refused(f"the body has more than {self.most_bytes >> 20} MiB")
                parts.append(part)
            return b"".join(parts)


@made_once
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="outside-services", daemon=True).start()
    return loop
