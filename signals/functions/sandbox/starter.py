"""Start the zygote, one for each process of the service, and fork functions' processes from it."""

import atexit
import contextlib
import fcntl
import importlib.util
import logging
import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from signalsite.foundation.errors import ComputationError

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "signals" / "functions" / "inside" / "zygote.py"
START_SECONDS = 60.0  # numpy and pandas are imported, on a busy machine
FORK_SECONDS = 10.0
NEEDED = ("numpy", "pandas", "RestrictedPython", "dateutil", "six", "tzdata")
FIRST_UID, UIDS = 61_200, 4_000  # below the dynamic users of systemd's reserved range; without an account each
MOST_REPLY = 4096
PIPE_BYTES = 1 << 20
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}


class SandboxUnavailable(ComputationError):
    """Users' functions cannot run here: the message says why."""


class Layers(msgspec.Struct, frozen=True):
    """What stands around functions here. `landlock` is its version, 0 without it."""

    namespaces: bool
    uid: int
    landlock: int
    filter: bool


class _Forked(msgspec.Struct):
    pid: int


class _Ended(msgspec.Struct):
    status: int


@dataclass(slots=True)
class Forked:
    """A function's process, by what the service holds of it: a pidfd and two pipes."""

    pid: int
    handle: int
    requests: int
    answers: int


class Zygote:
    """The service's end of a zygote. Any thread may call it."""

    def __init__(self, *, restricted: bool = True) -> None:
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", "-S", "-B", str(PROGRAM), str(theirs.fileno())]
        command += [str(_free_uid()), "policy" if restricted else "none", str(ROOT), *_directories()]
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=ENVIRONMENT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if restricted else None,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._control = ours
        try:
            reply, _ = self._reply(START_SECONDS)
            if reply.startswith(b'{"failed"'):
                raise ConnectionError(msgspec.json.decode(reply, type=dict[str, str])["failed"])
            self.layers = msgspec.json.decode(reply, type=Layers)
        except (OSError, msgspec.MsgspecError) as error:
            self.close()
            raise SandboxUnavailable(f"the process that functions are forked from does not start: {error}") from error
        reason = "functions would run as root" if self.layers.uid == 0 else ""
        if reason or not self.layers.filter:
            self.close()
            raise SandboxUnavailable(reason or "the kernel takes no filter of system calls (seccomp)")

    def alive(self) -> bool:
        return self._process.poll() is None

    def fork(self, *, memory_bytes: int, cpu_seconds: int) -> Forked:
        """Return a new, locked process. Raises SandboxUnavailable."""
        with contextlib.ExitStack() as opened:
            request, requests, answers, answer = _pipes(opened)
            message = {"ask": "fork", "memory_bytes": memory_bytes, "cpu_seconds": cpu_seconds}
            try:
                with self._lock:
                    socket.send_fds(self._control, [msgspec.json.encode(message)], [request, answer])
                    reply, handles = self._reply(FORK_SECONDS)
                for each in handles:
                    opened.callback(os.close, each)
                pid = msgspec.json.decode(reply, type=_Forked).pid
                (handle,) = handles  # none came where this process has too many open files
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                self.close()
                raise SandboxUnavailable(f"no process for a function could be made: {error}") from error
            opened.pop_all()
        os.close(request)
        os.close(answer)
        return Forked(pid, handle, requests, answers)

    def end(self, forked: Forked) -> int:
        """Kill a function's process, and return its status as wait() has it; -1 if the zygote has ended too."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(forked.handle, signal.SIGKILL)
        for each in (forked.handle, forked.requests, forked.answers):
            os.close(each)
        try:
            with self._lock:
                self._control.settimeout(FORK_SECONDS)
                self._control.send(msgspec.json.encode({"ask": "end", "pid": forked.pid}))
                return msgspec.json.decode(self._reply(FORK_SECONDS)[0], type=_Ended).status
        except (OSError, msgspec.MsgspecError):
            self.close()
            return -1

    def _reply(self, seconds: float) -> tuple[bytes, list[int]]:
        self._control.settimeout(seconds)
        message, handles, _, _ = socket.recv_fds(self._control, MOST_REPLY, 1)
        if not message:
            raise ConnectionError("it has ended")
        return message, handles

    def close(self) -> None:
        self._control.close()
        self._process.kill()
        self._process.wait()


_current: dict[int, Zygote] = {}
_starting = threading.Lock()


def current() -> Zygote:
    """Return this process's zygote, a new one if there is none or if it has ended. Raises SandboxUnavailable."""
    with _starting:
        mine = _current.get(os.getpid())
        if mine is None or not mine.alive():
            if mine is not None:
                mine.close()
            _current.clear()
            mine = _current[os.getpid()] = Zygote()
        return mine


@atexit.register
def _close() -> None:
    if (mine := _current.pop(os.getpid(), None)) is not None:
        mine.close()


def _directories() -> list[str]:
    """Return the folders from which a Python without site-packages imports what functions need."""
    found = dict[str, None]()
    for name in NEEDED:
        spec: Any = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            path = Path(spec.origin)
            found[str(path.parents[1] if path.name == "__init__.py" else path.parent)] = None
    return list(found)


def _free_uid() -> int:
    """Return a user id without an account, another one for most processes; 0 where we are not root."""
    if os.geteuid() != 0:
        return 0
    for step in range(UIDS):
        uid = FIRST_UID + (os.getpid() + step) % UIDS
        try:
            pwd.getpwuid(uid)
        except KeyError:
            return uid
    raise SandboxUnavailable("every user id that functions could have belongs to an account")


def _pipes(opened: contextlib.ExitStack) -> list[int]:
    """Return a pipe of requests and one of answers, each as its end to read and its end to write."""
    ends: list[int] = []
    for _ in range(2):
        try:
            made = os.pipe()
        except OSError as error:
            raise SandboxUnavailable(f"no pipe to a function could be made: {error}") from error
        for each in made:
            opened.callback(os.close, each)
        _widen(made[1])
        ends += made
    _, requests, answers, _ = ends
    os.set_blocking(requests, False)
    os.set_blocking(answers, False)
    return ends


def _widen(pipe: int) -> None:
    with contextlib.suppress(OSError):  # the user's total of pipe pages is bounded; a small pipe is only slower
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
