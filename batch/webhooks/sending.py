"""Send one POST to an untrusted URL: to a checked address, within a time limit, reading little of the response.

It follows no redirect, uses no proxy of the environment, and decompresses nothing.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Any

import httpcore
from django.conf import settings

from batch.webhooks.core.addresses import Policy, check_address, read_url
from signalsite.foundation.errors import ExternalServiceError
from signalsite.foundation.tls import trusted_authorities

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
MOST_READ_BYTES = 4096

Resolver = Callable[[str, int], list[str]]


class Unreachable(ExternalServiceError):
    """There was no response: the name, the connection, TLS or the time limit failed."""


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    status_code: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes  # at most MOST_READ_BYTES, or as much as arrived in time


def resolve(host: str, port: int) -> list[str]:
    """Return all addresses of a name, in the system's order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def site_policy() -> Policy:
    """Return the policy of the operator's settings."""
    return Policy(settings.WEBHOOK_ALLOW_HTTP, settings.WEBHOOK_ALLOWED_NETWORKS)


def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    policy: Policy,
    *,
    resolver: Resolver = resolve,
    tls: ssl.SSLContext | None = None,
    total_seconds: float = TOTAL_SECONDS,
) -> WebhookResponse:
    """Send the request and return the response.

    Raises ForbiddenAddress if the policy forbids the URL, or any current address of its host. Raises Unreachable if no
    status arrives within `total_seconds`. `tls` defaults to certifi's authorities, or those of SSL_CERT_FILE.
    """
    target = read_url(url, policy)
    network = _CheckedNetwork(policy, resolver, deadline=time.monotonic() + total_seconds)
    request = httpcore.Request(
        "POST",
        httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.target),
        headers=[
            ("Host", target.authority),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            *headers.items(),
        ],
        content=body,
        extensions={"timeout": {"connect": CONNECT_SECONDS, "read": total_seconds, "write": total_seconds}},
    )
    try:
        with httpcore.ConnectionPool(ssl_context=tls or trusted_authorities(), network_backend=network) as pool:
            response = pool.handle_request(request)
            try:
                fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                return WebhookResponse(response.status, fields, _beginning(response.iter_stream()))
            finally:
                response.close()
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
        raise Unreachable(f"{type(error).__name__}: {error}".removesuffix(": ")) from error


def _beginning(stream: Iterable[bytes]) -> bytes:
    read = b""
    try:
        for part in stream:
            read += part
            if len(read) >= MOST_READ_BYTES:
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        return read  # the status has arrived, and it alone decides
    return read[:MOST_READ_BYTES]


class _CheckedNetwork(httpcore.SyncBackend):
    """Connect to checked addresses only, never to a name: one DNS lookup cannot give two answers."""

    def __init__(self, policy: Policy, resolver: Resolver, deadline: float) -> None:
        self._policy, self._resolver, self._deadline = policy, resolver, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = _in_time(lambda: self._resolver(host, port), self._deadline)
        for address in addresses:
            check_address(address, self._policy)
        for address in addresses[:-1]:
            try:
                return self._connect(address, port, timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue  # the next address may be up
        return self._connect(addresses[-1], port, timeout)

    def _connect(self, address: str, port: int, timeout: float | None) -> "_TimedStream":
        seconds = _left(self._deadline, timeout, httpcore.ConnectTimeout)
        return _TimedStream(super().connect_tcp(address, port, timeout=seconds), self._deadline)


class _TimedStream(httpcore.NetworkStream):
    """A stream with one deadline for all operations. A trickle of bytes resets any other kind of timeout."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = _left(self._deadline, timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, seconds), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float, timeout: float | None, overdue: type[httpcore.TimeoutException]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise overdue("no time is left")
    return left if timeout is None else min(left, timeout)


def _in_time(ask: Callable[[], list[str]], deadline: float) -> list[str]:
    """Run the resolver on a thread, and abandon it at the deadline: the system's resolver has no timeout."""
    found: Future[list[str]] = Future()

    def work() -> None:
        try:
            found.set_result(ask())
        except (OSError, UnicodeError) as error:
            found.set_exception(error)

    Thread(target=work, daemon=True, name="resolve").start()
    try:
        addresses = found.result(max(deadline - time.monotonic(), 0))
    except (OSError, UnicodeError) as error:
        if isinstance(error, TimeoutError):
            raise httpcore.ConnectTimeout("the name was not resolved in time") from error
        raise httpcore.ConnectError(f"the name was not resolved: {error}") from error
    if not addresses:
        raise httpcore.ConnectError("the name has no address")
    return addresses
