"""Servers for the tick daemon, one set for each test file."""

import subprocess
import sys

import pytest

from signalsite.embedded.keep_running import keep_running
from tests.integration.consume.live import Live
from tests.integration.processes import ROOT, fresh_state


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with fresh_state() as state, pytest.MonkeyPatch.context() as patch:
        for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("SIGNALSITE_STATE", str(state))
        live = Live(state, tmp_path_factory.mktemp("live") / "consumer.log")
        live.log.touch()
        with keep_running(wait=True):
            subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=live.environment, check=True)
            yield live


@pytest.fixture
def live(servers):
    servers.empty()
    servers.log.write_text("")
    return servers
