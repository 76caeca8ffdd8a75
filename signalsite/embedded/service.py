"""Run the whole service as a child process, for the demo, the tests and the benchmarks."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from signalsite.embedded.state import CHECKOUT

READY_SECONDS = 60.0
READY = "ready in "  # the text that `manage.py up` prints


class ServiceFailed(RuntimeError):
    """The service ended or was not ready in time. The message contains the end of its log."""


@dataclass(frozen=True, slots=True)
class Service:
    address: str
    process: "subprocess.Popen[bytes]"  # `manage.py up`, the parent of the others


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_service(
    log: Path, *arguments: str, port: int = 0, environment: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Run `manage.py up --no-flower` with these further arguments for the body, and write its output to `log`.

    `environment` is added to this process's environment.
    """
    port = port or free_port()
    command = [sys.executable, str(CHECKOUT / "manage.py"), "up", "--no-flower", "--port", str(port), *arguments]
    whole = {**os.environ, **(environment or {})}
    with log.open("w") as output, subprocess.Popen(command, env=whole, stdout=output, stderr=output) as child:
        try:
            _wait_until_ready(child, log)
            yield Service(f"http://127.0.0.1:{port}", child)
        finally:
            child.terminate()
            child.wait(60)


def _wait_until_ready(child: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while READY not in log.read_text():
        if child.poll() is not None or time.monotonic() > deadline:
            raise ServiceFailed(f"the service did not start; the end of {log}:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
