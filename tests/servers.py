"""pytest plugin (`-p tests.servers`): the tests have servers of their own, on a state folder of their own.

It is imported before the settings are. TEST_DATABASE_URL and TEST_REDIS_URL name other servers, TEST_STATE another
state folder (two test runs at once need one each); whatever the environment says for a normal run (DATABASE_URL,
REDIS_URL, CACHE_URL, SIGNALSITE_STATE) is never used. Runs that select only tests of `tests/core` start no server.
"""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from signalsite.embedded import state

SERVERLESS = Path(__file__).parent / "core"

os.environ["SIGNALSITE_STATE"] = os.environ.get("TEST_STATE") or f"{state.own_state_dir()}-test"
for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
    os.environ.pop(name, None)
    if given := os.environ.get(f"TEST_{name}"):
        os.environ[name] = given

_held = ExitStack()


def pytest_collection_finish(session: pytest.Session) -> None:
    from signalsite.embedded.hold import hold

    if not session.config.option.collectonly and any(SERVERLESS not in item.path.parents for item in session.items):
        _held.enter_context(hold(wait=True))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    _held.close()
