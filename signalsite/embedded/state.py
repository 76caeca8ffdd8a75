"""Where a checkout keeps its servers' data, sockets, secrets and caches.

Paths and addresses only, from the environment: no process is started here and nothing but the standard library is
imported, so that the settings can use it.
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
PORT = "5432"  # names the socket's file only: nothing listens on TCP
REDIS_SOCKET = "valkey.sock"
RESTARTS = "restarts.json"  # among the heartbeats

# An address of a unix socket is at most 107 bytes long; leave room for the suffix of PostgreSQL's lock file.
LONGEST_SOCKET_PATH = 103


def state_dir() -> Path:
    """The state folder: SIGNALSITE_STATE (relative to the checkout), else the checkout's own."""
    given = os.environ.get("SIGNALSITE_STATE")
    return CHECKOUT / given if given else own_state_dir()


def own_state_dir() -> Path:
    """`.state` in the checkout; for root a system folder, since the user of root's servers cannot enter a private home.

    Another one beside it (`-test`) is had by a suffix.
    """
    return SHARED / digest(CHECKOUT) if os.geteuid() == 0 else CHECKOUT / ".state"


def digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def socket_dir(state: Path) -> Path:
    """The folder of both sockets: `run` in the state, or a short one under /tmp when that path is too long to bind.

    /tmp by name and not TMPDIR: every process must come to the same answer.
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
    """Django's NAME, USER, PASSWORD, HOST and PORT of the embedded PostgreSQL. There is no password: see `servers`."""
    return {"NAME": DATABASE, "USER": ROLE, "PASSWORD": "", "HOST": str(socket_dir(state)), "PORT": PORT}


def redis_url(state: Path) -> str:
    """Address of the embedded Valkey as redis-py and channels_redis write it: `unix:///.../valkey.sock`."""
    return f"unix://{quote(str(socket_dir(state) / REDIS_SOCKET))}"


def broker_url(state: Path) -> str:
    """The same address as Celery and Flower write it: `redis+socket:///.../valkey.sock`."""
    return f"redis+socket://{quote(str(socket_dir(state) / REDIS_SOCKET))}"


def numba_cache_dir(state: Path) -> Path:
    """Where compiled kernels are kept: beside the data, since the checkout may be read-only."""
    return state / "numba"


def heartbeats_dir(state: Path) -> Path:
    """What the processes of `manage.py up` touch, and how often each was started again (see `heart`, `supervisor`)."""
    return state / "heartbeats"


def make_state(state: Path) -> Path:
    """Create the state folder: private to its user; root's may be passed through by the system user of its servers.

    What is private in root's state has a 0700 folder of its own.
    """
    if not state.is_dir():
        if state.parent == SHARED:
            SHARED.mkdir(parents=True, exist_ok=True)
            SHARED.chmod(0o755)  # whatever the umask
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o711 if os.geteuid() == 0 else 0o700)  # only our own: a folder given to us keeps its mode
    return state


def secret(state: Path, name: str, *, nbytes: int = 24) -> str:
    """The secret kept under `name` in the state; made of `nbytes` random bytes the first time. Safe in a race."""
    folder = make_state(state) / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    if not path.exists():
        # A whole file appears at once or not at all: link() does not replace what another process has made meanwhile.
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=f".{name}.") as fresh:
            fresh.write(secrets.token_urlsafe(nbytes))
            fresh.flush()
            os.fsync(fresh.fileno())  # an empty secret after a power cut would stop every start
            with contextlib.suppress(FileExistsError):  # the other one's secret holds
                os.link(fresh.name, path)
    return path.read_text()
