"""Who opens a socket: an access token, checked without a query, or a ticket that works once."""

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from realtime.session import Identity
from signalsite.foundation.errors import SignalServiceError
from signalsite.foundation.publisher import StreamReader
from signalsite.foundation.redis import client

SUBPROTOCOL = "signals"
_BEARER = "bearer."
_KEY = "websocket_ticket:"


class NotAuthenticated(SignalServiceError):
    """The token or ticket is wrong, used or expired."""


@dataclass(frozen=True, slots=True)
class Credential:
    token: str = ""
    ticket: str = ""

    def __bool__(self) -> bool:
        return bool(self.token or self.ticket)


def offered(subprotocols: list[str]) -> Credential:
    """A token among the subprotocols `signals, bearer.<token>`."""
    return Credential(next((each.removeprefix(_BEARER) for each in subprotocols if each.startswith(_BEARER)), ""))


async def identify(credential: Credential, reader: StreamReader, ended: Mapping[int, float]) -> Identity:
    """Raises NotAuthenticated; where a ticket is shown and Redis does not answer, redis.RedisError or OSError.

    `ended`: user -> when the user's sockets were ended; what was issued up to then is no credential any more.
    """
    identity = await _read(credential, reader)
    if identity.issued_at <= ended.get(identity.user_id, 0.0):
        raise NotAuthenticated("the user's sockets were closed since this token was issued")
    return identity


async def _read(credential: Credential, reader: StreamReader) -> Identity:
    if credential.ticket:
        kept = await reader.take(_KEY + _digest(credential.ticket))
        if kept is None:
            raise NotAuthenticated("the ticket is unknown, used or expired")
        return msgspec.json.decode(kept, type=Identity)
    try:
        token = AccessToken(credential.token)  # type: ignore[arg-type]  # the stubs know only its own kind
        return Identity(int(token[api_settings.USER_ID_CLAIM]), float(token["iat"]), float(token["exp"]))
    except (TokenError, KeyError, ValueError) as error:
        raise NotAuthenticated("the token is not valid or has expired") from error


def issue_ticket(user_id: int, token: Any) -> str:
    """A ticket for one socket of the user, which then may live as long as `token`, or as a fresh one where there is
    none. Raises redis.RedisError."""
    now = time.time()
    issued_at, expires_at = (
        (float(token["iat"]), float(token["exp"])) if token else (now, now + settings.ACCESS_TOKEN_MINUTES * 60)
    )
    ticket = secrets.token_urlsafe(24)
    kept = msgspec.json.encode(Identity(user_id, issued_at, expires_at))
    client(settings.REDIS_URL).set(_KEY + _digest(ticket), kept, ex=settings.WEBSOCKET_TICKET_SECONDS)
    return ticket


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
