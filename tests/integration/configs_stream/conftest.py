"""Servers for the consumer of configurations, one set for all tests here."""

import pytest

from tests.forks import the_forks
from tests.integration.configs_stream.feed import Feed
from tests.integration.processes import fresh_state, servers_of


@pytest.fixture(scope="session")
def configs_servers(tmp_path_factory):
    with fresh_state() as state:
        feed = Feed(state, tmp_path_factory.mktemp("configs") / "consumer.log")
        feed.log.touch()
        with servers_of(state):
            made = the_forks().run(["migrate", "-v0"], environment=feed.environment)
            assert made.returncode == 0, made.stderr
            yield feed


@pytest.fixture(scope="module")
def one_consumer(configs_servers):
    configs_servers.empty()
    configs_servers.log.write_text("")
    with configs_servers.consumer():
        yield configs_servers


@pytest.fixture
def running(one_consumer):
    """A consumer that works already, the same for all tests of a file that ask for it."""
    one_consumer.begin_anew()
    return one_consumer


@pytest.fixture
def feed(configs_servers):
    configs_servers.empty()
    configs_servers.log.write_text("")
    return configs_servers
