"""Where a checkout keeps its servers' data, sockets, secrets and caches.

The settings use this module, so it starts no process and imports only the standard library.
"""

import contextlib
import hashlib
import os
import secrets
import tempfile
from pathlib import Path
from urllib.parse import quote

CHECKOUT = Path(__file__).resolve().parents[2]
SHARED = Path("/var/lib/signalsite")  # root's states and binaries: a system user must be able to reach them

DATABASE = "signalsite"
ROLE = "signalsite"
PORT = "5432"  # only part of the socket's file name: nothing listens on TCP
REDIS_SOCKET = "valkey.sock"
RESTARTS = "restarts.json"  # among the heartbeats

# A unix socket's path has at most 107 bytes. PostgreSQL's lock file adds a suffix.
LONGEST_SOCKET_PATH = 103


def state_dir() -> Path:
    """Return the state folder: SIGNALSITE_STATE (relative to the checkout), else the checkout's own."""
    given = os.environ.get("SIGNALSITE_STATE")
    return CHECKOUT / given if given else own_state_dir()


def own_state_dir() -> Path:
    """Return `.state` in the checkout; for root a system folder, since root's servers cannot enter a private home.

    The tests append a suffix (`-test`) for a folder of their own.
    """
    return SHARED / digest(CHECKOUT) if os.geteuid() == 0 else CHECKOUT / ".state"


def digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def socket_dir(state: Path) -> Path:
    """Return the folder of both sockets: `run` in the state, or one under /tmp when that path is too long to bind.

    It does not use TMPDIR, since every process must get the same folder.
    """
    run = state / "run"
    longest = max(f".s.PGSQL.{PORT}", REDIS_SOCKET, key=len)
    if len(os.fsencode(run / longest)) <= LONGEST_SOCKET_PATH:
        return run
    return Path("/tmp") / f"signalsite-{os.geteuid()}-{digest(state)}"


def embeds_postgres() -> bool:
    return not os.environ.get("DATABASE_URL")


def embeds_redis() -> bool:
    return not os.environ.get("REDIS_URL")


def database(state: Path) -> dict[str, str]:
    """Return Django's NAME, USER, PASSWORD, HOST and PORT of the embedded PostgreSQL."""
    return {"NAME": DATABASE, "USER": ROLE, "PASSWORD": "", "HOST": str(socket_dir(state)), "PORT": PORT}


def redis_url(state: Path) -> str:
    """Return the address of the embedded Valkey for redis-py and channels_redis: `unix:///.../valkey.sock`."""
    return f"unix://{quote(str(socket_dir(state) / REDIS_SOCKET))}"


def numba_cache_dir(state: Path) -> Path:
    """Return the folder of compiled kernels. It is beside the data, since the checkout may be read-only."""
    return state / "numba"


def heartbeats_dir(state: Path) -> Path:
    """Return the folder of `manage.py up`'s heartbeat files and restart counts (see `heart`, `supervisor`)."""
    return state / "heartbeats"


def make_state(state: Path) -> Path:
    """Create the state folder, private to its user.

    The system user of root's servers may pass through root's state folder. What is private in it has a 0700 folder.
    """
    if not state.is_dir():
        if state.parent == SHARED:
            SHARED.mkdir(parents=True, exist_ok=True)
            SHARED.chmod(0o755)  # whatever the umask
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o711 if os.geteuid() == 0 else 0o700)  # only a folder that we made: any other keeps its mode
    return state


def secret(state: Path, name: str, *, nbytes: int = 24) -> str:
    """Return the secret `name`, and make it of `nbytes` random bytes the first time. Safe in a race."""
    folder = make_state(state) / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    if not path.exists():
        # link() makes a complete file appear at once, and does not replace one that another process has made.
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=f".{name}.") as fresh:
            fresh.write(secrets.token_urlsafe(nbytes))
            fresh.flush()
            os.fsync(fresh.fileno())  # after a power cut, an empty secret would stop every start
            with contextlib.suppress(FileExistsError):  # the other process's secret wins
                os.link(fresh.name, path)
    return path.read_text()
