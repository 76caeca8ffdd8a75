"""Each socket's heartbeat at its own time; and the end of those whose token has expired, which is looked at then."""

import time
from collections import deque
from collections.abc import Callable, Container

from django.conf import settings

from realtime.sockets.core.protocol import Close
from realtime.sockets.session import Session


class Heartbeats:
    """`open_sessions`: who still is; `end` closes one."""

    def __init__(self, open_sessions: Container[Session], end: Callable[[Session, Close, str], None]) -> None:
        self._open = open_sessions
        self._end = end
        self._due: deque[tuple[float, Session]] = deque()

    def join(self, session: Session) -> None:
        self._due.append((time.monotonic() + settings.WEBSOCKET_HEARTBEAT_INTERVAL, session))

    def beat(self, now: float) -> None:
        """Of all that are due at `now` (monotonic)."""
        wall = time.time()
        while self._due and self._due[0][0] <= now:
            _, session = self._due.popleft()
            if session not in self._open:
                continue
            self._due.append((now + settings.WEBSOCKET_HEARTBEAT_INTERVAL, session))
            if session.identity is None:
                continue
            session.beat(wall)
            if session.identity.expires_at <= wall:
                self._end(session, Close.NOT_AUTHENTICATED, "the token has expired")
