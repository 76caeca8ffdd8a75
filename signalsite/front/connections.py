"""How many HTTP connections there may be, and how long one may wait before it has a request."""

from typing import Generic, TypeVar

Connection = TypeVar("Connection")


class Connections(Generic[Connection]):
    """The open connections of a process. Those without a request in hand wait in the order in which they began to."""

    def __init__(self, most: int, wait_seconds: float) -> None:
        self._most, self._wait_seconds = most, wait_seconds
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, float] = {}  # since when

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection, now: float) -> Connection | None:
        """Takes it in. Where that makes too many, returns the one that has to go: the one that has waited longest for
        its request. Where all have a request in hand, that is the newcomer."""
        self._open.add(connection)
        self._waiting[connection] = now
        return next(iter(self._waiting)) if len(self._open) > self._most else None

    def wait(self, connection: Connection, now: float) -> None:
        """It has no request in hand from now on."""
        if connection in self._open:
            self._waiting.pop(connection, None)  # to the end of the line
            self._waiting[connection] = now

    def engage(self, connection: Connection) -> None:
        """It has a request in hand."""
        self._waiting.pop(connection, None)

    def leave(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def overdue(self, now: float) -> list[Connection]:
        """Those that have waited too long. Each waits anew: who does not go when it is told to is found again."""
        late = []
        for connection, since in self._waiting.items():
            if now - since < self._wait_seconds:
                break
            late.append(connection)
        for connection in late:
            self.wait(connection, now)
        return late
