"""Run the whole service: servers, web, workers, beat, the consumers of ticks and configurations, and Flower."""

import errno
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from celery.exceptions import OperationalError as BrokerError
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from signalsite.accounts.first_account import how_to_sign_in, make_first_account
from signalsite.celery import app
from signalsite.embedded import state as places
from signalsite.embedded.binaries import EmbeddedError
from signalsite.embedded.heart import Heart, Servers
from signalsite.embedded.keep_running import RunningServer, keep_running
from signalsite.embedded.presence import present
from signalsite.embedded.supervisor import Process, Supervisor
from signalsite.foundation.redis import client

logger = logging.getLogger(__name__)

BIN = Path(sys.executable).parent
HOST = "127.0.0.1"
WARM = "from moneyness.core.warm import warm; warm()"
# Return the memory of a large answer to the system. glibc keeps a heap per thread: allow two for all threads. With each
# freed large block it raises the size from which it maps a block, and so the memory it keeps, unless that size is set.
# Arrow's own allocator keeps what a thread has freed.
GIVE_BACK = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "4194304",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}

WORKER_NODES = 2
"""The workers, and the process for urgent tasks."""
CHECKED = {"CELERY_SKIP_CHECKS": "true"}
"""`up` itself has run Django's system checks, which take half a second."""


class Command(BaseCommand):
    help = "Run the whole service until Ctrl-C: embedded servers, web, workers, beat, consumers and Flower."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")), help="web (PORT)")
        parser.add_argument("--workers", type=int, default=settings.WORKERS, help="worker processes (WORKERS)")
        parser.add_argument(
            "--flower-port", type=int, default=int(os.environ.get("FLOWER_PORT", "5555")), help="Flower (FLOWER_PORT)"
        )
        parser.add_argument(
            "--simulate", action="store_true", help="publish ticks of a simulated market, and configurations for it"
        )
        parser.add_argument("--no-flower", dest="flower", action="store_false", help="leave Flower out")

    def handle(self, *args: Any, **options: Any) -> None:
        _refuse_busy(options["port"], "PORT=8001 make up, or --port 8001")
        if options["flower"]:
            _refuse_busy(options["flower_port"], "FLOWER_PORT=5556, --flower-port 5556, or --no-flower")
        logger.info("starting the servers, updating tables, loading kernels: the first time takes a minute or two")
        try:
            warm = [sys.executable, "-c", WARM]
            with subprocess.Popen(warm, cwd=settings.BASE_DIR) as warming, keep_running(wait=True) as servers:
                call_command("migrate", verbosity=0)
                if warming.wait() != 0:
                    raise CommandError("The kernels could not be compiled.")
                with present(places.state_dir(), f"http://{HOST}:{options['port']}/"):
                    Service(servers, options).run()
        except EmbeddedError as error:
            raise CommandError(str(error)) from error


class Service:
    def __init__(self, servers: list[RunningServer], options: dict[str, Any]):
        self.servers = servers
        self.options = options
        self.begun = self.looked = time.monotonic()
        self.ready = False
        self.first_account = make_first_account()
        hearts = places.heartbeats_dir(places.make_state(places.state_dir()))
        hearts.mkdir(mode=0o700, exist_ok=True)
        processes = [web(options["port"])]
        watched = _worker(options["workers"]), _urgent(), _beat(), _consumer(), _configs()
        processes += [_watched(each, hearts) for each in watched]
        if options["simulate"]:
            processes += [_ticks(), _simulated_configs()]
        probe = Servers(_ask_servers)
        self.supervisor = Supervisor(
            processes,
            servers_answer=probe.answer,
            record=hearts / places.RESTARTS,
            json_lines=settings.LOG_FORMAT == "json",
        )

    def run(self) -> None:
        self.supervisor.run(self._look)
        self.supervisor.say("stopped")

    def _look(self) -> None:
        """Keep the servers' keepers alive, and print when web and workers answer."""
        now = time.monotonic()
        if now - self.looked < (1.0 if self.ready else 0.3):
            return
        self.looked = now
        for server in self.servers:
            server.ensure()
        if not self.ready and _web_answers(self.options["port"]) and _workers_answer():
            self.ready = True
            address = f"http://{HOST}:{self.options['port']}/"
            self.supervisor.say(how_to_sign_in(self.first_account, address))
            self.supervisor.say(f"ready in {now - self.begun:.1f} s: {address}")
            if self.options["flower"]:  # only now, since Flower asks the workers once, when it starts
                flower, address = _flower(self.options["flower_port"])
                self.supervisor.add(flower)
                self.supervisor.say(f"Flower: {address}")


