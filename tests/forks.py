"""Processes of the service that start in a fifth of the time: forks of one that has loaded what they need.

`python manage.py COMMAND` spends 0.7 to 2 s of CPU on what is the same each time: libraries, cores and kernels.
Settings, models and whatever depends on the environment are loaded after the fork. Tests of a start itself, and those
of the whole service, start Python anew.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, NamedTuple

from signalsite.foundation.process import end_with_parent

ROOT = Path(__file__).parents[1]
MESSAGE_BYTES = 1_000_000
# What may be imported before the settings are, and `core` folders, which know of none.
LIBRARIES = """
a2wsgi celery.app celery.bin.worker celery.concurrency.prefork celery.schedules celery.worker.worker channels_redis.core
corsheaders.middleware cron_descriptor csp.middleware django.contrib.admin django.contrib.admindocs.views
django.contrib.auth.hashers django.contrib.postgres.fields django.core.handlers.asgi django.core.handlers.wsgi
django.core.management django.core.servers.basehttp django.db.backends.postgresql.base django.db.migrations
django.db.models django.template django.test django_prometheus.middleware docutils.core environs exchange_calendars
httpx jinja2 pandas prometheus_client psycopg psycopg.types.json pyarrow pybreaker pythonjsonlogger.json
redis.asyncio requests rest_framework.response rest_framework.serializers tenacity tqdm uvicorn
uvicorn.protocols.http.h11_impl websockets.sync.client whitenoise.middleware
"""


class Order(NamedTuple):
    arguments: list[str]
    script: str
    environment: dict[str, str]
    folder: str


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
        self._folder = TemporaryDirectory(prefix="forks-")  # of this user alone, and so is what is in it
        self.address = f"{self._folder.name}/orders"
        # Its children are not told apart by their environment, which is this one in /proc.
        environment = {name: value for name, value in os.environ.items() if name != "SIGNALSITE_STATE"}
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as orders:
            orders.bind(self.address)
            orders.listen()
            command = [sys.executable, "-m", "tests.forks", str(orders.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[orders.fileno()])

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
        order = Order(list(arguments), script, dict(environment), str(ROOT))
        told = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        told.connect(self.address)
        with Path(os.devnull).open() as nothing:
            socket.send_fds(told, [json.dumps(order).encode()], [nothing.fileno(), output.fileno(), errors.fileno()])
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


def _serve(orders: socket.socket) -> Order:
    """Fork for each order, and send the child's id, then its exit code. Return the order in a child.

    A child whose orderer is gone is killed.
    """
    parent = os.getpid()
    running: dict[int, tuple[int, socket.socket]] = {}  # by the child's descriptor
    while True:
        orderers = {told.fileno(): pid for pid, told in running.values()}
        ready = select.select([orders, *running, *orderers], [], [])[0]
        for each in ready:
            if each in running:
                pid, told = running.pop(each)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                os.close(each)
                with told, suppress(BrokenPipeError):
                    told.send(str(code).encode())
            elif each in orderers:
                with suppress(ProcessLookupError):
                    os.kill(orderers[each], signal.SIGKILL)
        if orders not in ready:
            continue
        told = orders.accept()[0]
        message, files, _, _ = socket.recv_fds(told, MESSAGE_BYTES, 3)
        pid = os.fork()
        if pid == 0:
            end_with_parent(signal.SIGKILL, parent)
            orders.close()
            for file, (_, other) in running.items():
                os.close(file)
                other.close()
            told.close()
            for standard, file in enumerate(files):
                os.dup2(file, standard)
                os.close(file)
            return Order(*json.loads(message))
        for file in files:
            os.close(file)
        with suppress(BrokenPipeError):  # its orderer is gone already: the next round kills it
            told.send(str(pid).encode())
        running[os.pidfd_open(pid)] = (pid, told)


def _run(order: Order) -> None:
    """Run it. After a success it ends as Python does, but for clearing thousands of modules, which takes 0.1 s."""
    try:
        _run_order(order)
    except SystemExit as end:
        if end.code:
            raise
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _run_order(order: Order) -> None:
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if order.script:
        sys.argv = ["-c", *order.arguments]
        exec(compile(order.script, "<string>", "exec"), {"__name__": "__main__"})
    else:
        from manage import main

        sys.argv = ["manage.py", *order.arguments]
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
    _run(_serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    _main()
