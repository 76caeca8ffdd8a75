"""Keep the embedded servers running while a block of code needs them (see `keeper`)."""

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import ready
from . import state as places
from .account import make_system_user
from .binaries import EmbeddedError, locks
from .keeper import start_keeper

TIMEOUT = 60.0  # seconds, for a start that has to recover from a crash
STEP = 0.02
LOG_LINES = 15

# Keepers end by themselves. These references keep Python from warning about children that nobody waited for.
_keepers: "list[subprocess.Popen[bytes]]" = []


class RunningServer:
    """One server that this process keeps running. Its shared lock tells the keeper that somebody needs the server."""

    def __init__(self, name: str, state: Path, problem: Callable[[Path], str]):
        self.name = name
        self.state = state
        self._server_problem = problem
        self._keeper: subprocess.Popen[bytes] | None = None
        self._holders = _open(state / "locks" / f"{name}.holders")
        self._keeper_lock = _open(self._keeper_lock_path)

    @property
    def _keeper_lock_path(self) -> Path:
        return self.state / "locks" / f"{self.name}.keeper"

    @property
    def started(self) -> bool:
        """Whether this process started the server: nobody else had it running."""
        return self._keeper is not None

    def lock(self) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not locks(self._holders, fcntl.LOCK_SH):  # a keeper is stopping the server
            if time.monotonic() > deadline:
                raise self._failure("the keeper of an earlier one does not end")
            time.sleep(STEP)

    def ensure(self) -> None:
        """Start a keeper when none runs: it may have been killed or stopped. Cheap; does not wait."""
        if self._keeper:
            self._keeper.poll()
        lock = _open(self._keeper_lock_path)
        try:
            if locks(lock, fcntl.LOCK_EX):
                os.ftruncate(lock, 0)
                self._keeper = start_keeper(self.name, self.state, lock)
                _keepers.append(self._keeper)
        finally:
            os.close(lock)  # the keeper inherited the open file, and so the lock

    def await_answer(self) -> None:
        """Return when the server answers. Raises EmbeddedError with the end of its log when it does not."""
        deadline = time.monotonic() + TIMEOUT
        while problem := self._problem():
            if time.monotonic() > deadline:
                raise self._failure(problem)
            time.sleep(STEP)

    def server_pid(self) -> int | None:
        """Return the server's process id, or None while it is down."""
        text = os.pread(self._keeper_lock, 20, 0)
        return int(text) if text else None

    def unlock(self) -> None:
        fcntl.flock(self._holders, fcntl.LOCK_UN)  # closing is not enough: a child that was forked meanwhile has a copy

    def await_end(self) -> None:
        """Return when the server has stopped, or when others need it. Call it after `unlock`."""
        others = 0
        while others < 5:  # in a row, since a keeper that checks for users holds the lock for a moment
            if locks(self._keeper_lock, fcntl.LOCK_EX):
                return
            if locks(self._holders, fcntl.LOCK_EX):
                others = 0
            elif locks(self._holders, fcntl.LOCK_SH):
                others += 1
            self.unlock()
            time.sleep(STEP)

    def close(self) -> None:
        os.close(self._holders)
        os.close(self._keeper_lock)
        if self._keeper:
            self._keeper.poll()

    def _problem(self) -> str:
        if self._keeper and (self._keeper.poll() or 0) > 0:
            raise self._failure("its keeper failed")
        self.ensure()
        return self._server_problem(self.state) if self.server_pid() else "it is not up"

    def _failure(self, problem: str) -> EmbeddedError:
        lines = [f"The embedded {self.name} is not available: {problem}"]
        for path in (self.state / "log" / f"{name}.log" for name in ("keeper", self.name)):
            if path.exists():
                lines += [f"-- end of {path}", *path.read_text(errors="replace").splitlines()[-LOG_LINES:]]
        return EmbeddedError("\n".join(lines))


@contextmanager
def keep_running(*, wait: bool = False) -> Iterator[list[RunningServer]]:
    """Start the servers that the environment does not name (DATABASE_URL, REDIS_URL); keep them running for the body.

    Blocks may be nested and concurrent: each takes one more shared lock. A long-lived body calls `ensure()` on each
    server now and then, in case a keeper was killed. With `wait`, a server that nobody else needs has stopped when the
    block ends. Raises EmbeddedError when a server does not start.
    """
    wanted: dict[str, Callable[[Path], str]] = {}
    if places.embeds_postgres():
        wanted["postgres"] = ready.postgres_problem
    if places.embeds_redis():
        wanted["valkey"] = ready.valkey_problem
    servers: list[RunningServer] = []
    try:
        if wanted:
            state = _state_with_folders()
            make_system_user()
            servers += [RunningServer(name, state, problem) for name, problem in wanted.items()]
        for server in servers:
            server.lock()
        for server in servers:
            server.ensure()  # all start side by side
        for server in servers:
            server.await_answer()
        yield servers
    finally:
        for server in servers:
            server.unlock()
        for server in servers if wait else ():
            server.await_end()
        for server in servers:
            server.close()


def _state_with_folders() -> Path:
    state = places.state_dir()
    try:
        places.make_state(state)
        for folder in ("log", "locks"):
            (state / folder).mkdir(mode=0o700, exist_ok=True)
            if not os.access(state / folder, os.W_OK):
                raise PermissionError(13, "not writable", str(state / folder))
    except OSError as error:
        raise EmbeddedError(f"The state folder cannot be used ({error}); SIGNALSITE_STATE names another.") from error
    return state


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
