"""Consumers of configurations that die or stand still, and servers that go away: no message is lost or counts twice."""

import random
import signal
import socket
import time
import urllib.request
from contextlib import ExitStack

import psycopg
import pytest
import redis

from tests.integration.configs_stream.feed import BANKNIFTY, NIFTY, asking, configuration
from tests.integration.consume.live import kill_server
from tests.integration.processes import until

LEASE = "config_owner:signals"


def drawn_messages(drawn, number, names):
    """Updates and deletes at random, and what is left of each name in the end."""
    messages, last = [], {}
    for _ in range(number):
        name = f"c{drawn.randrange(names)}"
        if drawn.random() < 0.2:
            messages.append(({"name": name}, "delete"))
            last[name] = None
        elif drawn.random() < 0.1:
            messages.append(({"name": name, "instruments": 7}, "update"))  # refused
        else:
            key = drawn.choice((NIFTY, BANKNIFTY))
            document = configuration(name, key, interval=drawn.choice(("5m", "15m")), bars=drawn.randrange(10, 500))
            messages.append((document, "update"))
            last[name] = document
    return messages, {name: document for name, document in last.items() if document}


def check(feed, last):
    kept = feed.kept()
    assert {name: document["bars"] for name, document in kept.items()} == {n: d["bars"] for n, d in last.items()}
    newest = {}
    for (document,) in feed.rows("SELECT document FROM signal_configurations ORDER BY updated_at, id"):
        newest[asking(document)] = document
    assert feed.shown() == newest


def refused_of(messages):
    """Replay the messages in order: how many are to be refused, and why."""
    there, refused = set(), {"invalid": 0, "not_found": 0}
    for document, action in messages:
        if action == "delete":
            refused["not_found"] += document["name"] not in there
            there.discard(document["name"])
        elif document["instruments"] == 7:
            refused["invalid"] += 1
        else:
            there.add(document["name"])
    return {reason: number for reason, number in refused.items() if number}


