"""manage.py consume_ticks: indicators that a configuration names, after a kill in the middle of a bar."""

import signal
import time
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from tests.forks import the_forks
from tests.integration.consume.live import Live, tick
from tests.integration.processes import until

KEY, TOPIC = "BINANCE@BTC@crypto_spot", "indicators:BINANCE@BTC@crypto_spot:30m"
SPECS = ["ema(length=4)", "macd(fast=3,slow=6,signal=3)", "rsi(length=5)", "supertrend(length=4)"]
BAR = 1800
OUTPUT = "indicators_output_stream:BINANCE@BTC"
CONFIGURE = """
import sys, django, orjson
django.setup()
from datetime import UTC, datetime
from django.contrib.auth import get_user_model
from signals.configs.services import save
owner, _ = get_user_model().objects.get_or_create(username="trader")
save(owner, orjson.loads(sys.argv[1]), origin="api", now=datetime.now(UTC))
"""
OFFLINE = """
import sys, django, numpy, orjson
django.setup()
from datetime import UTC, datetime
from signals.indicators.core.spec import parse_spec
from signals.indicators.selectors import read_newest_of
from timeframes.bars.stored import Wanted, stored_of
from timeframes.core.grid import Anchor, instant
key, *specs = sys.argv[1:]
now = datetime.now(UTC)
wanted = Wanted(key=key, exchange="BINANCE", timeframe=1800, anchor=Anchor.EPOCH, begin=instant(0), end=now,
                stored=stored_of(key))
found = read_newest_of(wanted, [parse_spec(each, "x") for each in specs], now=now)
values = {text: {name: float(each[-1]) for name, each in one.items()} for text, one in zip(specs, found.outputs)}
print(orjson.dumps([instant(found.time).isoformat(), values]).decode())
"""


def run(live: Live, script: str, *arguments: str) -> str:
    done = the_forks().run(arguments, script=script, environment=live.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def newest(live: Live) -> dict:
    found = live.redis.hget("latest_indicators:BINANCE@BTC", TOPIC)
    return orjson.loads(found) if found else {}


def states(live: Live) -> list[dict]:
    return [orjson.loads(fields[TOPIC]) for _, fields in live.redis.xrange(OUTPUT) if TOPIC in fields]


def ticks(begin: datetime, first: int, count: int) -> list:
    return [
        tick(KEY, 100.0 + (n * 7 % 23) / 4, ltt=(begin + timedelta(minutes=n)).isoformat(), volume=float(n))
        for n in range(first, first + count)
    ]


@pytest.fixture
def configured(live: Live):
    live.execute("TRUNCATE signal_configurations CASCADE")
    document = {"name": "btc", "instruments": [KEY], "interval": "30m", "frequency": "daily", "indicators": SPECS}
    run(live, CONFIGURE, orjson.dumps(document).decode())
    yield live
    live.execute("TRUNCATE signal_configurations CASCADE")


def test_the_first_value_after_a_kill_equals_the_one_before_it(configured: Live) -> None:
    live = configured
    until(lambda: time.time() % BAR < BAR - 60, 61, "no bar ends during the test")
    begin = datetime.now(UTC) - timedelta(minutes=399)  # the last tick is in the bar of now
    with live.consumer("--write-back", "off") as consumer:
        live.publish(ticks(begin, 0, 400))
        live.drain()
        last = bar_of(begin, 399)
        until(lambda: (newest(live).get("time"), newest(live).get("complete")) == (last, False), 60, "a bar is forming")
        before = newest(live)
        consumer.send_signal(signal.SIGKILL)
        consumer.wait(10)
    told = len(states(live))
    with live.consumer("--write-back", "off"):
        until(lambda: len(states(live)) > told, 60, "states after the kill")
        until(lambda: newest(live)["complete"] is False, 20, "the forming bar is told again")
        assert newest(live) == before
        live.publish([tick(KEY, price, volume=500.0) for price in (90.0, 111.0, 99.25)])
        live.drain()
        wanted = orjson.loads(run(live, OFFLINE, KEY, *SPECS))
        until(lambda: [newest(live)["time"], newest(live)["values"]] == wanted, 20, "equal to what the tables give")
    complete = [each["time"] for each in states(live) if each["complete"]]
    wanted = sorted({bar_of(begin, n) for n in range(400)})
    assert set(complete) >= set(wanted[wanted.index(complete[0]) : -1])  # no closing state is lost


def bar_of(begin: datetime, number: int) -> str:
    seconds = int((begin + timedelta(minutes=number)).timestamp())
    return datetime.fromtimestamp(seconds - seconds % BAR, UTC).isoformat()
