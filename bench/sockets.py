"""Measure ten thousand sockets on one web process, from XADD to the client, with the clients on the same cores.

The peer is the same broadcast through Channels' group_send. python -m bench.sockets
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from signalsite.embedded.service import free_port
from signalsite.embedded.state import CHECKOUT, own_state_dir

SOCKETS = int(os.environ.get("SOCKETS", "10000"))
TOPICS, RATE, SECONDS = 100, 100, 15
BROADCASTS, SPACING = 10, 1.0
PATH = "/api/v2/signals/subscriptions/websocket"
ALL = "SIM@ALL@equity_spot"
BODY = {
    "ltp": 101.25,
    "bid": 101.2,
    "ask": 101.3,
    "oi": 120_500,
    "greeks": dict.fromkeys(("implied_volatility", "delta", "gamma", "theta", "vega", "rho"), 0.123456),
}


def run() -> dict[str, float]:
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    os.environ["WEBSOCKET_MAX_CONNECTIONS_PER_USER"] = os.environ["WEBSOCKET_MAX_CONNECTIONS"] = str(SOCKETS + 10)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    import django

    django.setup()
    from django.core.management import call_command

    from signalsite.embedded.keep_running import keep_running

    with keep_running(wait=True), tempfile.TemporaryDirectory() as folder:
        call_command("migrate", verbosity=0)
        figures = _hub(Path(folder))
        return figures | _group_send(Path(folder))


def _hub(folder: Path) -> dict[str, float]:
    from signalsite.management.commands import up

    port = free_port()
    spec = up.web(port)
    with server(spec.command, port, folder / "web.log", spec.environment) as web, clients() as ask:
        httpx.get(f"http://127.0.0.1:{port}/metrics")
        before = web.memory_full_info().uss
        wanted = [[_topic(number % TOPICS), ALL] for number in range(SOCKETS)]
        made = ask(connect={"port": port, "path": PATH, "token": token(), "subscribe": wanted, "ready_after": 4})
        if made["ready"] != SOCKETS:
            raise SystemExit(f"only {made['ready']} of {SOCKETS} sockets connected")
        time.sleep(1)
        each = (web.memory_full_info().uss - before) / SOCKETS / 1024
        print(f"\n{SOCKETS} sockets on one process, {made['seconds']:.1f} s to connect; idle {each:.1f} KiB each")
        ask()
        conflated = metric(port, "signal_websocket_conflated_total")
        _publish_topics()
        time.sleep(2)
        topics = ask()
        _publish_broadcasts()
        time.sleep(2)
        broadcasts = ask()
        conflated = metric(port, "signal_websocket_conflated_total", settle=True) - conflated
        with _stalled_reader(port):
            size = web.memory_full_info().uss
            _publish_topics()
            time.sleep(2)
            beside = ask()
            stalled = (web.memory_full_info().uss - size) / (1 << 20)
    expected = RATE * SECONDS * SOCKETS // TOPICS + BROADCASTS * SOCKETS
    lost = expected - topics["topics"] - broadcasts["broadcasts"] - conflated
    _say(f"{RATE} updates/s, each to {SOCKETS // TOPICS}", topics, "topics")
    _say("one update to all", broadcasts, "broadcasts")
    print(f"{'':>28} conflated {conflated:.0f}, lost {lost:.0f} of {expected}")
    _say("with a reader that stalls", beside, "topics")
    print(f"{'':>28} that reader costs {stalled:.1f} MiB")
    return {
        "sockets.topics_p99_ms": topics["topics_p99"],
        "sockets.topics_beside_stalled_p99_ms": beside["topics_p99"],
        "sockets.stalled_reader_mib": stalled,
        "sockets.broadcast_p99_ms": broadcasts["broadcasts_p99"],
        "sockets.lost": lost,
        "sockets.conflated": conflated,
        "sockets.kib_per_idle": each,
        "sockets.connect_seconds": made["seconds"],
    }


def _group_send(folder: Path) -> dict[str, float]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.group_send:application", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--loop", "uvloop", "--ws", "websockets-sansio", "--lifespan", "off"]
    command += ["--ws-per-message-deflate", "false", "--log-level", "warning"]
    with server(command, port, folder / "peer.log", {}), clients() as ask:
        wanted: list[list[str]] = [[] for _ in range(SOCKETS)]
        made = ask(connect={"port": port, "path": "/", "token": "", "subscribe": wanted, "ready_after": 1})
        time.sleep(1)
        ask()
        asyncio.run(_group_send_all())
        time.sleep(10)
        got = ask()
    lost = BROADCASTS * made["ready"] - got["broadcasts"]
    _say("the same by group_send", got, "broadcasts")
    print(f"{'':>28} lost {lost} of {BROADCASTS * made['ready']}")
    return {
        "sockets.group_send_broadcast_p99_ms": got["broadcasts_p99"],
        "sockets.group_send_lost": lost,
    }


@contextmanager
def _stalled_reader(port: int) -> Iterator[None]:
    """Open a socket that subscribes to every topic and never reads, so that the kernel's buffers fill soon."""
    from bench.socket_clients import masked, upgrade

    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        reader.connect(("127.0.0.1", port))
        reader.sendall(upgrade(port, PATH, token()))
        wanted = {"type": "subscribe", "topics": [_topic(number) for number in range(TOPICS)]}
        reader.sendall(masked(json.dumps(wanted).encode()))
        time.sleep(1)
        yield