def rounds(feed, seed, kills, number, consumers=1):
    drawn = random.Random(seed)
    messages, last = drawn_messages(drawn, number, 20)
    portion = -(-number // (kills + 1))
    sent = 0
    while sent < number:
        with ExitStack() as running:
            children = [running.enter_context(feed.consumer("--consumer", f"c{n}")) for n in range(consumers)]
            for document, action in messages[sent : sent + portion]:
                feed.send(document, action)
            sent += portion
            if sent < number:
                until(lambda: feed.rows("SELECT 1 FROM signal_config_stream_positions"), 20, "one at work")
                time.sleep(drawn.random())
                for child in children:
                    child.kill()
                    child.wait()
            else:
                feed.settle(60)
    check(feed, last)
    assert feed.dead() == refused_of(messages)  # each refusal once, however often a message was delivered


def test_killed_at_random_moments(feed):
    rounds(feed, seed=3, kills=2, number=300)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_random_moments_often(feed, seed):
    rounds(feed, seed=100 + seed, kills=8, number=3_000, consumers=1 + seed % 2)


@pytest.mark.parametrize("where", ["kept", "acknowledged"])
def test_killed_between_keeping_and_acknowledging(feed, where):
    """A delete that was kept is not found again, and a refusal keeps its reason: each counts once."""
    script = KILLED.replace("WHERE", where)
    feed.send(configuration("one"))
    feed.send({"name": "one"}, "delete")
    feed.send({"name": "two", "instruments": 7})
    with feed.consumer(script=script) as child:
        assert child.wait(30) == -signal.SIGKILL
    assert feed.unacknowledged() == (3 if where == "kept" else 0)
    feed.send(configuration("one", bars=33))
    with feed.consumer():
        feed.settle()
    check(feed, {"one": configuration("one", bars=33)})
    assert feed.dead() == {"invalid": 1}


KILLED = """
import os, sys
import django; django.setup()
from realtime.configs import stream
from django.core.management import call_command
if "WHERE" == "kept":
    stream.ConfigStream._acknowledge = lambda *given: os.kill(os.getpid(), 9)
else:
    stream.ConfigStream._report = lambda *given: os.kill(os.getpid(), 9)
call_command("consume_configs")
"""
FATAL = """
import os
import django; django.setup()
from realtime.configs import keeping
from django.core.management import call_command
read = keeping.read_message
def fatal(entry, **more):
    if "poison" in str(entry): os.kill(os.getpid(), 9)
    return read(entry, **more)
keeping.read_message = fatal
call_command("consume_configs")
"""


@pytest.mark.faults
def test_what_ends_its_consumers_is_given_up_alone(feed):
    for number in range(10):
        feed.send(configuration(f"c{number}"))
    feed.send(configuration("poison"))
    feed.send(configuration("after"))
    for _ in range(5):
        with feed.consumer(script=FATAL) as child:
            assert child.wait(30) == -signal.SIGKILL
    with feed.consumer(script=FATAL):
        feed.settle()
    assert feed.dead() == {"gave_up": 1}
    assert set(feed.kept()) == {f"c{number}" for number in range(10)} | {"after"}


def test_two_consumers_keep_the_order(feed):
    drawn = random.Random(9)
    messages, last = drawn_messages(drawn, 400, 10)
    with feed.consumer("--consumer", "a") as a, feed.consumer("--consumer", "b") as b:
        until(lambda: feed.redis.get(LEASE), 20, "one at work")
        for place, (document, action) in enumerate(messages):
            feed.send(document, action)
            if place == 200:
                holder = until(lambda: feed.redis.get(LEASE), 20, "one at work")
                stopped = a if holder.startswith("a:") else b
                stopped.send_signal(signal.SIGSTOP)  # beyond its lease, with messages in hand perhaps
                until(lambda held=holder: feed.redis.get(LEASE) not in (None, held), 20, "the other one has taken over")
                stopped.send_signal(signal.SIGCONT)
        feed.settle()
    check(feed, last)
    assert feed.dead() == refused_of(messages)


@pytest.mark.parametrize("server", ["postgres", "valkey"])
def test_a_server_goes_and_comes_back(feed, server):
    with feed.consumer() as child:
        feed.send(configuration("one"))
        feed.settle()
        kill_server(feed.state, server)
        document = configuration("two", BANKNIFTY)
        until(lambda: answers(lambda: feed.send(document)), 20, "sent")
        until(lambda: answers(feed.kept) and "two" in feed.kept(), 30, "kept")
        until(lambda: len(feed.shown()) == 2, 30, "shown")
        assert child.poll() is None
    assert feed.log.read_text().count("drained") == 1


def answers(call):
    try:
        call()
    except (redis.RedisError, psycopg.Error):
        return False
    return True


def test_sigterm_drains(feed):
    with feed.consumer() as child:
        feed.send(configuration("one"))
        feed.settle()
        child.terminate()
        assert child.wait(10) == 0
    assert feed.redis.get(LEASE) is None
    assert "drained" in feed.log.read_text()


def test_a_change_by_another_door_is_in_redis_at_once(feed):
    """As the API and the admin make it: a row in the outbox."""
    with feed.consumer():
        feed.send(configuration("one"))
        feed.settle()
        begun = time.monotonic()
        feed.execute(
            """WITH changed AS (UPDATE signal_configurations SET document = jsonb_set(document, '{bars}', '77'),
                 version = version + 1 RETURNING *)
               INSERT INTO signal_configuration_changes (configuration_id, name, owner_id, before, after, time)
               SELECT id, name, owner_id, document, document, now() FROM changed"""
        )
        until(lambda: next(iter(feed.shown().values()))["bars"] == 77, 10, "shown", step=0.01)
        assert time.monotonic() - begun < 5  # 0.2 s on an idle machine


def test_a_row_that_is_not_as_it_should_be_takes_no_other_along(feed):
    with feed.consumer():
        feed.send(configuration("one"))
        feed.settle()
        for document in (
            "7",
            '{"instruments": 7}',
            '{"instruments": [7, "?", "' + NIFTY + '"], "interval": []}',
            "null",
        ):
            feed.execute(
                "INSERT INTO signal_configuration_changes (configuration_id, name, owner_id, before, after, time)"
                f" VALUES (gen_random_uuid(), 'odd', 1, '{document}', NULL, now())"
            )
        feed.send(configuration("two", BANKNIFTY))
        feed.settle()
    assert len(feed.shown()) == 2
    assert "ERROR" not in feed.log.read_text()


def test_keys_that_are_wrong_at_the_start_are_made_right(feed):
    feed.send(configuration("one"))
    with feed.consumer():
        feed.settle()
    right = feed.shown()
    key = next(iter(right))
    feed.redis.set("config:left-over", "{}")
    feed.redis.delete(key)
    feed.redis.rpush(key, "of another type")
    with feed.consumer():
        until(lambda: "keys of configurations were wrong" in feed.log.read_text().split("drained")[-1], 20, "compared")
        assert feed.shown() == right


def test_metrics_and_heartbeat(feed, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    heart = tmp_path / "heart"
    with feed.consumer("--metrics-port", str(port), HEARTBEAT_FILE=str(heart)) as child:
        feed.send(configuration("one"))
        feed.send({"name": "x", "instruments": 7})
        feed.settle()
        until(lambda: set(page(port).splitlines()) >= METRICS, 10, "counted")
        assert heart.read_text() == str(child.pid)


METRICS = {
    'signal_service_configs_applied_total{outcome="updated"} 1.0',
    'signal_service_configs_refused_total{reason="invalid"} 1.0',
    "signal_service_config_changes_applied_total 1.0",
    "signal_service_configs_leading 1.0",
}


def page(port):
    return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
