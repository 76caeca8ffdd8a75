"""The gate: every HTTP request passes it on the event loop."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from batch.exports.asgi import Application, is_export
from signalsite.foundation.bodies import DEFAULT_BYTES
from signalsite.front import metrics
from signalsite.front.admission import Allowance, allowance
from signalsite.front.bodies import LARGE_BYTES, Bodies, Disconnected, Receive, nothing
from signalsite.front.credentials import Caller, by_session, caller, is_signed_in
from signalsite.front.live import LiveReads
from signalsite.front.pages import Pages, Scope, Send
from signalsite.front.rate import RateLimit
from signalsite.front.refusals import Refused, not_signed_in
from signalsite.front.switched_off import PREFIX
from signalsite.health import HEALTHY

logger = logging.getLogger(__name__)

_HEALTH_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(HEALTHY)).encode())]
_READ = (b"authorization", b"cookie", b"content-encoding", b"content-length", b"transfer-encoding")


class Gate:
    """Answers /health and live reads, refuses what it can before reading a body, and passes complete requests on."""

    def __init__(
        self, *, pages: Pages, exports: Application, bodies: Bodies, live: LiveReads, rate: RateLimit | None = None
    ) -> None:
        """`rate`: of API v2's requests; None: without a limit."""
        self._pages, self._exports, self._bodies, self._live = pages, exports, bodies, live
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/health" and scope["method"] in ("GET", "HEAD"):
            await _answer(send, 200, _HEALTH_HEADERS, HEALTHY)
            return
        begun = False

        async def send_first(message: Mapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._admit(scope, receive, send_first)
        except Refused as refusal:
            metrics.REFUSED.labels(refusal.status).inc()
            await _answer(send, refusal.status, refusal.headers, refusal.body)
        except Disconnected:
            pass
        except Exception:  # a bug in the gate: this request gets a 500, and the connection stays open
            if begun:  # too late for another status: the server logs it and closes the connection
                raise
            logger.exception("the gate failed", extra={"path": scope["path"], "method": scope["method"]})
            failure = Refused(500, "an error of ours; the log tells more")
            await _answer(send, failure.status, failure.headers, failure.body)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._rate is not None and scope["path"].startswith(PREFIX) and (name := _named(scope)) is not None:
            self._rate.take(name)
        asked = self._live.asked(scope)
        if asked is not None and (answer := await self._live.answer(asked)) is not None:
            await _answer(send, answer.status, answer.headers, answer.body)
            return
        headers = {name: value for name, value in scope["headers"] if name in _READ}
        announced = int(headers.get(b"content-length", b"0"))
        allowed = allowance(scope["path"])
        cookies = headers.get(b"cookie")
        who: Caller | None = None
        if allowed.anonymous is None:
            who = caller(headers.get(b"authorization"), cookies, time.time())
        if is_export(scope):
            await self._exports(scope, receive, send)
            return
        if announced or b"transfer-encoding" in headers:
            who = who or by_session(cookies)
            limit = await self._limit(who, allowed, announced)
            name = who.name if who else "anonymous"
            packed = allowed.signed_in > LARGE_BYTES and headers.get(b"content-encoding", b"identity") != b"identity"
            async with self._bodies.receive(receive, announced, limit, name, packed=packed) as body:
                answer = await self._pages.ask(scope, body)
        else:
            answer = await self._pages.ask(scope, nothing())
        if asked is not None:
            self._live.learn(asked, answer)
        await self._pages.hand_over(answer, send)

    async def _limit(self, who: Caller | None, allowed: Allowance, announced: int) -> int:
        """Return the largest body that the caller may send. Look up a session, on a thread, only for a large one."""
        if who is None:
            return allowed.anonymous or 0
        if not who.session or allowed.signed_in <= DEFAULT_BYTES:
            return allowed.signed_in
        if 0 < announced <= DEFAULT_BYTES:
            return DEFAULT_BYTES
        if not await self._pages.run(is_signed_in, who.session):
            raise not_signed_in("the session has ended")
        return allowed.signed_in


def _named(scope: Scope) -> str | None:
    """Return who asks, for the limit; None without a credential, or for one that is wrong, which is refused later."""
    headers = {name: value for name, value in scope["headers"] if name in (b"authorization", b"cookie")}
    try:
        return caller(headers.get(b"authorization"), headers.get(b"cookie"), time.time()).name
    except Refused:
        return None


async def _answer(send: Send, status: int, headers: Any, body: Any) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
