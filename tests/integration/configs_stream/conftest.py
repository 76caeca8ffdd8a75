"""Servers for the consumer of configurations, one set for all tests here."""

from contextlib import ExitStack

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


class SharedConsumer:
    """A consumer that successive tests of a file use."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._running = ExitStack()
        self._there = False

    def start(self) -> None:
        if self._there:
            self._feed.begin_anew()
        else:
            start_anew(self._feed)
            self._running.enter_context(self._feed.consumer())
            self._there = True

    def stop(self) -> None:
        self._running.close()
        self._there = False


def start_anew(feed: Feed) -> None:
    feed.empty()
    feed.log.write_text("")


@pytest.fixture(scope="module")
def shared_consumer(configs_servers):
    shared = SharedConsumer(configs_servers)
    yield shared
    shared.stop()


@pytest.fixture
def running(configs_servers, shared_consumer):
    """A consumer that works already."""
    shared_consumer.start()
    return configs_servers


@pytest.fixture
def feed(configs_servers, shared_consumer):
    """No consumer: the shared one would take the lease from those of the test."""
    shared_consumer.stop()
    start_anew(configs_servers)
    return configs_servers
