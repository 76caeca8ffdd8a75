"""What a change clears in Redis, and what it leaves alone."""

import uuid

import orjson
import pytest

from tests.integration.configs_stream.feed import BANKNIFTY, NIFTY, configuration
from tests.integration.processes import until

OTHER = str(uuid.uuid4())
ONE = configuration("one", NIFTY, BANKNIFTY)
KEYS = NIFTY, BANKNIFTY


class Caches:
    """Cached values of the configuration `one` in its first version, and of everything beside it."""

    def __init__(self, feed, *, version=1):
        self.redis = feed.redis
        self.one = str(feed.rows("SELECT id FROM signal_configurations WHERE name = 'one'")[0][0])
        for key in KEYS:
            self.text(f"ta_results:{key}:5m:bar", self.one, version)
            self.text(f"ta_results:{key}:5m:1h", OTHER, 1)
            self.text(f"ta_results:{key}:15m:bar", OTHER, 1)
            underlying = "@".join(key.split("@")[:2])
            for topic in (f"indicators:{key}:5m", f"indicators:{key}:15m"):
                self.redis.hset(f"latest_indicators:{underlying}", topic, '{"version": 7}')
                self.redis.hset(f"latest_indicators_seq:{underlying}", topic, "1-1")
            for topic, about in (
                (f"results:{self.one}:{key}", {"configuration": self.one, "version": version}),
                (f"results:{OTHER}:{key}", {"configuration": OTHER, "version": 1}),
                (key, {"ltp": 1}),
                (f"bars:{key}:5m", {"close": 1}),
            ):
                self.redis.hset(f"latest:{underlying}", topic, orjson.dumps(about))
                self.redis.hset(f"latest_seq:{underlying}", topic, "1-1")
        for name in ("agg_data:NSE@NIFTY@equity_spot:5m", f"ta_results:{NIFTY}x:5m:bar", "configuration"):
            self.redis.set(name, "{}")
        self.before = self.all()

    def text(self, key, configuration, version):
        about = {"configuration": "one", "configuration_id": configuration, "version": version, "indicators": {}}
        self.redis.set(key, orjson.dumps(about))

    def all(self):
        """Every cached value there is: keys, and the fields of hashes."""
        found = set()
        for key in self.redis.scan_iter(count=1000):
            if key.startswith(("latest", "ta_results", "agg_data")) or key == "configuration":
                fields = self.redis.hkeys(key) if self.redis.type(key) == "hash" else [""]
                found |= {(key, field) for field in fields}
        return found

    def cleared(self):
        return self.before - self.all()

    def indicators(self, *keys):
        return {(f"ta_results:{key}:5m:bar", "") for key in keys}

    def results(self, *keys):
        return {pair for key in keys for pair in self._topic("latest", key, f"results:{self.one}:{key}")}

    def topics(self, *keys):
        return {pair for key in keys for pair in self._topic("latest_indicators", key, f"indicators:{key}:5m")}

    def _topic(self, newest, key, topic):
        underlying = "@".join(key.split("@")[:2])
        return {(f"{newest}:{underlying}", topic), (f"{newest}_seq:{underlying}", topic)}


CHANGES = {
    "other indicators": ({**ONE, "indicators": ["rsi(length=7)"]}, KEYS, KEYS, ()),
    "no indicators": ({**ONE, "indicators": [], "functions": ["pivots"]}, KEYS, KEYS, KEYS),
    "a function beside them": ({**ONE, "functions": ["pivots"]}, (), KEYS, ()),
    "another interval": ({**ONE, "interval": "15m"}, KEYS, KEYS, KEYS),
    "another frequency": ({**ONE, "frequency": "1h"}, KEYS, KEYS, ()),
    "one instrument less": ({**ONE, "instruments": [NIFTY]}, (BANKNIFTY,), (BANKNIFTY,), (BANKNIFTY,)),
    "one more": ({**ONE, "instruments": [*KEYS, "NSE@RELIANCE@equity_spot"]}, (), (), ()),
    "in another order": ({**ONE, "instruments": [BANKNIFTY, NIFTY]}, (), (), ()),
    "off": ({**ONE, "active": False}, KEYS, KEYS, KEYS),
    "deleted": (None, KEYS, KEYS, KEYS),
    "the same": (ONE, (), (), ()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_clears_exactly_what_depends_on_it(running, change):
    document, indicators, results, topics = CHANGES[change]
    running.send(ONE)
    running.settle()
    caches = Caches(running)
    running.send(document or {"name": "one"}, "update" if document else "delete")
    running.settle()
    assert caches.cleared() == caches.indicators(*indicators) | caches.results(*results) | caches.topics(*topics)
    assert not running.dead()


def test_another_configuration_that_asks_for_the_same_keeps_it(running):
    running.send_all([ONE, configuration("two", NIFTY)])
    running.settle()
    caches = Caches(running)
    caches.text(f"ta_results:{NIFTY}:5m:bar", OTHER, 1)  # the other one's values are the newest there
    assert set(running.shown()) == {f"config:{key}-5m-bar" for key in KEYS}
    running.send({"name": "one"}, "delete")
    running.settle()
    assert caches.cleared() == caches.indicators(BANKNIFTY) | caches.results(*KEYS) | caches.topics(BANKNIFTY)
    assert running.shown() == {f"config:{NIFTY}-5m-bar": running.kept()["two"]}  # it shows again


def test_what_the_new_version_has_left_already_stays(running):
    running.send(ONE)
    running.settle()
    caches = Caches(running, version=2)
    running.send({**ONE, "indicators": ["rsi(length=7)"]})
    running.settle()
    assert caches.cleared() == set()


def test_what_an_old_version_leaves_late_is_cleared_too(running):
    running.send(ONE)
    running.settle()
    running.send({**ONE, "indicators": ["rsi(length=7)"]})
    running.settle()
    caches = Caches(running)
    until(lambda: caches.cleared() == caches.indicators(*KEYS) | caches.results(*KEYS), 10, "cleared")