def _topic(number: int) -> str:
    return f"SIM@B{number % 10}@equity_options@2026-12-29@call@{100 + number}"


def _body(to: str) -> bytes:
    return json.dumps({"sent_ns": time.monotonic_ns(), "to": to, **BODY}, separators=(",", ":")).encode()


def _publish_topics() -> None:
    from realtime.topic_streams import publish

    begun = time.monotonic()
    for number in range(RATE * SECONDS):
        time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        topic = _topic(number % TOPICS)
        publish(f"signal_output_stream:{topic.split('@equity')[0]}", {topic: _body("one")}, maxlen=10_000)


def _publish_broadcasts() -> None:
    from realtime.topic_streams import publish

    for _ in range(BROADCASTS):
        publish("signal_output_stream:SIM@ALL", {ALL: _body("all")}, maxlen=10_000)
        time.sleep(SPACING)


async def _group_send_all() -> None:
    from channels_redis.pubsub import RedisPubSubChannelLayer
    from django.conf import settings

    layer = RedisPubSubChannelLayer(hosts=[settings.REDIS_URL])
    for _ in range(BROADCASTS):
        await layer.group_send("everyone", {"type": "broadcast", "text": _body("all").decode()})
        await asyncio.sleep(SPACING)


def token() -> str:
    from rest_framework_simplejwt.tokens import AccessToken

    token = AccessToken()
    token["user_id"] = "1"
    return str(token)


def metric(port: int, name: str, *, settle: bool = False) -> float:
    if settle:
        time.sleep(31)  # each socket adds its counts at its heartbeat
    for line in httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise SystemExit(f"no metric {name}")


def _say(what: str, found: dict[str, Any], name: str) -> None:
    figures = "  ".join(f"{part} {found[f'{name}_{part}']:.1f} ms" for part in ("p50", "p99", "p100"))
    print(f"{what:>28} {figures}  ({found[name]} received)")


@contextmanager
def server(command: Any, port: int, log: Path, environment: Any) -> Iterator[psutil.Process]:
    with log.open("w") as output:
        child = subprocess.Popen(command, cwd=CHECKOUT, env={**os.environ, **environment}, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if child.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(log.read_text()[-2000:])
            time.sleep(0.1)
        yield psutil.Process(child.pid)
        if problems := log.read_text():
            print(problems[-2000:])
    finally:
        child.terminate()
        child.wait(30)


@contextmanager
def clients() -> Iterator[Any]:
    command = [sys.executable, "-m", "bench.socket_clients"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None

        def ask(**command: Any) -> dict[str, Any]:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(json.dumps(command) + "\n")
            child.stdin.flush()
            answer: dict[str, Any] = json.loads(child.stdout.readline())
            return answer

        try:
            yield ask
        finally:
            child.stdin.close()
            child.wait(30)


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
