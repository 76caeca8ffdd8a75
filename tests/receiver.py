"""A receiver of webhooks: an HTTP server on a loopback address that records requests and sends given replies."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    before: float = 0.0  # seconds until the head is sent
    trickle: float = 0.0  # seconds after each byte of head and body


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(ThreadingHTTPServer):
    """Each request takes one of `replies`; the last one repeats."""

    daemon_threads = True

    def __init__(self, replies: list[Reply], host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.port: int = self.server_address[1]
        self.address = f"http://{host}:{self.port}"
        self.replies = replies or [Reply()]
        self.received: list[Received] = []
        self.bytes_sent = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a sender that disconnects, such as one that does not trust our certificate."""

    def wait(self, count: int, seconds: float) -> list[Received]:
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} messages within {seconds} s"
            time.sleep(0.05)
        return self.received


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        replies = self.server.replies
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        self.server.received.append(Received(self.path, dict(self.headers.items()), body))
        time.sleep(reply.before)
        head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        answer = f"HTTP/1.1 {reply.status} Answer\r\nConnection: close\r\n{head}\r\n".encode() + reply.body
        step = 1 if reply.trickle else 1 << 12
        try:
            for at in range(0, len(answer), step):
                self.server.bytes_sent += self.wfile.write(answer[at : at + step])
                time.sleep(reply.trickle)
        except OSError:  # the sender does not wait for all of it
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing to the tests' output."""


@contextmanager
def receiving(
    *replies: Reply, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    with Receiver(list(replies), host, port) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
