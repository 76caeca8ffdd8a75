"""The tick daemon on its own servers: start it, kill it, and read what it stored."""

import os
import signal
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import psycopg
import redis

from signalsite.embedded import state as places
from tests.forks import the_forks
from tests.integration.processes import environment, until

EXPIRY = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
SETTINGS = {
    "TICK_LEASE_SECONDS": "1",
    "TICK_METRICS_PORT": "0",
    "TICK_BATCH": "200",
    "LOG_LEVEL": "INFO",
}


class Live:
    command = "consume_ticks"

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
        self.execute("TRUNCATE ticks, backtest_ticks, timeframes_quote, historical_data, moneyness_chain_settings")
        self.execute("TRUNCATE signal_moneyness_greeks, signal_chain_analytics")
        self.execute(
            "TRUNCATE signal_configurations, signal_configuration_results, signal_computation_metadata CASCADE"
        )
        self.execute("TRUNCATE signals_userfunction CASCADE")

    def configure(self, *documents, owner: str = "subscription-manager") -> list[str]:
        """Store configurations of a user, and return their ids."""
        code = (
            "import django, json, sys; django.setup()\n"
            "from datetime import UTC, datetime\n"
            "from django.contrib.auth import get_user_model\n"
            "from signals.configs.services import save\n"
            "owner, _ = get_user_model().objects.get_or_create(username=sys.argv[1])\n"
            "for document in json.loads(sys.argv[2]):\n"
            "    print(save(owner, document, origin='api', now=datetime.now(UTC))[0].pk)\n"
        )
        return self._run(code, owner, orjson.dumps(documents).decode()).split()

    def upload(self, name: str, source: str, owner: str = "subscription-manager") -> None:
        """Store a function of a user, who may run it from then on."""
        code = (
            "import django, sys; django.setup()\n"
            "from datetime import UTC, datetime\n"
            "from django.contrib.auth import get_user_model\n"
            "from django.contrib.auth.models import Permission\n"
            "from signals.functions.services import create\n"
            "owner, _ = get_user_model().objects.get_or_create(username=sys.argv[1])\n"
            "owner.user_permissions.add(Permission.objects.get(codename='add_userfunction'))\n"
            "create(owner, name=sys.argv[2], description='', source=sys.argv[3], now=datetime.now(UTC))\n"
        )
        self._run(code, owner, name, source)

    def _run(self, code: str, *arguments: str) -> str:
        made = the_forks().run(arguments, script=code, environment=self.environment)
        assert made.returncode == 0, made.stderr[-3000:]
        return made.stdout

    @contextmanager
    def consumer(self, *arguments: str, script: str = "", **more: str):
        command = arguments if script else (self.command, *arguments)
        with self.log.open("a") as log:
            variables = {**self.environment, **more}
            child = the_forks().start(command, script=script, environment=variables, output=log, errors=log)
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
        """Count entries that the group has not acknowledged: all of them in a stream it does not know yet."""
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


def option(strike: int, right: str, **more):
    return tick(f"NSE@NIFTY@equity_options@{EXPIRY}@{right}@{strike}", **more)


def chain(spot: float = 24_000.0):
    """A spot, India VIX and a few options around it, priced so that put-call parity gives the spot."""
    made = [tick(ltp=spot), tick("NSE@INDIAVIX@equity_spot", 13.5)]
    for strike in range(23_800, 24_300, 100):
        call = max(spot - strike, 0) + 250
        made.append(option(strike, "call", ltp=call, bid=call - 1, ask=call + 1))
        put = call - spot + strike
        made.append(option(strike, "put", ltp=put, bid=put - 1, ask=put + 1))
    return made


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
