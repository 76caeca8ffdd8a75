"""What both drivers share of httpx and websockets."""

from collections.abc import Callable
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus

from .core.credentials import Credentials, GivenToken, PasswordTokens
from .core.effects import Interrupted, SocketClosed
from .core.errors import ApiError
from .core.http import Reply

# The request may or may not have arrived.
FAILURES = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)
LARGEST_MESSAGE = 16 << 20  # bytes, of a socket
CLOSE_SECONDS = 2.0  # for a socket's closing handshake


def interrupted(error: Exception) -> Interrupted:
    failure = Interrupted(f"{type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def reply_of(response: httpx.Response, body: bytes, stream: object = None) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, response.reason_phrase, headers, body, stream)


def socket_closed(error: ConnectionClosed) -> SocketClosed:
    return SocketClosed(None, "") if error.rcvd is None else SocketClosed(error.rcvd.code, error.rcvd.reason)


def refused_upgrade(error: InvalidStatus) -> ApiError:
    response = error.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return Reply(response.status_code, response.reason_phrase, headers, bytes(response.body or b"")).error()


def socket_url(address: httpx.URL) -> str:
    secure = "s" if address.scheme == "https" else ""
    return f"ws{secure}://{address.netloc.decode()}{address.path.rstrip('/')}"


def checked_address(address: str) -> httpx.URL:
    url = httpx.URL(address)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"address: {address!r} is not http(s)://host")
    return url


def credentials_of(username: str | None, password: str | None, token: str | Callable[[], Any] | None) -> Credentials:
    if token is not None and username is None and password is None:
        return GivenToken(token)
    if token is None and username is not None and password is not None:
        return PasswordTokens(username, password)
    raise ValueError("give either username and password, or token")
