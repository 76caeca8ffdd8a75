"""Answers requests for bars from the event loop: a page in memory after one check, which concurrent requests share.

Everything else runs on threads: the check, on one of its own, and the making of a page, one of a name at a time.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import close_old_connections
from django.utils import timezone
from rest_framework.exceptions import NotFound, ValidationError

from signalsite.foundation.errors import InvalidInput
from timeframes.bars import lookup
from timeframes.bars.changes import Basis, Moment, unchanged
from timeframes.bars.check_connection import CheckConnection, ChecksFailed
from timeframes.bars.pages import BarsPage

CHECK_SECONDS = 3.0
MOST_AT_ONCE = 256  # checks of one statement
LONGEST_QUERY = 512  # characters of a request that is answered here
Run = Callable[..., Coroutine[Any, Any, Any]]


class Checks:
    """One statement runs at a time. Requests that arrive meanwhile share the next one, so that no answer is older than
    its request."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bars-check")
        self._rows = CheckConnection().rows
        self._waiting: list[tuple[Basis, asyncio.Future[Moment | None]]] = []
        self._working: asyncio.Task[None] | None = None

    async def check(self, basis: Basis) -> Moment | None:
        """Return the moment as of which the basis is unchanged, or None. Raises ChecksFailed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Moment | None] = loop.create_future()
        self._waiting.append((basis, future))
        if self._working is None:
            self._working = loop.create_task(self._work(), context=contextvars.Context())  # not of a request
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await future
        except TimeoutError as error:
            raise ChecksFailed("the database did not answer in time") from error

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                turn, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                turn = [each for each in turn if not each[1].done()]  # a reader may have given up
                if not turn:
                    continue
                try:
                    found = await loop.run_in_executor(
                        self._thread, unchanged, [basis for basis, _ in turn], self._rows
                    )
                except Exception as error:  # noqa: BLE001 - the waiting requests raise it
                    for _, future in turn:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for (_, future), moment in zip(turn, found, strict=True):
                    if not future.done():
                        future.set_result(moment)
        finally:
            self._working = None


class BarsOnLoop:
    """One for each process. Returns None for what Django answers: refusals, and unusual requests."""

    def __init__(self) -> None:
        self._checks = Checks()
        self._making: dict[str, asyncio.Task[BarsPage]] = {}
        self._flushing: asyncio.Task[None] | None = None

    async def __call__(self, captured: str, parameters: Mapping[str, str], run: Run) -> BarsPage | None:
        if sum(map(len, parameters.values())) + len(captured) > LONGEST_QUERY:
            return None
        try:
            name, asked, limit = lookup.read_query(captured, tuple(parameters.items()))
            asked.check_range(timezone.now())
            self._flush_when_due(run)
            if (page := await self._from_memory(name)) is not None:
                return page
            making = self._making.get(name)
            if making is not None:
                page = await asyncio.shield(making)
                # It may have been read before this request came.
                if page.basis is not None and await self._checks.check(page.basis) is not None:
                    return page
            return await asyncio.shield(self._make(name, asked, limit, run))
        except (InvalidInput, ValidationError, NotFound):
            return None

    async def _from_memory(self, name: str) -> BarsPage | None:
        page = lookup.MEMORY.get(name)
        if page is None or page.basis is None:
            return None
        page = lookup.settle(name, page, await self._checks.check(page.basis))
        if page is not None:
            lookup.COUNTS.add(name)
            lookup.ASKED.labels("memory").inc()
        return page

    def _make(self, name: str, asked: Any, limit: int, run: Run) -> "asyncio.Task[BarsPage]":
        task: asyncio.Task[BarsPage] = asyncio.create_task(run(_look_up, name, asked, limit))
        self._making.setdefault(name, task)

        def made(_: Any) -> None:
            if self._making.get(name) is task:
                del self._making[name]
            if not task.cancelled():
                task.exception()  # whoever waits raises it

        task.add_done_callback(made)
        return task

    def _flush_when_due(self, run: Run) -> None:
        if lookup.COUNTS.due() and self._flushing is None:
            self._flushing = asyncio.create_task(self._flush(run), context=contextvars.Context())

    async def _flush(self, run: Run) -> None:
        try:
            await run(_flush)
        finally:
            self._flushing = None


def _look_up(name: str, asked: Any, limit: int) -> BarsPage:
    try:
        return lookup.look_up(name, asked, limit, timezone.now())
    finally:
        close_old_connections()


def _flush() -> None:
    try:
        lookup.flush(timezone.now())
    finally:
        close_old_connections()


bars = BarsOnLoop()
