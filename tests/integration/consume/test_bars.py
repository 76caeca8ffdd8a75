"""manage.py consume_ticks: its bars equal an offline fold of the ticks, whatever kills it, and sockets get them."""

import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import psycopg
import pytest

from tests.core.bar_columns import assert_same
from tests.core.slow_fold import Tick, slow_fold
from tests.integration.consume.live import EXPIRY, Live, kill_server, server_pid, tick
from tests.integration.processes import until
from timeframes.core.bars import NUMBERS, FoldedBars
from timeframes.core.grid import Anchor, microseconds

SPOT, OTHER = "BINANCE@BTC@crypto_spot", f"BINANCE@BTC@crypto_options@{EXPIRY}@call@100000"
KEYS = (SPOT, OTHER)
_BARS = """SELECT time, open, high, low, close, volume, vwap, oi, trades FROM historical_data
WHERE instrument_key = '{key}' AND interval = '1m' AND source = 'stream' ORDER BY time"""
_TICKS = "SELECT time, entry_id, ltp, volume, open_interest FROM ticks WHERE instrument_key = '{key}' AND suspect = ''"


def made(chance: random.Random, begin: datetime, count: int) -> list[tuple[str, dict[str, object]]]:
    """Ticks over some minutes, with ties, late ones and doubles."""
    ticks, volume, moment = [], 0.0, begin
    for _ in range(count):
        moment += timedelta(seconds=chance.choice([0, 0, 1, 3, 9]))
        volume += chance.choice([0, 1, 5])
        late = timedelta(seconds=chance.choice([2, 30, 70, 200])) if chance.random() < 0.1 else timedelta(0)
        ltt = (moment - late).isoformat()
        ticks.append(tick(chance.choice(KEYS), 100.0 + chance.randrange(50) / 4, ltt=ltt, volume=volume, oi=volume))
        if chance.random() < 0.05:
            ticks.append(ticks[-1])
    return ticks


def check(live: Live, *, complete_until: datetime | None = None) -> int:
    """Compare the stored bars with an offline fold of the ticks table. Return how many there are."""
    count = 0
    for key in KEYS:
        rows = live.rows(_BARS.format(key=key))
        columns = [np.array([each[place] for each in rows], np.float64) for place in range(1, 9)]
        names = [*(name for name in NUMBERS)]
        found = FoldedBars(
            time=np.array([microseconds(each[0]) for each in rows], np.int64),
            **dict(zip(names, columns, strict=True)),
            typical=np.zeros(len(rows), bool),
        )
        ticks = [
            Tick(moment, tuple(map(int, entry.split("-"))), price, volume, interest)  # type: ignore[arg-type]
            for moment, entry, price, volume, interest in live.rows(_TICKS.format(key=key))
        ]
        wanted = slow_fold("BINANCE", 60, Anchor.EPOCH, {}, ticks)
        if complete_until is not None:
            wanted = [each for each in wanted if each["time"] + timedelta(minutes=1) <= complete_until]
        assert_same(found, wanted)
        count += len(rows)
    return count


def closed(live: Live) -> int:
    """Count the minutes that have ticks and no bar."""
    return live.rows(
        "SELECT count(*) FROM (SELECT DISTINCT instrument_key, date_trunc('minute', time) AS time FROM ticks "
        "WHERE suspect = '') t "
        "WHERE NOT EXISTS (SELECT FROM historical_data h WHERE h.instrument_key = t.instrument_key AND h.time = t.time)"
    )[0][0]


def answers(live: Live) -> bool:
    try:
        return bool(live.stored())
    except psycopg.OperationalError:
        return False


def kill_in_the_middle(live: Live, chance: random.Random, times: int, count: int) -> None:
    begin = datetime.now(UTC) - timedelta(minutes=90)
    for number in range(times):
        live.publish(made(chance, begin + number * timedelta(minutes=2), count))
        with live.consumer("--write-back", "off", TICK_BATCH=str(chance.choice([5, 20]))) as consumer:
            before = live.stored()
            until(lambda before=before: live.stored() > before, 60, "some ticks are kept")
            time.sleep(chance.random() * 0.05)
            consumer.send_signal(signal.SIGKILL)
            consumer.wait(10)
    with live.consumer("--write-back", "off"):
        live.drain()
        until(lambda: not closed(live), 20, "every minute is closed")
    assert not live.dead()


def test_bars_equal_an_offline_fold_after_a_kill(live: Live) -> None:
    kill_in_the_middle(live, random.Random(1), 1, 250)
    assert check(live) > 15
    states = [
        (entry_id, topic, orjson.loads(state))
        for entry_id, fields in live.redis.xrange("bars_output_stream:BINANCE@BTC")
        for topic, state in fields.items()
    ]
    assert {topic for _, topic, _ in states} == {f"bars:{key}:1m" for key in KEYS}
    told = {(state["instrument_key"], state["time"]): state for _, _, state in states if state["complete"]}
    for key in KEYS:
        for moment, *numbers in live.rows(_BARS.format(key=key)):
            state = told[key, moment.astimezone(UTC).isoformat()]
            assert [state[name] for name in ("open", "high", "low", "close")] == numbers[:4]
            assert (state["volume"], state["trades"]) == (numbers[4], numbers[7])


@pytest.mark.faults
def test_kills_in_the_middle_of_bars(live: Live) -> None:
    kill_in_the_middle(live, random.Random(), 20, 300)
    assert check(live) > 60


@pytest.mark.faults
def test_postgres_away_at_a_bars_end(live: Live) -> None:
    with live.consumer("--write-back", "off"):
        for number in range(100):
            live.publish([tick(key, 100.0 + number, volume=number) for key in KEYS])
            time.sleep(0.01)
        live.drain()
        until(lambda: 59.0 > time.time() % 60 > 50.0 or None, 61, "nearly a minute's end")
        live.publish([tick(key, 99.0, volume=200) for key in KEYS])
        time.sleep(59.0 - time.time() % 60)
        pid = server_pid(live.state, "postgres")
        os.kill(pid, signal.SIGSTOP)
        try:
            for number in range(150):
                live.publish([tick(key, 100.0 + number, volume=201 + number) for key in KEYS])
                time.sleep(0.1)
        finally:
            kill_server(live.state, "postgres")
        until(lambda: answers(live), 60, "PostgreSQL answers")
        live.drain()
        begun = datetime.now(UTC)
        until(lambda: not closed(live), 90, "every minute is closed")
    check(live, complete_until=begun + timedelta(minutes=2))
    assert live.stored() == 2 * 251


JUMPING = """
import sys, time
import django
django.setup()
from realtime.ticks.consumer import TickConsumer
make, begun = TickConsumer.__init__, time.time()
def clock():
    passed = time.time() - begun
    return time.time() + (600 if 2 < passed < 5 else -600 if 5 <= passed < 8 else 0)
def making(self, *arguments, **named):
    make(self, *arguments, **named, clock=clock)
TickConsumer.__init__ = making
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "consume_ticks", *sys.argv[1:]])
"""


@pytest.mark.faults
def test_a_clock_that_jumps(live: Live) -> None:
    begun = time.monotonic()
    with live.consumer("--write-back", "off", script=JUMPING, TICK_MAX_AHEAD_SECONDS="3600"):
        number = 0
        while time.monotonic() - begun < 15:
            number += 1
            live.publish([tick(key, 100.0 + number % 7, volume=number) for key in KEYS])
            time.sleep(0.02)
        live.drain()
        until(lambda: not closed(live), 90, "every minute is closed")
    assert check(live) and not live.dead()
