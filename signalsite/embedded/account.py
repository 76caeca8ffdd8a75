"""The system user that runs root's servers, and its folders. PostgreSQL refuses to run as root."""

import grp
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from .binaries import EmbeddedError, shared_lock
from .state import SHARED

USERADD_SECONDS = 30.0


def system_user() -> pwd.struct_passwd | None:
    """Return the user that runs the servers: None for the current user, or for root the system user.

    Raises EmbeddedError when that user does not exist.
    """
    if os.geteuid() != 0:
        return None
    try:
        user = pwd.getpwnam(_name())
    except KeyError:
        raise EmbeddedError(f"The system user {_name()} does not exist.") from None
    if user.pw_uid == 0:
        raise EmbeddedError(f"PostgreSQL refuses to run as {user.pw_name}: SIGNALSITE_SYSTEM_USER must name another.")
    return user


def make_system_user() -> None:
    """Create root's system user when it is missing. Call this before `system_user`. Raises EmbeddedError.

    Two concurrent `useradd` can both succeed, and the later account then replaces the earlier one. So only one runs at
    a time, and it inherits the lock, which it holds until it ends even when this process is killed.
    """
    if os.geteuid() != 0 or _exists(_name()):
        return
    with shared_lock() as lock:
        reason = "" if _exists(_name()) else _useradd(_name(), lock)
    if not _exists(_name()):
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the system user {_name()} could not be created: {reason}. "
            "Create it, run this as an ordinary user, or set DATABASE_URL and REDIS_URL to servers of your own."
        )


def hand_over(folder: Path, user: pwd.struct_passwd) -> None:
    """Give `folder` and its content to `user`, whose account may be newer than the files.

    Everything below /var/lib/signalsite is ours. Elsewhere a state folder may contain other people's data, such as with
    SIGNALSITE_STATE=/var/lib. There this takes over only what belongs to root or to no account. It does not follow
    links, and refuses files with a second hard link, which may be anywhere. Raises EmbeddedError.
    """
    for path, folders, files, fd in os.fwalk(folder):
        for name in (*folders, *files):
            _give(Path(path) / name, user, name, fd)
    _give(folder, user, str(folder))


def give(folder: Path, user: pwd.struct_passwd) -> None:
    """Do what `hand_over` does, for the folder alone."""
    _give(folder, user, str(folder))


def _give(path: Path, user: pwd.struct_passwd, name: str, fd: int | None = None) -> None:
    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    if (found.st_uid, found.st_gid) == (user.pw_uid, user.pw_gid):
        return
    ours = path.resolve().is_relative_to(SHARED) or found.st_uid in (0, user.pw_uid) or not _has_account(found.st_uid)
    if not ours or (stat.S_ISREG(found.st_mode) and found.st_nlink > 1):
        raise EmbeddedError(
            f"{path} belongs to user {found.st_uid} and not to {user.pw_name}. "
            f"If it is this project's, give it to {user.pw_name} (chown); else choose another SIGNALSITE_STATE."
        )
    os.chown(name, user.pw_uid, user.pw_gid, dir_fd=fd, follow_symlinks=False)


def _name() -> str:
    return os.environ.get("SIGNALSITE_SYSTEM_USER") or "signalsite-db"


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _useradd(name: str, lock: int) -> str:
    """Run useradd, which inherits the open file `lock`. Return its error message."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # some of root's PATHs lack these
    command = [shutil.which("useradd", path=path) or "useradd", "--system", "--no-create-home"]
    command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    # A killed useradd may have left the group.
    command += ["--gid", name] if _group_exists(name) else ["--user-group"]
    try:
        done = subprocess.run(
            [*command, name],
            capture_output=True,
            text=True,
            check=False,
            timeout=USERADD_SECONDS,
            start_new_session=True,  # a kill of our process group does not interrupt it
            pass_fds=[lock],
        )
    except FileNotFoundError:
        return "useradd is not installed (apt-get install passwd)"
    except subprocess.TimeoutExpired:
        return f"useradd did not end within {USERADD_SECONDS:.0f} s"
    return done.stderr.strip()


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
