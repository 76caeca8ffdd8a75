"""Handing a finished frame to the server: what is encoded once need not be framed ten thousand times."""

from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

Send = Callable[[dict[str, Any]], Awaitable[None]]


def frame_writer(send: Send) -> Callable[[bytes], bool] | None:
    """A function that writes a frame where there is room in the socket's buffer, and says whether it did.

    None where the server is another than uvicorn's `websockets-sansio`, or compresses: then each message goes through
    ASGI's `send`, which costs half as much again.
    """
    server = getattr(send, "__self__", None)
    if not isinstance(server, WebSocketsSansIOProtocol) or server.conn.extensions:
        return None
    transport, writable = server.transport, server.writable

    def write(frame: bytes) -> bool:
        if not writable.is_set() or server.close_sent or transport.is_closing():
            return False
        transport.write(frame)
        return True

    return write
