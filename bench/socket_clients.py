"""Many socket clients in one process, as cheap as possible: `python -m bench.socket_clients` (see `sockets`).

It reads a JSON command from each line and answers each with one line. Times are CLOCK_MONOTONIC, which all processes
share.
"""

import asyncio
import base64
import gc
import json
import os
import resource
import struct
import sys
import time
from array import array
from typing import Any, cast

import uvloop

AT, BROADCAST, ENTRY = b'"sent_ns":', b'"to":"all"', b'"seq":"'
EPOCH_NS = time.time_ns() - time.monotonic_ns()  # converts our times to the clock of the entries' IDs


class Count:
    """Figures of all sockets since the last report, in milliseconds from the tick and from its output entry's ID."""

    def __init__(self) -> None:
        self.topics, self.broadcasts, self.arriving = array("d"), array("d"), array("d")
        self.repeated = 0
        self.ready = 0
        self.closed = 0


class Client(asyncio.Protocol):
    """Read just enough: whole frames of unmasked text, and the time at which each was sent."""

    __slots__ = ("_buffer", "_count", "_first", "_open", "_sent_at", "ready", "request", "transport")

    def __init__(self, request: bytes, first: bytes, count: Count, ready_after: int) -> None:
        self._buffer, self._open, self._sent_at = b"", False, b""
        self._count, self._first = count, first
        self.request, self.ready = request, ready_after

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        data = self._buffer + data
        if not self._open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(head)
            self._open = True
            if self._first:
                self.transport.write(masked(self._first))
        at = 0
        while len(data) - at >= 2:
            start, size = at + 2, data[at + 1]
            if size == 126:
                if len(data) - at < 4:
                    break
                start, size = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
            if len(data) < start + size:
                break
            self._take(data[at], data[start : start + size], now)
            at = start + size
        self._buffer = data[at:]

    def _take(self, head: int, body: bytes, now: int) -> None:
        if head == 0x89:  # ping
            self.transport.write(masked(body, 0x8A))
            return
        if self.ready:
            self.ready -= 1
            self._count.ready += not self.ready
        place = body.find(AT)
        if place > 0:
            start = place + len(AT)
            sent_at = body[start : body.index(b",", start)]
            if sent_at == self._sent_at:
                self._count.repeated += 1  # an instrument repriced without a new tick
                return
            self._sent_at = sent_at
            entry = body.find(ENTRY) + len(ENTRY)
            self._count.arriving.append((now + EPOCH_NS) / 1e6 - int(body[entry : body.index(b"-", entry)]))
            (self._count.broadcasts if BROADCAST in body else self._count.topics).append((now - int(sent_at)) / 1e6)

    def connection_lost(self, exc: Exception | None) -> None:
        self._count.closed += 1


def masked(body: bytes, head: int = 0x81) -> bytes:
    size = struct.pack("!B", 0x80 | len(body)) if len(body) < 126 else struct.pack("!BH", 0xFE, len(body))
    return bytes((head,)) + size + b"\0\0\0\0" + body  # a mask of zeros leaves the body as it is


def upgrade(port: int, path: str, token: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    if token:
        lines.append(f"Sec-WebSocket-Protocol: signals, bearer.{token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def connect(
    count: Count, *, port: int, path: str, token: str, subscribe: list[list[str]], ready_after: int
) -> dict[str, Any]:
    """Open a socket for each list of topics. A socket is ready after `ready_after` messages."""
    loop, begun = asyncio.get_running_loop(), time.monotonic()
    for number, topics in enumerate(subscribe):
        first = json.dumps({"type": "subscribe", "topics": topics}).encode() if topics else b""
        request = upgrade(port, path, token)
        await loop.create_connection(lambda r=request, f=first: Client(r, f, count, ready_after), "127.0.0.1", port)
        while number - count.ready > 200:
            await asyncio.sleep(0.001)
    while count.ready < len(subscribe) and time.monotonic() - begun < 120:
        await asyncio.sleep(0.01)
    return {"ready": count.ready, "seconds": time.monotonic() - begun}


def report(count: Count) -> dict[str, Any]:
    found: dict[str, Any] = {"closed": count.closed, "repeated": count.repeated}
    for name in ("topics", "broadcasts", "arriving"):
        taken = sorted(getattr(count, name))
        found[name] = len(taken)
        for part in (0.5, 0.99, 1.0):
            found[f"{name}_p{part * 100:g}"] = taken[min(int(len(taken) * part), len(taken) - 1)] if taken else None
    count.topics, count.broadcasts, count.arriving, count.repeated = array("d"), array("d"), array("d"), 0
    return found


async def main() -> None:
    count = Count()
    reader = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        answer = await connect(count, **command["connect"]) if "connect" in command else report(count)
        gc.collect()
        gc.freeze()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()
    uvloop.run(main())
