"""Servers for the tick daemon, one set for all tests here."""

import subprocess
import sys

import pytest

from tests.integration.consume.live import Live
from tests.integration.processes import ROOT, fresh_state, servers_of


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    with fresh_state() as state:
        live = Live(state, tmp_path_factory.mktemp("live") / "consumer.log")
        live.log.touch()
        with servers_of(state):
            subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=live.environment, check=True)
            yield live


@pytest.fixture
def live(servers):
    servers.empty()
    servers.log.write_text("")
    return servers
