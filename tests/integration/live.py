"""The tick daemon on servers of its own: started, killed, and asked what it kept."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import orjson
import psycopg
import redis

from signalsite.embedded import state as places
from tests.integration.processes import ROOT, environment, until

SETTINGS = {
    "TICK_LEASE_SECONDS": "1",
    "TICK_METRICS_PORT": "0",
    "TICK_BATCH": "200",
    "LOG_LEVEL": "INFO",
}
_RUN = """
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "consume_ticks", *sys.argv[1:]])
"""
# Dies at the third batch: before its ticks are committed, after that and before they are acknowledged, or after both.
KILLED = (
    """
import os, sys
import django
django.setup()
import realtime.tick_batches as module
from realtime.effects import Effects
where, calls = os.environ["KILL"], 0
store, commit = module.store_ticks, Effects.commit
def die():
    os.kill(os.getpid(), 9)
def storing(*arguments):
    global calls
    calls += 1
    if where == "before" and calls == 3:
        die()
    store(*arguments)
def committing(*arguments):
    if where == "between" and calls == 3:
        die()
    answer = commit(*arguments)
    if where == "after" and calls == 3:
        die()
    return answer
module.store_ticks, Effects.commit = storing, committing
"""
    + _RUN
)


class Live:
    def __init__(self, state: Path, log: Path):
        self.state = state
        self.log = log
        self.environment = environment(state, **SETTINGS, DJANGO_SETTINGS_MODULE="signalsite.settings")

    @property
    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(places.redis_url(self.state), decode_responses=True)

    def connect(self) -> psycopg.Connection:
        settings = places.database(self.state)
        return psycopg.connect(
            host=settings["HOST"], port=settings["PORT"], user=settings["USER"], dbname=settings["NAME"]
        )

    def rows(self, query: str):
        with self.connect() as connection:
            return connection.execute(query).fetchall()

    def execute(self, statement: str) -> None:
        with self.connect() as connection:
            connection.execute(statement)

    def empty(self) -> None:
        self.redis.flushall()
        self.execute("TRUNCATE ticks, backtest_ticks, timeframes_quote")

    @contextmanager
    def consumer(self, *arguments: str, script: str = "", **more: str):
        command = [sys.executable, "-c", script] if script else [sys.executable, "manage.py", "consume_ticks"]
        with self.log.open("a") as log:
            child = subprocess.Popen(
                [*command, *arguments], cwd=ROOT, env={**self.environment, **more}, stdout=log, stderr=log
            )
        try:
            yield child
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.terminate()
                child.wait(20)

    def publish(self, ticks, *, one_field: bool = True) -> None:
        with self.redis.pipeline(transaction=False) as pipeline:
            for stream, fields in ticks:
                entry = {"data": fields if isinstance(fields, str | bytes) else orjson.dumps(fields)}
                pipeline.xadd(f"tick_stream:{stream}", entry if one_field else fields)
            pipeline.execute()

    def waiting(self, group: str = "signals") -> int:
        """Entries that the group has not acknowledged; a stream that it has not met counts whole."""
        found = 0
        for stream in self.redis.scan_iter("tick_stream:*"):
            groups = {row["name"]: row for row in self.redis.xinfo_groups(stream)}
            row = groups.get(group)
            found += row["pending"] + (row["lag"] or 0) if row else self.redis.xlen(stream)
        return found

    def drain(self, seconds: float = 60, group: str = "signals") -> None:
        try:
            until(lambda: self.waiting(group) == 0, seconds, "drained")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()[-3000:]}") from None

    def stored(self, table: str = "ticks") -> int:
        return self.rows(f"SELECT count(*) FROM {table}")[0][0]

    def dead(self, stream: str = "tick_dead_letter") -> Counter:
        return Counter(fields["reason"] for _, fields in self.redis.xrange(stream))


def tick(key: str = "NSE@NIFTY@equity_spot", ltp: float = 24_000.0, **more):
    fields = {"instrument_key": key, "ltt": time.time(), "ltp": ltp, "state": "U", **more}
    return "@".join(key.split("@")[:2]), fields


def server_pid(state: Path, name: str) -> int:
    text = (state / "locks" / f"{name}.keeper").read_text().strip()
    return int(text) if text else 0


def kill_server(state: Path, name: str) -> None:
    pid = server_pid(state, name)
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


# Handling raises on one price, whenever it comes: a fault of ours, not of the tick's.
POISONED = (
    """
import sys
import django
django.setup()
from realtime.core.book import Book
apply = Book.apply
def applying(self, ticks, quotes):
    if any(tick.fields.ltp == 666 for tick in ticks):
        raise ArithmeticError("poison")
    return apply(self, ticks, quotes)
Book.apply = applying
"""
    + _RUN
)
# The same where ticks are written, in another thread.
UNWRITABLE = (
    """
import sys
import django
django.setup()
import realtime.tick_batches as module
store = module.store_ticks
def storing(model, ticks):
    if any(tick.fields.ltp == 666 for tick in ticks):
        raise ArithmeticError("poison")
    store(model, ticks)
module.store_ticks = storing
"""
    + _RUN
)
# The first transaction that acknowledges is done, and its answer does not come: what the library makes of a time-out.
UNANSWERED = (
    """
import sys
import django
import redis
django.setup()
execute, lost = redis.client.Pipeline._execute_transaction, []
def executing(self, connection, commands, raise_on_error):
    answers = execute(self, connection, commands, raise_on_error)
    if not lost and any(command[0][0] == "XACK" for command in commands):
        lost.append(True)
        self.watching = True  # it forgets that with the answer
        raise redis.TimeoutError("no answer")
    return answers
redis.client.Pipeline._execute_transaction = executing
"""
    + _RUN
)
