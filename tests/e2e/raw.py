"""HTTP written by hand: what no client library would send."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def is_problem(self, status: int) -> bool:
        return (
            (self.status, self.headers["content-type"], self.headers["connection"]) == (status, PROBLEM, "close")
            and json.loads(self.body)["status"] == status
            and bool(json.loads(self.body)["detail"])
        )


class Connection:
    def __init__(self, address: str, seconds: float = 15.0, receive_buffer: int = 0, source: str = "") -> None:
        at = urlsplit(address)
        self.host = at.netloc
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(seconds)
        self.socket.connect((at.hostname, at.port))
        self._read = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, line: str, *headers: str, body: bytes = b"") -> None:
        self.send("\r\n".join([f"{line} HTTP/1.1", f"Host: {self.host}", *headers, "", ""]).encode() + body)

    def flood(self, part: bytes, most: int, seconds: float = 20.0) -> int:
        """Send `part` until the other side closes, and return the number of bytes sent."""
        sent, begun = 0, time.monotonic()
        while sent < most and time.monotonic() - begun < seconds:
            try:
                sent += self.socket.send(part)
            except (BrokenPipeError, ConnectionResetError):
                break
        return sent

    def answer(self) -> Answer:
        """Return the next answer. Raises ConnectionError when the other side closes without one."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(headers.get("content-length", 0))
        while len(self._read) < size:
            self._more()
        body, self._read = self._read[:size], self._read[size:]
        return Answer(int(first.split()[1]), headers, body)

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError(f"ended after {self._read!r}")
        self._read += data

    def is_ended(self) -> bool:
        """Wait for the other side, and return whether it closed."""
        try:
            return self.socket.recv(65536) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


@contextmanager
def connections(address: str, count: int, **options: Any) -> Iterator[list[Connection]]:
    opened = [Connection(address, **options) for _ in range(count)]
    try:
        yield opened
    finally:
        for each in opened:
            each.socket.close()
