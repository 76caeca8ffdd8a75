"""manage.py consume_ticks beside a Valkey that is killed again and again on a slow disk."""

import random
import subprocess
import sys
import time

import pytest
import redis

from signalsite.embedded.keep_running import keep_running
from tests.integration.consume.live import Live, kill_server, tick
from tests.integration.processes import ROOT, fresh_state, until
from tests.integration.slow_disk import slow_sync

KILLS = 20
AT_ONCE = 25  # entries, of which the last is a bad tick


@pytest.fixture
def slow(monkeypatch, tmp_path):
    with fresh_state() as state:
        library, _ = slow_sync(state.parent, 1.2)
        monkeypatch.setenv("LD_PRELOAD", str(library))
        monkeypatch.setenv("SIGNALSITE_STATE", str(state))
        for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
            monkeypatch.delenv(name, raising=False)
        live = Live(state, tmp_path / "consumer.log")
        with keep_running(wait=True):
            subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=live.environment, check=True)
            yield live


@pytest.mark.faults
def test_ticks_copies_and_dead_letters_survive_every_kill(slow):
    good, bad = set(), set()
    with slow.consumer(TICK_KEEP_SECONDS="3600", TICK_KEEP_ENTRIES="10000000") as consumer:
        for _ in range(KILLS):
            end = time.monotonic() + random.uniform(1.0, 3.0)
            while time.monotonic() < end:
                ids = publish(slow)
                good.update(ids[:-1])
                bad.add(ids[-1])
                time.sleep(0.02)
            kill_server(slow.state, "valkey")
            until(lambda: answers(slow), 20, "Valkey is back")
        slow.drain()
        assert consumer.poll() is None
    stored = {row[0] for row in slow.rows("SELECT entry_id FROM ticks")}
    letters = [fields["entry_id"] for _, fields in slow.redis.xrange("tick_dead_letter")]
    entries = slow.redis.xrange("tick_stream:NSE@NIFTY")
    copies = [fields for _, fields in entries if fields.get("state") == "P"]
    assert good - stored == set() and bad - set(letters) == set()
    assert len(letters) == len(set(letters)) and len(copies) == len(stored)
    assert len(good) > 1_000 * KILLS / 10


def publish(live: Live) -> list[str]:
    with live.redis.pipeline(transaction=False) as pipeline:
        for number in range(AT_ONCE):
            fields = tick(ltp=24_000 + number)[1]
            if number == AT_ONCE - 1:
                fields["ltp"] = "none"
            pipeline.xadd("tick_stream:NSE@NIFTY", fields)
        return pipeline.execute()


def answers(live: Live) -> bool:
    try:
        return bool(live.redis.ping())
    except redis.RedisError:
        return False
