"""Bearer tokens: taken when first needed, and renewed when the service no longer accepts them."""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .effects import Call, Flow, Now, Send
from .http import Reply, Request

RENEWED_AFTER = 0.8  # of a token's life, on a socket


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    renew_at: float | None = None  # on the driver's clock, for sockets; None: not known


class Credentials(Protocol):
    renewable: bool

    def token(self) -> Flow[Token]: ...

    def renew(self, used: Token) -> Flow[Token]:
        """Return another token than `used`, which the service no longer accepts."""
        ...


class GivenToken:
    """A token of the caller's. A callable is asked again when its token has expired."""

    def __init__(self, token: str | Callable[[], Any]) -> None:
        self._source = token
        self._token = Token(token if isinstance(token, str) else "")
        self.renewable = not isinstance(token, str)

    def token(self) -> Flow[Token]:
        token = self._token
        return token if token.text else (yield from self.renew(token))

    def renew(self, used: Token) -> Flow[Token]:
        if not isinstance(self._source, str) and self._token == used:  # else another thread has renewed it
            text: str = yield Call(self._source)
            self._token = yield from _issued(text)
        return self._token


class PasswordTokens:
    """Tokens for a name and a password: refreshed, and taken anew where the refresh token has expired too."""

    renewable = True

    def __init__(self, username: str, password: str) -> None:
        self._login = {"username": username, "password": password}
        self._access, self._refresh = Token(""), ""

    def token(self) -> Flow[Token]:
        if not self._access.text:
            yield from self._sign_in()
        return self._access

    def renew(self, used: Token) -> Flow[Token]:
        if self._access == used:  # else another thread has renewed it
            reply: Reply = yield Send(_post("/api/token/refresh", {"refresh": self._refresh}))
            if reply.ok:
                yield from self._keep(reply)
            else:
                yield from self._sign_in()
        return self._access

    def _sign_in(self) -> Flow[None]:
        reply: Reply = yield Send(_post("/api/token", self._login))
        if not reply.ok:
            raise reply.error()
        yield from self._keep(reply)

    def _keep(self, reply: Reply) -> Flow[None]:
        tokens = reply.json()
        self._refresh = tokens.get("refresh", self._refresh)
        self._access = yield from _issued(tokens["access"])


def _post(path: str, body: dict[str, str]) -> Request:
    return Request("POST", path, headers={"Content-Type": "application/json"}, content=json.dumps(body).encode())


def _issued(text: str) -> Flow[Token]:
    life = lifetime(text)
    if life is None:
        return Token(text)
    now: float = yield Now()
    # A token's times are whole seconds, so up to one of its life may have passed when it is issued.
    return Token(text, now + RENEWED_AFTER * max(life - 1.0, 0.0))


def lifetime(token: str) -> float | None:
    """Return the seconds between a JWT's issue and its expiry; None where it says neither."""
    try:
        claims = token.split(".")[1]
        body = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return float(body["exp"] - body["iat"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):  # no JWT
        return None
