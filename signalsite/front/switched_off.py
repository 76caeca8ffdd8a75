"""API v2 where API_V2_ENABLED is false: every door of it says so, and nothing behind it runs."""

from typing import Any

from signalsite.front.bodies import Receive
from signalsite.front.pages import Scope, Send
from signalsite.front.refusals import Refused

PREFIX = "/api/v2/"
_DETAIL = "API v2 is switched off here (API_V2_ENABLED); health, metrics and the admin go on"


class WithoutV2:
    """Passes on what is not of API v2: /health, /ready, /metrics, the admin, tokens and the docs."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not scope["path"].startswith(PREFIX):
            await self._application(scope, receive, send)
            return
        refusal = Refused(503, _DETAIL)
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
            if "websocket.http.response" not in scope.get("extensions", {}):
                await send({"type": "websocket.close", "reason": _DETAIL})  # the server answers 403
                return
        kind = "http.response" if scope["type"] == "http" else "websocket.http.response"
        await send({"type": f"{kind}.start", "status": refusal.status, "headers": refusal.headers})
        await send({"type": f"{kind}.body", "body": refusal.body})
