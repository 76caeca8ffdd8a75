"""Sockets for the tests: web processes, clients, and entries as the tick daemon writes them."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis
from django.conf import settings
from rest_framework_simplejwt.tokens import AccessToken
from websockets.sync.client import ClientConnection, connect

from realtime.core.names import Names
from realtime.core.topic_grammar import is_evaluated
from signalsite.embedded.service import free_port
from signalsite.management.commands.up import web
from tests.forks import Forked, the_forks

V2 = "/api/v2/signals/subscriptions/websocket"
V1 = "/api/v1/ws"
UVICORN = "from uvicorn.main import main\nmain()"
ALICE, BOB, STAFF = 101, 102, 103  # a token is enough: no query loads the user


def token(user_id: int = ALICE, **claims: Any) -> str:
    made = AccessToken()
    made["user_id"] = str(user_id)
    for name, value in claims.items():
        made[name] = value
    return str(made)


# A client that has stopped reading cannot see the end of its connection: it would wait ten seconds for it.
DEFAULTS: dict[str, Any] = {"compression": None, "max_size": None, "legacy": True, "close_timeout": 1}


class Web:
    """One web process, as `manage.py up` starts it but for Python's start. It can be started again on its port."""

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        self.port, self.log, self.arguments, self.environment = free_port(), log, arguments, environment
        self.process: Forked | None = None

    def start(self) -> None:
        spec = web(self.port)
        environment = {**os.environ, **spec.environment, **self.environment}
        arguments = [*spec.command[1:], *self.arguments]
        with self.log.open("a") as output:
            self.process = the_forks().start(
                arguments, environment=environment, output=output, errors=output, script=UVICORN
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/health")
                return
            except httpx.TransportError:
                assert time.monotonic() < deadline and self.process.poll() is None, self.log.read_text()
                time.sleep(0.05)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)

    def connect(self, path: str = V2, *, user: int | None = ALICE, welcome: bool = True, **options: Any) -> "Socket":
        if user is not None:
            options["subprotocols"] = ["signals", f"bearer.{token(user)}"]
        socket = Socket(connect(f"ws://127.0.0.1:{self.port}{path}", **{**DEFAULTS, **options}))
        if welcome:
            assert socket.next("welcome")["type"] == "welcome"
        return socket

    def metric(self, name: str) -> float:
        for line in httpx.get(f"http://127.0.0.1:{self.port}/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        raise AssertionError(f"no metric {name}")


@contextmanager
def running_web(log: Path, *arguments: str, **environment: str) -> Iterator[Web]:
    served = Web(log, *arguments, **environment)
    try:
        served.start()
        yield served
    finally:
        if served.process is not None and served.process.poll() is None:
            served.stop()


@contextmanager
def web_and_consumer(folder: Path, stream: str, group: str) -> Iterator[Web]:
    """A web process, and a consumer of one stream in a group of its own. Their logs stand in the folder."""
    command = ["consume_ticks", "--streams", stream, "--group", group]
    with (folder / "consumer.log").open("w") as log:
        consumer = the_forks().start(command, environment=os.environ, output=log, errors=log)
    try:
        with running_web(folder / "web.log") as served:
            yield served
    finally:
        consumer.terminate()
        consumer.wait(20)


class Socket:
    """A client of the protocol: messages as dicts, without heartbeats."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.beats: list[dict[str, Any]] = []

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def next(self, kind: str = "", timeout: float = 5) -> dict[str, Any]:
        """Return the next message, which must be of this type. Skip heartbeats unless one is asked for."""
        while True:
            message = json.loads(self.connection.recv(timeout))
            if message["type"] == "heartbeat":
                self.beats.append(message)
                if kind != "heartbeat":
                    continue
            assert kind in ("", message["type"]), message
            return message

    def subscribe(self, *topics: str, **more: Any) -> dict[str, Any]:
        self.send(type="subscribe", id="s", topics=list(topics), **more)
        return self.next("ack")

    @contextmanager
    def updates(self, last: Callable[[], str]) -> Iterator[list[dict[str, Any]]]:
        """Read updates during the body, as a quick client does, and then up to the one with the `seq` of `last()`."""
        got: list[dict[str, Any]] = []
        ended = threading.Event()

        def read() -> None:
            while not (ended.is_set() and got and got[-1]["seq"] == last()):
                with contextlib.suppress(TimeoutError):
                    got.append(self.next("update", timeout=0.1 if not ended.is_set() else 5))

        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            yield got
            ended.set()
            reading.result(10)

    def quiet(self, seconds: float = 0.3) -> None:
        """Assert that no message comes."""
        try:
            message = self.next(timeout=seconds)
        except TimeoutError:
            return
        raise AssertionError(message)

    def closed(self, timeout: float = 5) -> int | None:
        """Return the code with which the server closes, and drop earlier messages."""
        try:
            while True:
                self.connection.recv(timeout)
        except TimeoutError as error:
            raise AssertionError("the socket is still open") from error
        except Exception:  # noqa: BLE001 - ConnectionClosedOK or ConnectionClosedError
            return self.connection.close_code


def redis_client() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL)


def publish(underlying: str, maxlen: int = 10_000, **states: Any) -> str:
    """Write one entry as the tick daemon does, with the newest states. `states`: by the rest of the key."""
    return publish_topics(underlying, {f"{underlying}@{name}": state for name, state in states.items()}, maxlen)


def publish_topics(underlying: str, states: dict[str, Any], maxlen: int = 10_000) -> str:
    """Write one entry to the stream of the first topic."""
    bodies = {topic: json.dumps(state) for topic, state in states.items()}
    names = Names().chains_output if is_evaluated(next(iter(states))) else Names().output
    stream, latest, latest_seq = names(underlying)
    with redis_client() as client:
        for _ in range(100):
            now_s, now_us = client.time()
            entry_id = f"{now_s * 1000 + now_us // 1000}-{now_us % 1000 + 1}"
            try:
                with client.pipeline(transaction=True) as pipe:
                    pipe.xadd(stream, bodies, id=entry_id, maxlen=maxlen, approximate=False)
                    pipe.hset(latest, mapping=bodies)
                    pipe.hset(latest_seq, mapping=dict.fromkeys(bodies, entry_id))
                    pipe.execute()
                return entry_id
            except redis.ResponseError:
                continue  # the same microsecond
    raise AssertionError("no entry ID")
