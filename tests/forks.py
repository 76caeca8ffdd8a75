"""Processes of the service that start in a fifth of the time: forks of one that has loaded what they need.

`python manage.py COMMAND` spends 0.7 to 2 s of CPU on what is the same each time: libraries, cores and kernels.
Settings, models and whatever depends on the environment are loaded after the fork. Tests of a start itself, and those
of the whole service, start Python anew.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from signalsite.foundation.process import end_with_parent

ROOT = Path(__file__).parents[1]
MESSAGE_BYTES = 1_000_000
# What may be imported before the settings are, and `core` folders, which know of none.
LIBRARIES = """
celery.app celery.schedules django.contrib.auth.hashers django.core.handlers.wsgi django.core.management
django.db.models django.template environs exchange_calendars httpx prometheus_client psycopg psycopg.types.json pyarrow
redis.asyncio tenacity tqdm
"""


class Forked:
    """A child of the forking process, with what tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, told: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._told = told  # its exit code is sent here

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                self.returncode = int(self._told.recv(100) or b"-9")  # nothing: the forking process was killed
            except TimeoutError:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0) from None
            self._told.close()
        return self.returncode

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forks:
    """The process that forks, and how to ask it."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Its children are not told apart by their environment, which is this one in /proc.
        environment = {name: value for name, value in os.environ.items() if name != "SIGNALSITE_STATE"}
        command = [sys.executable, "-m", "tests.forks", str(theirs.fileno())]
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[theirs.fileno()])
        theirs.close()

    def start(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        output: IO[str],
        errors: IO[str],
        script: str = "",
    ) -> Forked:
        """Run `manage.py` with these arguments in the checkout, or a script as of `python -c`."""
        told, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = {"arguments": list(arguments), "script": script, "environment": dict(environment)}
        files = [theirs.fileno(), output.fileno(), errors.fileno()]
        with theirs:
            socket.send_fds(self._control, [json.dumps(order).encode()], files)
        return Forked(int(told.recv(100)), told)

    def run(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], timeout: float = 180, script: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Run the same until it ends, and return what it wrote."""
        with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
            child = self.start(arguments, environment=environment, output=output, errors=errors, script=script)
            try:
                code = child.wait(timeout)
            except subprocess.TimeoutExpired:
                child.kill()
                raise
            written = []
            for file in (output, errors):
                file.seek(0)
                written.append(file.read())
        return subprocess.CompletedProcess(list(arguments), code, *written)


@cache
def the_forks() -> Forks:
    """Return those of this test run. They end with it."""
    return Forks()


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork for each order, and send exit codes. Return the order in a child, and None when nobody can order."""
    parent = os.getpid()
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for ready in select.select([control.fileno(), *running], [], [])[0]:
            if ready in running:
                pid, told = running.pop(ready)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                os.close(ready)
                with told:
                    told.send(str(code).encode())
                continue
            message, files, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 3)
            if not message:
                return None
            told = socket.socket(fileno=files[0])
            pid = os.fork()
            if pid == 0:
                end_with_parent(signal.SIGKILL, parent)
                control.close()
                for file, (_, other) in running.items():
                    os.close(file)
                    other.close()
                told.close()
                for standard, file in enumerate(files[1:], start=1):
                    os.dup2(file, standard)
                    os.close(file)
                order: dict[str, Any] = json.loads(message)
                return order
            for file in files[1:]:
                os.close(file)
            told.send(str(pid).encode())
            running[os.pidfd_open(pid)] = (pid, told)


def _run(order: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if order["script"]:
        sys.argv = ["-c", *order["arguments"]]
        exec(compile(order["script"], "<string>", "exec"), {"__name__": "__main__"})
    else:
        from manage import main

        sys.argv = ["manage.py", *order["arguments"]]
        main(sys.argv)


def _main() -> None:
    import gc
    from importlib import import_module

    end_with_parent(signal.SIGKILL, os.getppid())
    cores = [path.relative_to(ROOT) for path in (*ROOT.glob("*/core/*.py"), *ROOT.glob("*/*/core/*.py"))]
    pure = [".".join(path.with_suffix("").parts) for path in cores if path.parts[0] != "tests"]
    for name in (*LIBRARIES.split(), *sorted(pure)):
        import_module(name.removesuffix(".__init__"))
    from moneyness.core.warm import warm

    warm()
    gc.freeze()  # or collections in a child would copy all pages
    if order := _serve(socket.socket(fileno=int(sys.argv[1]))):
        _run(order)


if __name__ == "__main__":
    _main()
