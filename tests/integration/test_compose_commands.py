"""What docker-compose.yml runs, run as far as possible without Docker: the settings, Redis and the health checks."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import pytest
import redis

from signalsite.embedded import state as places
from signalsite.embedded.binaries import valkey_server
from signalsite.embedded.heart import FRESH, QUIET
from tests.integration.compose import REFERENCE, SERVICES, options
from tests.integration.processes import ROOT, until
from tests.integration.slow_disk import slow_sync


@pytest.mark.parametrize(
    "name", ["web", "worker", "urgent", "consumer", "configs", "beat", "flower", "migrate", "manage", "backup"]
)
def test_the_settings_take_what_compose_passes_on(name, tmp_path):
    """With .env as the example has it, filled in: what .env does not name is unset, as Compose leaves it."""
    example = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "deploy/env.example").read_text(), re.MULTILINE))
    filled = {variable: value or "x" * 40 + "0123456789abc" for variable, value in example.items()}
    filled |= {"ALLOWED_HOSTS": "signals.example", "TICK_BATCH": "77", "CHAIN_STRIKES": "3"}
    filled |= {"FORWARDED_ALLOW_IPS": "172.16.0.0/12", "METRICS_ALLOWED_NETWORKS": "", "CSRF_TRUSTED_ORIGINS": ""}
    variables = {"PATH": os.environ["PATH"], "SIGNALSITE_STATE": str(tmp_path)}
    for variable, value in SERVICES[name]["environment"].items():
        if value is None:
            variables |= {variable: filled[variable]} if variable in filled else {}
        else:
            variables[variable] = REFERENCE.sub(lambda match: filled[match[1]], value)
    told = "from django.conf import settings as s; print(s.TICK_BATCH, s.CHAIN_STRIKES, s.WORKERS, s.TICK_KEEP_SECONDS)"
    done = subprocess.run(
        [sys.executable, "-c", told],
        env={**variables, "DJANGO_SETTINGS_MODULE": "signalsite.settings"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("77 3 2 300.0\n", "")


@pytest.mark.parametrize("role", ["redis", "cache"])
def test_redis_commands_start_a_server_with_a_password(role, tmp_path):
    command = SERVICES[role]["command"][-1].replace("$$", "$").replace("redis-server", str(valkey_server()))
    command = command.replace("/tmp/redis.conf", f"{tmp_path}/redis.conf").replace("/data", str(tmp_path))
    socket = tmp_path / "s"
    environment = {"REDISCLI_AUTH": "right"}
    server = subprocess.Popen(
        ["sh", "-c", f"{command} --port 0 --unixsocket {socket}"], env=environment, cwd=tmp_path, stdout=subprocess.PIPE
    )
    try:
        client = redis.Redis(unix_socket_path=str(socket), password="right", decode_responses=True)
        deadline = time.monotonic() + 10
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                assert server.poll() is None and time.monotonic() < deadline, server.stdout.read()
                time.sleep(0.02)
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == options(role)["--maxmemory-policy"]
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(unix_socket_path=str(socket)).ping()
    finally:
        server.terminate()  # reaches the server: the shell has become it
        server.wait(10)


def test_the_queues_file_is_synced_beside_its_server(tmp_path):
    library, syncs = slow_sync(tmp_path, 0)
    command = SERVICES["redis"]["command"][-1].replace("$$", "$").replace("redis-server", str(valkey_server()))
    command = command.replace("/tmp/redis.conf", f"{tmp_path}/redis.conf").replace("/data", str(tmp_path))
    server = subprocess.Popen(
        ["sh", "-c", f"{command} --port 0 --unixsocket {tmp_path}/s"],
        env={**os.environ, "REDISCLI_AUTH": "right", "LD_PRELOAD": str(library)},
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: syncs.stat().st_size > 2, 20, "synced each second")
    finally:
        server.terminate()
        server.wait(10)
    after = syncs.stat().st_size
    time.sleep(2.5)
    assert syncs.stat().st_size <= after + 1  # the loop ended with its server


def test_the_health_check_kills_who_stands_still(tmp_path):
    with ExitStack() as running:
        checks = {
            name: running.enter_context(checked(tmp_path / name, age=age, redis_answers=redis_answers))
            for name, age, redis_answers in (
                ("works", 0, True),
                ("stands still", 60, True),
                ("waits for Redis", 60, False),
                ("has not begun", None, True),
            )
        }
        found = {name: (check.wait(60), process.poll()) for name, (check, process) in checks.items()}
    assert found == {
        "works": (0, None),
        "stands still": (1, -signal.SIGKILL),
        "waits for Redis": (1, None),
        "has not begun": (1, None),
    }


def test_the_health_check_of_one_that_began_on_a_full_disk(tmp_path):
    file = tmp_path / "heartbeat"
    file.touch()
    os.utime(file, (1, 1))
    command = [sys.executable, *SERVICES["worker"]["healthcheck"]["test"][2:]]
    variables = {**os.environ, "HEARTBEAT_FILE": str(file)}
    done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, f"{file} names no process: its disk was full\n")


def test_docker_waits_for_the_check_of_the_largest_patience():
    """The settings refuse a patience with which Docker would end the check before it can kill."""
    for name in ("worker", "urgent", "consumer", "configs", "beat"):
        timeout = float(SERVICES[name]["healthcheck"]["timeout"].removesuffix("s"))
        too_long = timeout - QUIET - FRESH - 10  # to start the check
        variables = {**os.environ, "STALL_SECONDS": str(too_long)}
        command = [sys.executable, "-c", "import signalsite.settings"]
        done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "STALL_SECONDS" in done.stderr, done.stderr


@contextmanager
def checked(folder, *, age, redis_answers):
    """(the health check, a process whose last heartbeat has this age)"""
    folder.mkdir()
    database = places.database(places.state_dir())
    variables = {
        **os.environ,
        "HEARTBEAT_FILE": str(folder / "heartbeat"),
        "STALL_SECONDS": "1" if age else "10",
        "DATABASE_URL": f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}",
        "REDIS_URL": places.redis_url(places.state_dir()) if redis_answers else f"unix://{folder}/nobody",
    }
    with subprocess.Popen(["sleep", "100"]) as process:
        if age is not None:
            (folder / "heartbeat").write_text(str(process.pid))
            os.utime(folder / "heartbeat", (time.time() - age, time.time() - age))
        command = [sys.executable, *SERVICES["worker"]["healthcheck"]["test"][2:]]
        try:
            with subprocess.Popen(command, env=variables, cwd=ROOT, stderr=subprocess.DEVNULL) as check:
                yield check, process
        finally:
            process.kill()
