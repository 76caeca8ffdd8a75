"""The embedded Valkey, killed while it is written to and its disk is slow: what it has answered is kept."""

import os
import random
import signal
import threading
import time

import pytest
import redis

from signalsite.embedded import state as places
from signalsite.embedded.keep_running import keep_running
from tests.integration.consume.live import server_pid
from tests.integration.processes import fresh_state, until
from tests.integration.slow_disk import slow_sync

SYNC_SECONDS = 1.2
AT_ONCE, PAUSE = 20, 0.005


@pytest.fixture
def slow(monkeypatch):
    """(state, sync count) of a Valkey on a disk that takes so long for each sync."""
    with fresh_state() as state:
        library, count = slow_sync(state.parent, SYNC_SECONDS)
        monkeypatch.setenv("LD_PRELOAD", str(library))
        monkeypatch.setenv("SIGNALSITE_STATE", str(state))
        monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere.invalid/x")
        for name in ("REDIS_URL", "CACHE_URL"):
            monkeypatch.delenv(name, raising=False)
        with keep_running(wait=True):
            yield state, count


class Producer(threading.Thread):
    """Adds to a stream and a list, as feeds and the broker do, until the server is gone; `acknowledged` is what was."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__()
        self.url = url
        self.name = name
        self.acknowledged: list[bytes] = []

    def run(self) -> None:
        with redis.Redis.from_url(self.url, socket_timeout=10) as client:
            try:
                while True:
                    with client.pipeline(transaction=False) as pipeline:
                        for _ in range(AT_ONCE):
                            pipeline.xadd(f"stream:{self.name}", {"data": "x" * 100})
                        pipeline.lpush(f"list:{self.name}", *[b"y" * 100] * AT_ONCE)
                        self.acknowledged += pipeline.execute()[:-1]
                    time.sleep(PAUSE)
            except redis.ConnectionError:
                return

    def lost(self, client: "redis.Redis") -> int:
        kept = {entry_id for entry_id, _ in client.xrange(f"stream:{self.name}")}
        listed = client.llen(f"list:{self.name}")
        return len(set(self.acknowledged) - kept) + max(len(self.acknowledged) - listed, 0)


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.faults)])
def test_nothing_that_was_answered_is_lost_by_kill_9_on_a_slow_disk(slow, kills):
    state, syncs = slow
    url = places.redis_url(state)
    for number in range(kills):
        producers = [Producer(url, f"{number}:{each}") for each in range(2)]
        for producer in producers:
            producer.start()
        time.sleep(random.uniform(1.5, 3.5))  # in a sync, most of the time
        old = server_pid(state, "valkey")
        os.kill(old, signal.SIGKILL)
        for producer in producers:
            producer.join(10)
        until(lambda old=old: server_pid(state, "valkey") not in (0, old), 20, "another is started")
        until(lambda: answers(url), 20, "it answers")
        with redis.Redis.from_url(url) as client:
            assert all(len(producer.acknowledged) > 1_000 for producer in producers)
            assert [producer.lost(client) for producer in producers] == [0, 0]
            client.flushall()
    before = syncs.stat().st_size
    until(lambda: syncs.stat().st_size > before + 1, 20, "what is appended is synced, against a power cut")


def answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