def web(port: int) -> Process:
    command = [str(BIN / "uvicorn"), "signalsite.asgi:application", "--host", HOST, "--port", str(port)]
    command += [
        "--http",
        "signalsite.front.protocol:FrontProtocol",
        "--loop",
        "uvloop",
        "--ws",
        "websockets-sansio",
        "--ws-per-message-deflate",
        "false",
    ]
    command += ["--ws-max-size", str(settings.WEBSOCKET_MAX_FRAME_BYTES), "--timeout-graceful-shutdown", "10"]
    command += ["--lifespan", "on", "--log-level", "warning", "--no-access-log"]
    # uvicorn's default trusts the X-Forwarded-For of every caller on this machine.
    trusted = ",".join(str(network) for network in settings.FORWARDED_ALLOW_IPS)
    environment = {"DATABASE_POOL": "true", "FORWARDED_ALLOW_IPS": trusted, **GIVE_BACK}
    return Process("web", command, environment)


def _watched(process: Process, hearts: Path) -> Process:
    """Return the process with a heartbeat, which it touches from its main loop."""
    file = hearts / process.name
    environment = {**process.environment, "HEARTBEAT_FILE": str(file)}
    return replace(process, environment=environment, heart=Heart(file, settings.STALL_SECONDS))


def _ask_servers() -> None:
    """Raise when one of the servers does not answer."""
    client(settings.REDIS_URL).ping()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()


def _celery(*arguments: str) -> list[str]:
    return [str(BIN / "celery"), "--quiet", "-A", "signalsite", *arguments]


ALONE = ("--without-gossip", "--without-mingle")  # they only delay the start by a second


def _worker(processes: int) -> Process:
    return Process(
        "worker", _celery("worker", "--concurrency", str(processes), *ALONE), CHECKED, niceness=settings.BACKGROUND_NICE
    )


def _urgent() -> Process:
    """A process for the queue `urgent` alone, which is on time when slow functions have all workers."""
    more = ["--hostname", "urgent@%h", "--queues", settings.CELERY_URGENT_QUEUE, "--concurrency", "1"]
    return Process("urgent", _celery("worker", *more, *ALONE), CHECKED)


def _beat() -> Process:
    return Process("beat", _celery("beat", "--pidfile="), CHECKED)


def _manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def _consumer() -> Process:
    return Process("consumer", _manage("consume_ticks"))


def _configs() -> Process:
    return Process("configs", _manage("consume_configs"))


def _ticks() -> Process:
    # Small enough that the market moves every few seconds. The same seed, so that a restart keeps the smiles.
    market = ["--symbols", "NIFTY", "BANKNIFTY", "--contracts", "400", "--minutes", "0", "--history", "2"]
    return Process("ticks", _manage("simulate_market", *market, "--stream", "--rate", "200"))


def _simulated_configs() -> Process:
    # One update in ten seconds, so that a newcomer sees results, and now and then a change.
    return Process("manager", _manage("simulate_configs", "--count", "6", "--rate", "0.1", "--wait", "60"))


def _flower(port: int) -> tuple[Process, str]:
    password = places.secret(places.state_dir(), "flower_password")
    # Through the environment, since everyone on the machine can read a command line.
    environment = {"FLOWER_BASIC_AUTH": f"flower:{password}", "LOG_LEVEL": "WARNING"}
    command = _celery("flower", f"--address={HOST}", f"--port={port}")
    process = Process("flower", command, environment, niceness=settings.BACKGROUND_NICE)
    return process, f"http://{HOST}:{port}/ (user flower, password in {places.state_dir()}/secrets/flower_password)"


def _refuse_busy(port: int, choose: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise CommandError(f"Port {port} of {HOST}: {error.strerror}. Choose another: {choose}.") from error


def _web_answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=1) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _workers_answer() -> bool:
    try:
        return len(app.control.inspect(timeout=0.3, limit=WORKER_NODES).ping() or ()) == WORKER_NODES
    except (BrokerError, OSError):  # the broker may be restarting
        return False
