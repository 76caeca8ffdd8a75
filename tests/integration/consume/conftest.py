"""Servers for the tick daemon, one set for all tests here."""

import pytest

from tests.forks import the_forks
from tests.integration.consume.live import Live
from tests.integration.processes import fresh_state, servers_of


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    with fresh_state() as state:
        live = Live(state, tmp_path_factory.mktemp("live") / "consumer.log")
        live.log.touch()
        with servers_of(state):
            the_forks().run(["migrate", "-v0"], environment=live.environment, timeout=60).check_returncode()
            yield live


@pytest.fixture
def live(servers):
    servers.empty()
    servers.log.write_text("")
    return servers
