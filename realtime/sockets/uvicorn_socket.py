"""Write to uvicorn's `websockets-sansio` directly: finished frames, and pings whose pongs we see.

ASGI would frame each message again for every one of ten thousand sockets, and it has no pings.
"""

import socket
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from realtime.sockets.core.websocket_frames import ping_frame

Send = Callable[[dict[str, Any]], Awaitable[None]]
UNSENT_BYTES = 32 << 10  # that the kernel buffers for a client whose own buffers are full


class UvicornSocket:
    """`answered` is called when the client has read up to the last ping."""

    __slots__ = ("_answered", "_asked", "_before", "_number", "_server", "_transport", "_writable")

    def __init__(self, server: WebSocketsSansIOProtocol, answered: Callable[[], None]) -> None:
        self._server, self._transport, self._writable = server, server.transport, server.writable
        self._answered = answered
        self._number = 0
        self._asked: bytes | None = None  # payload of our unanswered ping
        self._before: bytes | None = None  # payload of the server's own ping that was unanswered when ours was sent
        server.handle_pong = self._on_pong  # type: ignore[method-assign]
        _limit_unsent(self._transport)

    def write(self, frame: bytes) -> bool:
        """Write if the socket's buffer has room, and return whether it had."""
        if not self._writable.is_set() or self._server.close_sent or self._transport.is_closing():
            return False
        self._transport.write(frame)
        return True

    def ping(self) -> None:
        if self._server.close_sent or self._transport.is_closing():
            return
        self._number += 1
        self._asked = self._number.to_bytes(8, "big")  # 8 bytes: the server's own payloads have 4
        self._before = self._server.pending_ping_payload
        self._transport.write(ping_frame(self._asked))

    def release(self) -> None:
        """Break the reference cycle: the garbage collector rarely runs (`realtime.process`)."""
        self._server.__dict__.pop("handle_pong", None)

    def _on_pong(self, event: Frame) -> None:
        """Handle a pong. It may answer all earlier pings too (RFC 6455, 5.5.3): ours and the server's keepalive."""
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
    """Return None if the server is not uvicorn's `websockets-sansio`, or compresses.

    Then each message goes through ASGI's `send`, which costs 50 % more, and clients cannot be pinged.
    """
    server = getattr(send, "__self__", None)
    if not isinstance(server, WebSocketsSansIOProtocol) or server.conn.extensions:
        return None
    return UvicornSocket(server, answered)


def _limit_unsent(transport: Any) -> None:
    """Limit the kernel's send buffer, which would grow to megabytes. This size still fills any line."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    connection = transport.get_extra_info("socket")
    if option is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
