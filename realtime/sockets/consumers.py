"""The sockets' shell: admit a socket, authenticate it, read its requests. `session` sends; the hub decides what.

This is a plain ASGI application within Channels' routing. Channels' own consumer class costs two more tasks a socket
and a thread hop a message, and we do not use its groups (docs/websocket.md).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from redis.exceptions import RedisError

from realtime.sockets import subscriptions
from realtime.sockets.admission import ConnectionLimits, origin_is_ours
from realtime.sockets.core import messages
from realtime.sockets.core.messages import Auth, ClientAck, InvalidMessage, Ping, Subscribe, Unsubscribe
from realtime.sockets.core.protocol import Ack, Close, Code, Error, Pong, Welcome
from realtime.sockets.core.token_bucket import TokenBucket
from realtime.sockets.credentials import SUBPROTOCOL, Credential, NotAuthenticated, identify, in_header, offered
from realtime.sockets.hub import Hub
from realtime.sockets.metrics import TOTALS
from realtime.sockets.session import Identity, Session
from realtime.sockets.shared_hub import the_hub
from realtime.sockets.topics import Reader
from realtime.sockets.uvicorn_socket import Send

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
CREDENTIALS = "realtime.sockets.credentials"  # the key in the scope under which `routing` passes credentials
_limits = ConnectionLimits()


class SocketRefused(Exception):
    """Close the socket with this code."""

    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Gone(Exception):
    """The client has closed the socket."""


class SocketConsumer:
    """`token_in_address`: accept `?token=`, as version 1 of the API does."""

    def __init__(self, *, token_in_address: bool = False) -> None:
        self._token_in_address = token_in_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        chosen = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
        # Accept first: otherwise the client cannot see why it is refused.
        await send({"type": "websocket.accept", "subprotocol": chosen})
        if not _limits.acquire():
            TOTALS.refused += 1
            reason = "this process has as many sockets as it may"
            await send({"type": "websocket.close", "code": int(Close.TOO_MANY), "reason": reason})
            return
        try:
            await self._serve(scope, receive, send)
        except Gone:
            pass
        finally:
            _limits.release()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub, user_id = the_hub(), None
        session = Session(send, mailbox_limit=settings.WEBSOCKET_MAX_PENDING)
        hub.join(session)
        try:
            if not origin_is_ours(scope["headers"]):
                raise SocketRefused(Close.FOREIGN_ORIGIN, "the origin is not allowed")
            inbox = _Inbox(receive)
            session.identity, asked = await self._authenticate(scope, inbox, hub)
            if not _limits.acquire_for(session.identity.user_id):
                raise SocketRefused(Close.TOO_MANY, "the user has as many sockets as one may")
            user_id = session.identity.user_id
            session.label = _label(scope)
            hub.register.changed(session)
            session.reply(_welcome(session.label))
            if asked is not None:
                session.reply(Ack(asked.id, "auth"))
            await _converse(hub, session, session.identity, inbox)
        except SocketRefused as refusal:
            TOTALS.refused += 1
            logger.info("socket refused: %s", refusal.reason)
            hub.leave(session)
            await session.close(refusal.code, refusal.reason)
        finally:
            hub.leave(session)
            session.end()
            if user_id is not None:
                _limits.release_for(user_id)

    async def _authenticate(self, scope: Scope, inbox: "_Inbox", hub: Hub) -> tuple[Identity, Auth | None]:
        """Authenticate by subprotocol, header, address or first message, which is returned. Raises SocketRefused."""
        message = None
        in_address: Credential = scope.get(CREDENTIALS, Credential())
        try:
            credential = offered(scope["subprotocols"]) or in_header(scope["headers"])
            credential = credential or Credential(ticket=in_address.ticket)
            if not credential and self._token_in_address:
                credential = in_address
            if not credential:
                async with asyncio.timeout(settings.WEBSOCKET_AUTH_SECONDS):
                    first = messages.read(await inbox.next())
                if not isinstance(first, Auth):
                    raise NotAuthenticated("the first message must be auth")
                message = first
                credential = Credential(message.token, message.ticket)
            return await identify(credential, hub.reader, hub.ended), message
        except TimeoutError as error:
            raise SocketRefused(Close.NOT_AUTHENTICATED, "no credential came in time") from error
        except (NotAuthenticated, InvalidMessage) as error:
            raise SocketRefused(Close.NOT_AUTHENTICATED, _short(str(error))) from error
        except (RedisError, OSError) as error:
            logger.error("a ticket could not be read: %s", error)
            raise SocketRefused(Close.INTERNAL_ERROR, "storage does not answer, try again") from error


class _Inbox:
    """Receives messages, within the limits on their size and rate."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        rate = settings.WEBSOCKET_MESSAGE_RATE
        self._bucket = TokenBucket(rate=rate, burst=rate * 5, now=time.monotonic())

    async def next(self) -> str:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        if not self._bucket.take(time.monotonic()):
            raise SocketRefused(Close.TOO_FAST, f"more than {settings.WEBSOCKET_MESSAGE_RATE:g} messages a second")
        text: str | None = message.get("text")
        if text is None:
            text = message["bytes"].decode(errors="replace")
        if len(text) > settings.WEBSOCKET_MAX_FRAME_BYTES:
            raise SocketRefused(Close.TOO_LARGE, f"a frame has at most {settings.WEBSOCKET_MAX_FRAME_BYTES} bytes")
        return text


async def _converse(hub: Hub, session: Session, identity: Identity, inbox: _Inbox) -> None:
    while True:
        text = await inbox.next()
        try:
            message = messages.read(text)
        except InvalidMessage as error:
            session.reply(Error(error.request_id, Code.INVALID_MESSAGE, str(error)))
        else:
            match message:
                case Subscribe():
                    await subscriptions.subscribe(hub, session, Reader(identity.user_id), message)
                case Unsubscribe():
                    subscriptions.unsubscribe(hub, session, message)
                case Ping():
                    session.reply(Pong(message.id, int(time.time() * 1000)))
                case ClientAck():
                    if not session.acknowledge(message.n):
                        session.reply(Error(message.id, Code.INVALID_MESSAGE, "n: not so many messages were sent"))
                case Auth():
                    await _renew(hub, session, identity, message)
        await session.settled()


async def _renew(hub: Hub, session: Session, identity: Identity, message: Auth) -> None:
    """Keep the socket open for longer with a fresh token of the same user."""
    try:
        fresh = await identify(Credential(message.token, message.ticket), hub.reader, hub.ended)
        if fresh.user_id != identity.user_id:
            raise NotAuthenticated("the token is another user's")
    except NotAuthenticated as error:
        session.reply(Error(message.id, Code.NOT_AUTHENTICATED, str(error)))
    except (RedisError, OSError):
        session.reply(Error(message.id, Code.UNAVAILABLE, "storage does not answer, try again"))
    else:
        session.identity = fresh
        session.reply(Ack(message.id, "auth"))


def _label(scope: Scope) -> str:
    return _short(parse_qs(scope["query_string"].decode("latin-1")).get("client_id", [""])[0])


def _welcome(label: str) -> Welcome:
    return Welcome(
        client_id=label,
        heartbeat_seconds=settings.WEBSOCKET_HEARTBEAT_INTERVAL,
        max_subscriptions=settings.WEBSOCKET_MAX_SUBSCRIPTIONS,
    )


def _short(text: str) -> str:
    return text[:100]  # a close frame's reason has at most 123 bytes
