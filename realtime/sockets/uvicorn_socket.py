"""What uvicorn's `websockets-sansio` gives beyond ASGI: finished frames go out as they are, and pings with their pongs.

What is encoded once need not be framed ten thousand times.
"""

import socket
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from realtime.sockets.core.websocket_frames import ping_frame

Send = Callable[[dict[str, Any]], Awaitable[None]]
UNSENT_BYTES = 32 << 10  # that the kernel takes for a client whose own buffers are full


class UvicornSocket:
    """`answered` is called when the client has read as far as the last ping."""

    __slots__ = ("_answered", "_asked", "_before", "_number", "_server", "_transport", "_writable")

    def __init__(self, server: WebSocketsSansIOProtocol, answered: Callable[[], None]) -> None:
        self._server, self._transport, self._writable = server, server.transport, server.writable
        self._answered = answered
        self._number = 0
        self._asked: bytes | None = None  # the payload of our ping that has no pong yet
        self._before: bytes | None = None  # the payload of the server's own ping that had none when ours was sent
        server.handle_pong = self._heard  # type: ignore[method-assign]
        _limit_unsent(self._transport)

    def write(self, frame: bytes) -> bool:
        """Write where there is room in the socket's buffer, and say whether there was."""
        if not self._writable.is_set() or self._server.close_sent or self._transport.is_closing():
            return False
        self._transport.write(frame)
        return True

    def ping(self) -> None:
        if self._server.close_sent or self._transport.is_closing():
            return
        self._number += 1
        self._asked = self._number.to_bytes(8, "big")  # the server's own have 4 bytes
        self._before = self._server.pending_ping_payload
        self._transport.write(ping_frame(self._asked))

    def let_go(self) -> None:
        """Leave no cycle of references behind: the collector hardly ever runs (`realtime.process`)."""
        self._server.__dict__.pop("handle_pong", None)

    def _heard(self, event: Frame) -> None:
        """A pong may answer all pings before its own (RFC 6455, 5.5.3): ours and the server's keepalive."""
        theirs, data = self._server.pending_ping_payload, bytes(event.data)
        ours = self._asked is not None and data == self._asked
        if self._asked is not None and (ours or (data == theirs and theirs != self._before)):
            self._asked = None
            if not ours:
                self._keepalive(event)
            elif theirs is not None and theirs == self._before:
                self._keepalive(Frame(Opcode.PONG, theirs))
            self._answered()
        else:
            self._keepalive(event)

    def _keepalive(self, event: Frame) -> None:
        WebSocketsSansIOProtocol.handle_pong(self._server, event)


def uvicorn_socket(send: Send, answered: Callable[[], None]) -> UvicornSocket | None:
    """None where the server is another than uvicorn's `websockets-sansio`, or compresses.

    Then each message goes through ASGI's `send`, which costs half as much again, and no client can be asked.
    """
    server = getattr(send, "__self__", None)
    if not isinstance(server, WebSocketsSansIOProtocol) or server.conn.extensions:
        return None
    return UvicornSocket(server, answered)


def _limit_unsent(transport: Any) -> None:
    """The kernel's buffer for sending grows to megabytes by itself; this keeps it full enough for any line."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    connection = transport.get_extra_info("socket")
    if option is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
