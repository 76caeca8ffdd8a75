"""A pytest plugin (`-p tests.servers`) that runs servers for the tests, on a state folder of their own.

It is imported before the settings are. TEST_DATABASE_URL and TEST_REDIS_URL name other servers, TEST_STATE another
state folder (for runs in one process); whatever the environment says for a normal run (DATABASE_URL, REDIS_URL,
CACHE_URL, SIGNALSITE_STATE) is never used. Runs that select only tests of `tests/core` start no server.

With `--numprocesses 2` each process has servers of its own. A file's tests stay together, and so do all of `tests/e2e`,
which share one service.
"""

import fcntl
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from signalsite.embedded import state

SERVERLESS = Path(__file__).parent / "core"
SHARED_SERVICE = ("tests/e2e/", "tests/faults/")


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

_held = ExitStack()


class Together(LoadScopeScheduling):
    """Return the group of tests that one process runs: a file, or a folder that shares one service."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in SHARED_SERVICE if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    from signalsite.embedded.keep_running import keep_running

    if not session.config.option.collectonly and any(SERVERLESS not in item.path.parents for item in session.items):
        _held.enter_context(keep_running(wait=True))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    _held.close()
