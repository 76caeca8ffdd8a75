"""The sockets' addresses."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from channels.routing import URLRouter
from django.urls import path

from realtime.sockets.consumers import CREDENTIALS, Receive, Scope, SocketConsumer
from realtime.sockets.core.protocol import Close
from realtime.sockets.credentials import Credential
from realtime.sockets.uvicorn_socket import Send

V2: Any = SocketConsumer()
V1: Any = SocketConsumer(token_in_address=True)
_SECRETS = ("token", "ticket")
_routes: Any = URLRouter(
    [
        path("api/v2/signals/subscriptions/websocket", V2),
        path("api/v2/subscriptions/websocket", V2),
        path("api/v1/ws", V1),
    ]
)


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Route a socket. Remove tokens and tickets from its address first, so that they are not logged."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    shown = {name: value for name, value in query if name in _SECRETS}
    if shown:
        rest = urlencode([(name, value) for name, value in query if name not in _SECRETS])
        scope["query_string"] = rest.encode()  # in the server's scope: it logs the address after we accept
    try:
        await _routes({**scope, CREDENTIALS: Credential(**shown)}, receive, send)
    except ValueError as error:
        if not str(error).startswith("No route found"):
            raise
        await send({"type": "websocket.close", "code": int(Close.GOING_AWAY)})
