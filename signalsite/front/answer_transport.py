"""What a request cycle of uvicorn writes its answer to, in the place of the connection's transport."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from signalsite.front.protocol import FrontProtocol

JOINED_BYTES = 64 << 10  # a longer body is not copied behind its head


class AnswerTransport:
    """The transport that a request cycle sees. Closing it waits until the client can read the answer.

    It writes the head of a short answer together with the body, so its reader wakes up once.
    """

    __slots__ = ("_beginning", "_head", "_write", "protocol")

    def __init__(self, protocol: "FrontProtocol") -> None:
        self.protocol: FrontProtocol | None = protocol
        self._write: Callable[[bytes], None] = protocol.transport.write
        self._beginning: RequestResponseCycle | None = None
        self._head = b""

    def begin(self, cycle: "RequestResponseCycle") -> None:
        """Await the head of the cycle's answer."""
        self._beginning, self._head = cycle, b""

    def end(self) -> None:
        """Break the reference cycles: the connection is gone."""
        self.protocol = self._beginning = None

    def write(self, data: bytes) -> None:
        if self._beginning is not None:
            cycle, self._beginning = self._beginning, None
            if _body_follows(cycle):
                self._head = data
                return
        elif self._head:
            data, self._head = self._head + data, b""
        self._write(data)

    def is_closing(self) -> bool:
        return self.protocol is None or self.protocol.transport.is_closing()

    def close(self) -> None:
        if self.protocol is not None:
            self.protocol.close_when_read()


def _body_follows(cycle: "RequestResponseCycle") -> bool:
    """Return whether a short body follows the head that the cycle is writing."""
    known = cycle.response_started and cycle.chunked_encoding is False and cycle.scope["method"] != "HEAD"
    return known and 0 < cycle.expected_content_length <= JOINED_BYTES
