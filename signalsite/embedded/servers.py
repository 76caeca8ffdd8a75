"""Files, options and start of the embedded PostgreSQL and Valkey.

Neither listens on TCP. Their sockets are in a folder that only their user and root may enter. They ask for no password,
which would have to be kept in a file under the same protection.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from signalsite.foundation.process import ends_with_parent, living_in

from .account import give, hand_over, system_user
from .binaries import EmbeddedError, all_may_enter, postgres_bin, valkey_server
from .state import PORT, REDIS_SOCKET, make_state, socket_dir

REMOVAL_SECONDS = 10.0
POSTGRES_OPTIONS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "fsync": "on",
    "synchronous_commit": "on",  # a commit survives kill -9; SET LOCAL ... off for what can be recomputed
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "wal_compression": "pglz",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",  # the cores belong to the Celery workers
    "autovacuum_max_workers": "2",
    "jit": "off",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class Server:
    """A server that is ready to start.

    Its processes have `folder` as their working folder, which identifies them. `leftovers` are the files by which a
    killed server still seems to run. `synced` is a folder of files that the server appends to and its keeper syncs.
    """

    command: list[str]
    folder: Path
    leftovers: tuple[Path, ...]
    user: pwd.struct_passwd | None
    stop_signal: signal.Signals
    synced: Path | None = None

    def start(self, log: Path) -> "subprocess.Popen[bytes]":
        """Start the server. None of its earlier processes may be left. Raises EmbeddedError."""
        if self.user and not self.folder.is_symlink():
            hand_over(self.folder, self.user)
        with log.open("ab") as output:
            return _spawn(self.command, self.user, self.stop_signal, output)


def postgres(state: Path) -> Server:
    """Return PostgreSQL in `state`/postgres, and create that folder the first time. Raises EmbeddedError."""
    user, sockets = _prepare(state)
    folder = state / "postgres"
    if not folder.is_dir():
        _initdb(state, folder, user)
    command = [str(postgres_bin() / "postgres"), "-D", str(folder), "-k", str(sockets)]
    for name, value in POSTGRES_OPTIONS.items():
        command += ["-c", f"{name}={value}"]
    # These contain a process id. PostgreSQL takes any process that has it now for its predecessor.
    leftovers = (folder / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock")
    return Server(command, folder, leftovers, user, signal.SIGINT)  # SIGINT: fast shutdown


def valkey(state: Path) -> Server:
    """Return Valkey in `state`/valkey. It is broker, streams and cache, so it evicts only keys that expire."""
    user, sockets = _prepare(state)
    folder = state / "valkey"
    _private(folder, state, user)
    options = {
        "port": "0",
        "unixsocket": str(sockets / REDIS_SOCKET),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        # The server writes before it answers, so that kill -9 loses nothing, and its keeper syncs. With `everysec` it
        # delays writes while a slow sync runs; with `always` a slow disk blocks it.
        "appendfsync": "no",
        "save": "",
        "rdbcompression": "no",  # without it a rewrite during ticks takes a third less CPU
        "maxmemory": os.environ.get("SIGNALSITE_REDIS_MAXMEMORY", "512mb"),
        "maxmemory-policy": "volatile-lru",
    }
    command = [str(valkey_server())]
    for name, value in options.items():
        command += [f"--{name}", value]
    appended = folder / "appendonlydir"
    return Server(command, folder, (sockets / REDIS_SOCKET,), user, signal.SIGTERM, synced=appended)


SERVERS: dict[str, Callable[[Path], Server]] = {"postgres": postgres, "valkey": valkey}


def check_socket_dir(state: Path) -> Path:
    """Return the socket folder. Raises EmbeddedError unless it is private to the user of the servers.

    Anyone could have put a folder under /tmp to receive our data.
    """
    folder = socket_dir(state)
    user = system_user()
    owner = user.pw_uid if user else os.geteuid()
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) & 0o077:
        raise EmbeddedError(f"{folder} is not a private folder of user {owner}; remove it and start again.")
    return folder


def _prepare(state: Path) -> tuple[pwd.struct_passwd | None, Path]:
    user = system_user()
    make_state(state)
    if user and not all_may_enter(state):
        raise EmbeddedError(
            f"The servers run as {user.pw_name}, who cannot enter {state}. "
            "Choose another SIGNALSITE_STATE, or leave it unset."
        )
    sockets = socket_dir(state)
    _private(sockets, state, user)
    return user, check_socket_dir(state)


def _private(folder: Path, state: Path, user: pwd.struct_passwd | None) -> None:
    """Make `folder` with mode 0700 for `user`. Repair a wrong owner or mode in the state folder only.

    Under /tmp, hand over only root's folder, which a killed start may have left. Any other may be a trap.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        # An administrator made the symbolic link. The server reports what is wrong with its target.
        if folder.is_symlink() or (folder.parent != state and folder.lstat().st_uid != os.geteuid()):
            return
    if user:
        give(folder, user)
    if folder.parent == state and os.geteuid() in (0, folder.lstat().st_uid):
        folder.chmod(0o700)


def _initdb(state: Path, folder: Path, user: pwd.struct_passwd | None) -> None:
    """Create a cluster. It appears under its name only when it is complete."""
    for unfinished in state.glob("initdb-*"):
        _remove(unfinished)
    fresh = Path(tempfile.mkdtemp(dir=state, prefix="initdb-"))
    if user:
        os.chown(fresh, user.pw_uid, user.pw_gid)
    command = [str(postgres_bin() / "initdb"), "-D", str(fresh), "--username=postgres", "--encoding=UTF8"]
    # PostgreSQL's own C.UTF-8: the same order and case rules whatever locales the machine has.
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += ["--data-checksums", "--auth-local=trust", "--auth-host=reject"]
    status = _spawn(command, user, signal.SIGKILL).wait()
    if status != 0:
        raise EmbeddedError(f"initdb failed with status {status}.")
    fresh.rename(folder)


def _remove(unfinished: Path) -> None:
    """Remove the files of a killed initdb. A child of it may still be writing."""
    deadline = time.monotonic() + REMOVAL_SECONDS
    while True:
        for pid in living_in(unfinished):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            shutil.rmtree(unfinished)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _spawn(
    command: list[str], user: pwd.struct_passwd | None, at_our_death: signal.Signals, output: BinaryIO | None = None
) -> "subprocess.Popen[bytes]":
    # Pass on no PG* variable and no locale that this machine may lack, but LD_PRELOAD, for another malloc.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    if preloaded := os.environ.get("LD_PRELOAD"):
        environment["LD_PRELOAD"] = preloaded
    return subprocess.Popen(
        command,
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,
        preexec_fn=ends_with_parent(at_our_death),
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
