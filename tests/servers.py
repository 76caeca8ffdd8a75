"""A pytest plugin (`-p tests.servers`) that runs servers for the tests, on a state folder of their own.

It is imported before the settings are. TEST_DATABASE_URL and TEST_REDIS_URL name other servers, TEST_STATE another
state folder (for runs in one process); whatever the environment says for a normal run (DATABASE_URL, REDIS_URL,
CACHE_URL, SIGNALSITE_STATE) is never used. Runs that select only tests of `tests/core` start no server.

With `--numprocesses 2` each process has servers of its own. A file's tests stay together, and so do those of files that
share a service. What takes longest comes first, so that no process is left with it at the end.
"""

import fcntl
import gc
import os
import subprocess
import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from xdist.scheduler import LoadScopeScheduling

from signalsite.embedded import state

SERVERLESS = Path(__file__).parent / "core"
# Files that share a service, servers or a copy of the project begin so.
SHARED = ("tests/e2e/", "tests/integration/consume/", "tests/faults/", "tests/integration/test_recipes")
# Other files that take from ten seconds, the longest first. Those of tests/e2e among them need no shared service.
LONG = (
    "tests/e2e/test_docs_run.py",
    "tests/e2e/test_simulated_feed.py",
    "tests/integration/test_backups.py",
    "tests/integration/test_supervisor.py",
    "tests/e2e/test_sockets_processes.py",
    "tests/e2e/test_sockets_faults.py",
    "tests/e2e/test_sockets_slow.py",
    "tests/e2e/test_sockets_resume.py",
    "tests/integration/test_runbook.py",
    "tests/integration/test_migrate.py",
    "tests/e2e/test_logs.py",
    "tests/e2e/test_first_hour.py",
    "tests/integration/test_three_doors.py",
    "tests/integration/test_chain_history.py",
    "tests/integration/test_three_chain_doors.py",
    "tests/integration/test_consume_doors.py",
    "tests/e2e/test_client_feed.py",
    "tests/e2e/test_chain_topics.py",
    "tests/e2e/test_live_bars.py",
    "tests/integration/test_new_computation.py",
    "tests/integration/functions/test_attacks.py",
    "tests/integration/test_compose_commands.py",
    "tests/core/test_client_package.py",
    "tests/e2e/test_sockets.py",
)


def _free_state() -> Path:
    """Return the tests' state folder, or the first free one: concurrent runs would empty each other's tables."""
    for number in range(1, 20):
        folder = Path(f"{state.own_state_dir()}-test{'' if number == 1 else number}")
        state.make_state(folder)
        lock = os.open(folder / "tests.lock", os.O_RDWR | os.O_CREAT, 0o600)  # until this process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return folder
    raise SystemExit("twenty test runs at once: something is left over")


os.environ["SIGNALSITE_STATE"] = os.environ.get("TEST_STATE") or str(_free_state())
for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
    os.environ.pop(name, None)
    if given := os.environ.get(f"TEST_{name}"):
        os.environ[name] = given

# Whatever the environment says: each of the hundreds of processes that tests start would compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# One for all processes and state folders: compiling the kernels takes half a minute of a processor.
os.environ["NUMBA_CACHE_DIR"] = f"{state.own_state_dir()}-test/numba"

# Each client of the tests would read the certificate authorities, in 30 ms of a processor, and ask no https address.
httpx._transports.default.create_ssl_context = cache(httpx.create_ssl_context)  # type: ignore[attr-defined]

_held = ExitStack()


def group(nodeid: str) -> str:
    """Return the group of tests that one process runs: a file, or those that share something."""
    file = nodeid.partition("::")[0]
    return file if file in LONG else next((start for start in SHARED if file.startswith(start)), file)


class Together(LoadScopeScheduling):
    """Gives each process a group after the other, in the order of `pytest_collection_modifyitems`."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def pytest_xdist_setupnodes() -> None:
    """Compile the kernels once, before many processes need them at the same time."""
    script = "from moneyness.core.warm import warm; warm()"
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], check=True)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    config.option.loadscopereorder = False  # by the number of tests
    return Together(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        order = {name: place for place, name in enumerate((*SHARED, *LONG))}
        items.sort(key=lambda item: (order.get(group(item.nodeid), len(order)), SERVERLESS in item.path.parents))


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.collect()
    gc.freeze()  # tests and modules stay to the end: a collection need not look at a million objects
    from signalsite.embedded.keep_running import keep_running

    if not session.config.option.collectonly and any(SERVERLESS not in item.path.parents for item in session.items):
        _held.enter_context(keep_running(wait=True))


@pytest.fixture(autouse=True, scope="session")
def _no_threads_that_write() -> None:
    """Usage and open sockets are stored by threads, which would write beside a test's own transaction."""
    from django.conf import settings

    settings.API_METRICS_SECONDS = settings.WEBSOCKET_LISTED_SECONDS = 0.0


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    _held.close()
