"""Send each socket's heartbeats at its own interval, and end sockets whose token has expired."""

import time
from collections import deque
from collections.abc import Callable, Container

from django.conf import settings

from realtime.sockets.core.protocol import Close
from realtime.sockets.session import Session


class Heartbeats:
    """`open_sessions`: the sockets that are still open; `end` closes one."""

    def __init__(self, open_sessions: Container[Session], end: Callable[[Session, Close, str], None]) -> None:
        self._open = open_sessions
        self._end = end
        self._due: deque[tuple[float, Session]] = deque()

    def join(self, session: Session) -> None:
        self._due.append((time.monotonic() + settings.WEBSOCKET_HEARTBEAT_INTERVAL, session))

    def send_due(self, now: float) -> None:
        """Send the heartbeats that are due at `now` (monotonic)."""
        wall = time.time()
        while self._due and self._due[0][0] <= now:
            _, session = self._due.popleft()
            if session not in self._open:
                continue
            self._due.append((now + settings.WEBSOCKET_HEARTBEAT_INTERVAL, session))
            if session.identity is None:
                continue
            session.send_heartbeat(wall)
            if session.identity.expires_at <= wall:
                self._end(session, Close.NOT_AUTHENTICATED, "the token has expired")
