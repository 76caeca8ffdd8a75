"""Identify the user of a token without a database query, and issue tickets, which open one socket once."""

import hashlib
import secrets
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, Token

from realtime.sockets.control import subject_of
from realtime.sockets.session import Identity
from realtime.topic_streams import StreamReader
from signalsite.foundation.errors import SignalServiceError
from signalsite.foundation.redis import client

SUBPROTOCOL = "signals"
SIGN_IN_CLAIM = "sid"
ID_DIGITS = 18  # fits PostgreSQL's bigint
_BEARER = "bearer."
_KEY = "websocket_ticket:"


T = TypeVar("T", bound=Token)


class NotAuthenticated(SignalServiceError):
    """The token or ticket is wrong, used or expired."""


@dataclass(frozen=True, slots=True)
class Credential:
    token: str = ""
    ticket: str = ""

    def __bool__(self) -> bool:
        return bool(self.token or self.ticket)


def offered(subprotocols: list[str]) -> Credential:
    """Return the token among the subprotocols `signals, bearer.<token>`."""
    return Credential(next((each.removeprefix(_BEARER) for each in subprotocols if each.startswith(_BEARER)), ""))


def in_header(headers: Iterable[tuple[bytes, bytes]]) -> Credential:
    """Return the token of an `Authorization: Bearer` header, which programs can send and browsers cannot.

    Other schemes are ignored, since they may be a proxy's. Raises NotAuthenticated unless one token follows Bearer.
    """
    for name, value in headers:
        scheme, *rest = (value.split() if name == b"authorization" else []) or [b""]
        if scheme.lower() == b"bearer":
            if len(rest) != 1:
                raise NotAuthenticated("Authorization must be Bearer and a token, with one space between them")
            return Credential(rest[0].decode("latin-1"))
    return Credential()


async def identify(credential: Credential, reader: StreamReader, ended: Mapping[str, float]) -> Identity:
    """Return whose credential it is. Raises NotAuthenticated, and for a ticket redis.RedisError or OSError.

    `ended`: subjects that were ended (`realtime.sockets.control`) -> when. Credentials issued up to then are invalid.
    """
    identity = await _read(credential, reader)
    subjects = {subject_of(identity.user_id), subject_of(identity.user_id, identity.sign_in)}
    if any(identity.issued_at <= ended.get(subject, 0.0) for subject in subjects):
        raise NotAuthenticated("the user has signed out, or was, since this token was issued")
    return identity


async def _read(credential: Credential, reader: StreamReader) -> Identity:
    if credential.ticket:
        kept = await reader.take(_KEY + _digest(credential.ticket))
        if kept is None:
            raise NotAuthenticated("the ticket is unknown, used or expired")
        return msgspec.json.decode(kept, type=Identity)
    return identity_of(read_token(AccessToken, credential.token))


def read_token(kind: type[T], text: str | bytes) -> T:
    """Return a token of this kind after checking its signature and lifetime. Raises NotAuthenticated."""
    try:
        return kind(text)  # type: ignore[arg-type]  # the stubs know only its own kind
    except (TokenError, TypeError, ValueError, OverflowError) as error:  # also claims of wrong types
        raise NotAuthenticated("the token is not valid or has expired") from error


def identity_of(token: Token) -> Identity:
    """Return the identity in a token's claims. Raises NotAuthenticated: a signed token may have claims of others."""
    user_id, issued_at, expires_at, sign_in = (
        token.get(name) for name in (api_settings.USER_ID_CLAIM, "iat", "exp", SIGN_IN_CLAIM)
    )
    if not (isinstance(user_id, str) and user_id.isascii() and user_id.isdigit() and len(user_id) <= ID_DIGITS):
        raise NotAuthenticated("the token names no user")
    if not (_is_moment(issued_at) and _is_moment(expires_at)):
        raise NotAuthenticated("the token does not say from when and until when it is valid")
    try:
        from_sign_in = "" if sign_in is None else str(uuid.UUID(sign_in))
    except (TypeError, ValueError, AttributeError) as error:
        raise NotAuthenticated("the token names no sign-in") from error
    return Identity(int(user_id), float(issued_at), float(expires_at), from_sign_in)


def _is_moment(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < 1e12


def issue_ticket(user_id: int, token: Any) -> str:
    """Issue a ticket for one socket, which may live as long as `token`, or as a new token if there is none.

    Raises redis.RedisError.
    """
    now = time.time()
    identity = identity_of(token) if token else Identity(user_id, now, now + settings.ACCESS_TOKEN_MINUTES * 60)
    ticket = secrets.token_urlsafe(24)
    kept = msgspec.json.encode(identity)
    client(settings.REDIS_URL).set(_KEY + _digest(ticket), kept, ex=settings.WEBSOCKET_TICKET_SECONDS)
    return ticket


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
