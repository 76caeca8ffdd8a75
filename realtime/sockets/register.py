"""Lists the open sockets of this process in PostgreSQL, for staff and monitoring.

The event loop notes which sockets have changed. Once a second, if something has, one thread writes up to BATCH of them
in one transaction. No socket waits for it. While PostgreSQL is away the changes wait in memory, one for each socket.
"""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from realtime.sockets import listing
from realtime.sockets.session import Session

logger = logging.getLogger(__name__)

BATCH = 1_000  # sockets a write: the event loop makes their rows in some milliseconds
MOST_TOPICS = 20  # of a socket, in its row
AGAIN_SECONDS = 5.0  # after a failure
STOP_SECONDS = 1.0
UNANSWERED = (DatabaseError, InterfaceError)


class Register:
    """All methods but `_write` and `_forget` belong to the event loop."""

    def __init__(self) -> None:
        self.process = f"{socket.gethostname()[:100]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._started_at = datetime.now(UTC)
        self._listed: dict[Session, str] = {}  # the ids of sockets that have rows, or soon will
        self._changed: dict[Session, None] = {}
        self._gone: dict[str, None] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="register")
        self._writing: asyncio.Task[None] | None = None
        self._next = 0.0  # when the process must write again, changes or not
        self._waits_until = 0.0
        self._failing = False

    def changed(self, session: Session) -> None:
        """Note that an authenticated socket has opened, or has other subscriptions."""
        if settings.WEBSOCKET_LISTED_SECONDS > 0 and session.identity is not None and not session.closed:
            self._changed[session] = None

    def left(self, session: Session) -> None:
        self._changed.pop(session, None)
        if (id := self._listed.pop(session, None)) is not None:
            self._gone[id] = None

    def send_due(self, now: float) -> None:
        """Begin a write if one is due at `now` (monotonic) and none runs. Never waits."""
        if self._writing is not None or now < self._waits_until or settings.WEBSOCKET_LISTED_SECONDS <= 0:
            return
        if not self._changed and not self._gone and (now < self._next or not self._listed):
            return
        self._writing = asyncio.create_task(self._write_some(now))

    async def _write_some(self, now: float) -> None:
        changed = list(islice(self._changed, BATCH))
        gone = list(islice(self._gone, BATCH))
        for session in changed:
            del self._changed[session]
        for id in gone:
            del self._gone[id]
        rows = [self._row(session) for session in changed]
        try:
            new = await asyncio.get_running_loop().run_in_executor(self._thread, self._write, rows, gone)
        except UNANSWERED as error:
            self._again(changed, gone)
            self._waits_until = time.monotonic() + AGAIN_SECONDS
            if not self._failing:
                logger.error("the open sockets cannot be listed, and the list waits: %s", error)
            self._failing = True
        except Exception:  # whatever is wrong with the list, sockets go on, and these rows are written later
            self._again(changed, gone)
            self._waits_until = time.monotonic() + AGAIN_SECONDS
            logger.exception("the open sockets could not be listed")
        else:
            self._next = now + settings.WEBSOCKET_LISTED_SECONDS
            if new:  # the first time, or the rows were deleted while PostgreSQL was away
                self._again(set(self._listed) - set(changed), ())
            if self._failing:
                logger.warning("the open sockets are listed again")
            self._failing = False
        finally:
            self._writing = None

    def _again(self, changed: Iterable[Session], gone: Iterable[str]) -> None:
        self._changed |= dict.fromkeys(session for session in changed if session in self._listed)
        self._gone |= dict.fromkeys(gone)

    def _row(self, session: Session) -> listing.Row:
        identity, topics = session.identity, session.subscriptions
        if identity is None:
            raise AssertionError("only authenticated sockets are noted")
        id = self._listed.setdefault(session, session.id)
        some = list(islice(topics, MOST_TOPICS))
        return listing.Row(id, identity.user_id, session.label, some, len(topics), session.opened_at)

    def _write(self, rows: list[listing.Row], gone: list[str]) -> bool:
        try:
            return listing.write(self.process, self._started_at, rows, gone)
        except UNANSWERED:
            connection.close()  # the next attempt begins with a new one
            raise
        finally:
            if settings.DATABASE_POOL:
                connection.close()  # back to the pool

    def _forget(self) -> None:
        listing.forget(self.process)
        connection.close()

    async def stop(self) -> None:
        """Delete the rows of this process, if PostgreSQL answers at once. Beat deletes them otherwise."""
        if self._next:  # something was written
            forgetting = asyncio.get_running_loop().run_in_executor(self._thread, self._forget)
            with suppress(TimeoutError, *UNANSWERED):
                await asyncio.wait_for(forgetting, STOP_SECONDS)
        self._thread.shutdown(wait=False, cancel_futures=True)
