"""Each HTTP request and socket has an id: the caller's X-Request-ID, or one of ours.

An HTTP answer shows it as X-Request-ID, a problem as `request_id`, and each log line has it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from signalsite.foundation.log_context import request_id, request_id_of

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADER = b"x-request-id"


class RequestIds:
    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        known = request_id_of(next((value for name, value in scope["headers"] if name == HEADER), None))
        request_id.set(known)  # of this request's own task
        if scope["type"] == "websocket":  # sockets write past ASGI: they need the server's own `send` (asgi_send)
            await self._application(scope, receive, send)
            return
        shown = (HEADER, known.encode())

        async def send_with_id(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), shown]}
            await send(message)

        await self._application(scope, receive, send_with_id)
