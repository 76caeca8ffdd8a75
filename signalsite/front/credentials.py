"""Identify the caller, as far as that is possible without a query."""

from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import DatabaseError, close_old_connections
from django.http.cookie import parse_cookie
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from realtime.sockets.credentials import NotAuthenticated, identity_of, read_token
from realtime.sockets.session import Identity
from signalsite.accounts.session_store import SessionStore
from signalsite.front.refusals import busy, not_signed_in

SCHEMES = tuple(name.encode() for name in api_settings.AUTH_HEADER_TYPES)
KNOWN_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Caller:
    """A token with a valid signature and valid times, or a session that was not looked up yet."""

    name: str  # unique for each caller
    session: str = ""


def caller(authorization: bytes | None, cookies: bytes | None, now: float) -> Caller:
    """Identify the caller. Raises Refused without a credential, and for a token that is invalid or has expired."""
    parts = authorization.split() if authorization else []
    if parts and parts[0] in SCHEMES:
        return _bearer(parts[1:], now)
    found = by_session(cookies)
    if found is None:
        raise not_signed_in("Authentication credentials were not provided.")
    return found


def by_session(cookies: bytes | None) -> Caller | None:
    """Identify the caller by a session's cookie, if there is one."""
    session = _session(cookies) if cookies else ""
    return Caller(f"session {session}", session) if session else None


def _bearer(rest: list[bytes], now: float) -> Caller:
    if len(rest) != 1:
        raise not_signed_in("Authorization must be the scheme and a token, with one space between them")
    try:
        _, identity = read_access(rest[0])
    except NotAuthenticated as error:
        raise not_signed_in(str(error)) from error
    if identity.expires_at <= now:
        raise not_signed_in("the token has expired")
    return Caller(f"user {identity.user_id}")


@lru_cache(KNOWN_TOKENS)
def read_access(text: bytes) -> tuple[AccessToken, Identity]:
    """Verify a token. Raises NotAuthenticated.

    A valid signature stays valid, so results are cached. The caller must check whether the token has expired since."""
    token = read_token(AccessToken, text)
    return token, identity_of(token)


def _session(cookies: bytes) -> str:
    """Read the session cookie as Django does."""
    return parse_cookie(cookies.decode(errors="replace")).get(settings.SESSION_COOKIE_NAME, "")


def is_signed_in(session: str) -> bool:
    """Ask the database whether the session is that of a user. Raises Refused when it does not answer."""
    try:
        return SESSION_KEY in SessionStore(session)
    except DatabaseError as error:
        raise busy("storage is not available, try again") from error
    finally:
        close_old_connections()  # as at the end of a request
