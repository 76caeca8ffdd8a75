"""A scripted server on loopback: it answers what proxies and crashes answer."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

JOB = {
    "id": "00000000-0000-0000-0000-000000000001",
    "kind": "greeks",
    "status": "in_progress",
    "done": False,
    "request_counts": {"total": 10, "completed": 3, "failed": 1},
    "progress": 0.4,
    "eta_seconds": 0.05,
    "duration_seconds": 1.5,
    "as_of": "2026-03-02T05:30:00Z",
    "params": {},
    "error": "",
    "retry_of": None,
    "reused_from": None,
    "created_at": "2026-03-02T05:30:01.5Z",
    "finished_at": None,
    "links": {"self": "/api/v2/signals/batch/jobs/00000000-0000-0000-0000-000000000001"},
}
DONE = JOB | {"status": "completed", "done": True, "eta_seconds": 0.0, "progress": 1.0}


class Network:
    """Answers requests by a script: (status, headers, body), or None to hang up. The last line is repeated. A header
    X-Cut-At hangs up after so many bytes of the body."""

    def __init__(self) -> None:
        self.script: list[tuple[int, dict[str, str], Any] | None] = []
        self.bodies: list[bytes] = []
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []
        network = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                json_sent = "json" in self.headers.get("Content-Type", "") and b"\n" not in body
                network.bodies.append(body)
                network.seen.append(
                    (self.command, self.path, dict(self.headers), json.loads(body) if body and json_sent else None)
                )
                line = network.script.pop(0) if len(network.script) > 1 else network.script[0]
                if line is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                status, headers, answer = line
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                cut_at = headers.get("X-Cut-At")
                self.wfile.write(content[: int(cut_at)] if cut_at else content)
                self.close_connection = cut_at is not None

            do_GET = do_POST = answer

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    thread = threading.Thread(target=network.server.serve_forever, args=(0.01,))
    thread.start()
    yield network
    network.server.shutdown()
    thread.join()
    network.server.server_close()
