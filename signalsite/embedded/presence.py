"""Tells commands whether the service runs from this checkout: `manage.py up` holds a lock while it runs."""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from . import state as places
from .binaries import locks
from .keep_running import RunningServer

ATTEMPTS = 20
_NAMES = {"postgres": "PostgreSQL", "valkey": "Redis (Valkey)"}


class Presence(NamedTuple):
    pid: int
    address: str


@contextmanager
def present(state: Path, address: str) -> Iterator[None]:
    """Let commands find this service for the body. Of two services of one state, they find the first."""
    file = _lock_file(places.make_state(state))
    file.parent.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(ATTEMPTS):  # a command that looks holds the lock for a moment
            if locks(lock, fcntl.LOCK_EX):
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"{os.getpid()} {address}".encode(), 0)
                break
            time.sleep(0.01)
        yield
    finally:
        os.close(lock)


def find_service(state: Path) -> Presence | None:
    """Return the service that runs on this state. The kernel releases the lock of one that was killed."""
    try:
        lock = os.open(_lock_file(state), os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # none has run here, or it is another user's
        return None
    try:
        if locks(lock, fcntl.LOCK_SH):
            return None
        pid, _, address = os.pread(lock, 200, 0).decode().partition(" ")
        return Presence(int(pid), address) if address else None
    finally:
        os.close(lock)


def servers_line(state: Path, servers: Sequence[RunningServer]) -> str:
    """Say in a line which servers a command uses. Empty for a process of the service itself."""
    service = find_service(state)
    if service:
        return "" if service.pid == os.getppid() else f"The service at {service.address} is running: using its servers."
    started = [_NAMES[server.name] for server in servers if server.started]
    found = [_NAMES[server.name] for server in servers if not server.started]
    given = [
        f"the {what} of {variable}"
        for what, variable, embedded in (
            ("PostgreSQL", "DATABASE_URL", places.embeds_postgres()),
            ("Redis", "REDIS_URL", places.embeds_redis()),
        )
        if not embedded
    ]
    parts = [f"starting {' and '.join(started)}"] if started else []
    parts += [f"using {' and '.join(found)} as found running"] if found else []
    parts += [f"using {' and '.join(given)}"] if given else []
    return f"No service runs from this folder: {', '.join(parts)}."


def _lock_file(state: Path) -> Path:
    return state / "locks" / "service"
