"""Measure from a tick's XADD to the socket's client, with the real consumer and web process on the same cores.

100 instruments of a simulated market tick, and 1,000 sockets subscribe to one each, at cadence raw. Spots move, so
chains are repriced at the usual interval. Messages of a repricing without a new tick are counted separately.
"""

import itertools
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psutil
import redis

from bench import stages
from bench.sockets import PATH, clients, metric, server, token
from signals.simulator.core.simulated_market import simulate_market
from signals.simulator.core.simulated_ticks import TickSource
from signalsite.embedded.service import free_port
from signalsite.management.commands import up
from timeframes.core.tick_stream import tick_stream

SOCKETS, INSTRUMENTS = 1_000, 100
SECONDS = float(os.environ.get("LIVE_SECONDS", "20"))
RATES = (2_000, 10_000)
STEP = 0.005  # seconds between publications
MADE = 20_000  # ticks, published in a loop, each time with the current time
MIB = 1 << 20


def measure(client: "redis.Redis") -> dict[str, float]:
    """Return figures by name. The servers must run, migrated and empty."""
    os.environ["WEBSOCKET_MAX_CONNECTIONS_PER_USER"] = os.environ["WEBSOCKET_MAX_CONNECTIONS"] = str(SOCKETS + 10)
    at = datetime.now(UTC)
    market = simulate_market(seed=7, at=at, symbols=["NIFTY"], contracts=INSTRUMENTS + 60, minutes=0)
    source = TickSource(market, seed=7, at=at, flawed=False)
    keys: dict[str, None] = {}
    ticks = []
    while len(ticks) < MADE:
        for underlying, fields in source.ticks(1_000, at):
            key = fields["instrument_key"]
            if key in keys or len(keys) < INSTRUMENTS:
                keys[key] = None
                ticks.append((tick_stream(underlying), fields))
    port, metrics = free_port(), free_port()
    web = up.web(port)
    consume = [sys.executable, "manage.py", "consume_ticks", "--write-back", "off", "--metrics-port", str(metrics)]
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder)
        with (
            server(web.command, port, logs / "web.log", web.environment) as process,
            server(consume, metrics, logs / "consumer.log", {"LOG_LEVEL": "ERROR"}) as daemon,
            clients() as ask,
        ):
            _publish(client, itertools.cycle(ticks), 2_000, 3.0)  # registers the instruments and fills the book
            wanted = [[key] for _, key in zip(range(SOCKETS), itertools.cycle(keys), strict=False)]
            made = ask(connect={"port": port, "path": PATH, "token": token(), "subscribe": wanted, "ready_after": 3})
            if made["ready"] != SOCKETS:
                raise SystemExit(f"only {made['ready']} of {SOCKETS} sockets connected")
            print(f"\nfrom XADD to the socket: {len(keys)} instruments, {SOCKETS:,} sockets of one each, cadence raw")
            for rate in RATES:
                figures |= _at(rate, client, ticks, process, daemon, (port, metrics), ask)
    return figures


def _at(
    rate: int,
    client: "redis.Redis",
    ticks: list[Any],
    web: psutil.Process,
    daemon: psutil.Process,
    ports: tuple[int, int],  # the web process, and the consumer's metrics
    ask: Any,
) -> dict[str, float]:
    port = ports[0]
    _publish(client, itertools.cycle(ticks), rate, 3.0)
    time.sleep(1)
    ask()
    before = [process.memory_full_info().uss for process in (web, daemon)]
    conflated = metric(port, "signal_websocket_conflated_total", settle=True)
    looked = stages.look(*ports)
    begun = _publish(client, itertools.cycle(ticks), rate, SECONDS)
    time.sleep(1)
    got = ask()
    spent = stages.look(*ports)
    conflated = metric(port, "signal_websocket_conflated_total", settle=True) - conflated
    growth = [
        (process.memory_full_info().uss - size) / MIB for process, size in zip((web, daemon), before, strict=True)
    ]
    received = got["topics"]
    sent = rate * SECONDS * SOCKETS / INSTRUMENTS
    print(
        f"{rate:>8,} ticks/s ({rate * SECONDS / begun:,.0f} achieved)  p50 {got['topics_p50']:.1f} ms  "
        f"p99 {got['topics_p99']:.1f} ms  worst {got['topics_p100']:.1f} ms;  "
        f"{received:,} of {sent:,.0f} received, the rest conflated ({conflated:,.0f} of them in mailboxes); "
        f"{got['repeated']:,} repriced;  memory web {growth[0]:+.1f} MiB, consumer {growth[1]:+.1f} MiB"
    )
    stage_figures = stages.say(looked, spent)
    print(f"          from the output entry's ID to the client {got['arriving_p50']:.1f}/{got['arriving_p99']:.1f}")
    if got["closed"]:
        raise SystemExit(f"{got['closed']} sockets were closed")
    name = "live.tick_to_socket" if rate == RATES[0] else f"live.tick_to_socket_at_{rate}"
    figures = {f"{name}_{part}_ms": got[f"topics_{part}"] for part in ("p50", "p99")}
    figures[f"{name}_web_growth_mib"] = growth[0]
    if rate != RATES[0]:
        return figures
    arriving = {f"live.stage_arriving_{part}_ms": got[f"arriving_{part}"] for part in ("p50", "p99")}
    return figures | stage_figures | arriving


def _publish(client: "redis.Redis", ticks: Any, rate: float, seconds: float) -> float:
    """Publish `rate` ticks per second, each with the time of its XADD. Return the seconds that it took."""
    begun, sent = time.monotonic(), 0
    connection = client.connection_pool.get_connection()  # a pipeline takes a fifth of a core
    while sent < rate * seconds:
        due = min(int((time.monotonic() - begun) * rate), int(rate * seconds))
        ltt = datetime.now(UTC).isoformat()
        commands = []
        for stream, fields in itertools.islice(ticks, max(due - sent, 0)):
            stamped = orjson.dumps({"sent_ns": time.monotonic_ns(), **fields, "ltt": ltt})
            commands.append(("XADD", stream, "MAXLEN", "~", 200_000, "*", "data", stamped))
        if commands:
            connection.send_packed_command(connection.pack_commands(commands))
            for _ in commands:
                connection.read_response()
        sent = due
        time.sleep(STEP)
    client.connection_pool.release(connection)
    return time.monotonic() - begun
