"""docker-compose.yml, checked as far as possible without Docker."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis
import yaml

from signalsite.embedded import state as places
from signalsite.embedded.binaries import valkey_server
from signalsite.embedded.heart import FRESH, QUIET
from tests.integration.processes import until
from tests.integration.slow_disk import slow_sync

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
FRONT = "signalsite.front.protocol:FrontProtocol"
NOT_SETTINGS = {"FLOWER_BASIC_AUTH"}  # read by Flower itself
REFERENCE = re.compile(r"\$\{(\w+)(:?[-?][^}]*)?\}")


def texts(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


SETTINGS_DOC = (ROOT / "docs/settings.md").read_text()
DOCUMENTED = [
    name
    for row in re.findall(r"^\| (`\w+`(?:, `\w+`)*)", SETTINGS_DOC, re.MULTILINE)
    for name in re.findall(r"`(\w+)`", row)
]
EXCEPTED = re.search(
    r"those that it sets itself\s+\(([^)]+)\)[^(]+those that mean nothing in a container\s+\(([^)]+)\)", SETTINGS_DOC
)
SET_BY_COMPOSE, MEANINGLESS = (set(re.findall(r"`(\w+)`", names)) for names in EXCEPTED.groups())
REFERENCES = [match.groups() for text in texts(COMPOSE) for match in REFERENCE.finditer(text)]


def options(service):
    words = SERVICES[service]["command"][-1].split()
    return {word: words[place + 1] for place, word in enumerate(words) if word.startswith("--")}


def test_it_has_every_part():
    running = {"database", "redis", "cache", "migrate", "web", "worker", "urgent", "consumer", "configs", "beat"}
    running.add("flower")
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == running
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "manage": ["tools"],
        "backup": ["tools"],
    }
    assert SERVICES["database"]["image"].startswith("timescale/timescaledb:2.")


def read_by_settings():
    text = "".join(each.read_text() for each in (ROOT / "signalsite/settings").glob("*.py"))
    return set(re.findall(r"""env\.\w+\(\s*["'](\w+)["']""", text))


def test_our_environment_is_what_the_settings_read():
    for name in OURS:
        assert set(SERVICES[name]["environment"]) - read_by_settings() <= NOT_SETTINGS, name


def test_the_docs_name_every_setting_and_no_other():
    assert read_by_settings() <= set(DOCUMENTED)
    assert len(DOCUMENTED) == len(set(DOCUMENTED)), "a variable has two rows"
    elsewhere = {"SIGNALSITE_STATE", "SIGNALSITE_SYSTEM_USER", "SIGNALSITE_REDIS_MAXMEMORY"}  # read before the settings
    assert set(DOCUMENTED) - read_by_settings() == elsewhere | {"PORT", "FLOWER_PORT"}


def test_every_documented_setting_reaches_the_containers():
    """One source of truth: the table of docs/settings.md, less what the text before it excepts."""
    assert MEANINGLESS and SET_BY_COMPOSE
    passed_on = {name: [part for part in OURS if name in SERVICES[part]["environment"]] for name in DOCUMENTED}
    for name in set(DOCUMENTED) - MEANINGLESS - SET_BY_COMPOSE - {"PORT", "FLOWER_PORT"}:
        assert passed_on[name], f"{name} is in docs/settings.md, but docker-compose.yml does not pass it on"
        for part in passed_on[name]:
            value = SERVICES[part]["environment"][name]
            assert value is None or value.startswith(f"${{{name}:"), f"{name} of {part} does not come from .env"
    for name in SET_BY_COMPOSE:
        for part in passed_on[name]:
            assert f"${{{name}" not in SERVICES[part]["environment"][name], name
    assert not any(passed_on[name] for name in MEANINGLESS)


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


@pytest.mark.parametrize("name", OURS)
def test_commands_exist(name):
    program, *arguments = SERVICES[name]["command"]
    if name == "manage":
        assert SERVICES[name]["entrypoint"] == ["python", "manage.py"]
    elif program == "python":
        assert (ROOT / arguments[0]).exists()
    elif program == "uvicorn":
        assert importlib.util.find_spec(arguments[0].split(":")[0])
        assert arguments[arguments.index("--http") + 1] == FRONT
    else:
        assert program == "celery" and arguments[:2] == ["-A", "signalsite"]
        assert importlib.util.find_spec("signalsite.celery")


def test_the_tools_are_management_commands():
    assert SERVICES["manage"]["entrypoint"] == ["python", "manage.py"] and SERVICES["manage"]["command"] == ["help"]
    command = SERVICES["backup"]["command"]
    assert command[:3] == ["python", "manage.py", "backup"] and command[3:5] == ["--into", "/backups"]
    assert SERVICES["manage"]["volumes"] == ["${IMPORTS:-./imports}:/imports:ro", "${BACKUPS:-backups}:/backups"]
    assert re.search(r"install .*--owner=signalsite.* /backups", DOCKERFILE), "a new volume would belong to root"


def test_no_secret_has_a_default():
    secret = re.compile("PASSWORD|SECRET|USER$")
    for name, rest in REFERENCES:
        if secret.search(name):
            assert rest and rest.startswith(":?"), name
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|AUTH", name):
                assert value is None or value.startswith("${"), name
            if name.endswith("_URL") and value is not None:
                assert re.search(r":\$\{\w+:\?[^}]*\}@", value), f"{name} has no password"


def test_the_example_names_every_variable():
    example = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "deploy/env.example").read_text(), re.MULTILINE))
    assert set(example) == {name for name, _ in REFERENCES}
    for name, rest in REFERENCES:
        assert (example[name] == "") == (rest.startswith(":?") or rest == ":-"), name


def test_redis_roles():
    queue, cache = options("redis"), options("cache")
    assert (queue["--appendonly"], queue["--appendfsync"]) == ("yes", "no")
    assert queue["--maxmemory-policy"] == "noeviction"
    assert cache["--maxmemory"] == "1gb" and cache["--maxmemory-policy"] == "allkeys-lru"
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]


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


def test_every_service_is_watched_limited_and_restarted():
    for name, service in SERVICES.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        if name == "migrate" or "profiles" in service:
            assert service["restart"] == "no"
        else:
            assert service["healthcheck"]["test"] and service["restart"] == "unless-stopped", name
        for other, condition in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other == "migrate" else "service_healthy"
            assert condition == {"condition": wanted}
    for name in ("web", "worker", "urgent", "consumer", "configs", "beat"):
        assert {"migrate", "database", "redis", "cache"} <= set(SERVICES[name]["depends_on"])


def test_only_loopback_ports_are_published():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 4 and all(port.startswith("127.0.0.1:") for port in ports)


def test_every_consumers_metrics_are_published():
    """Docker gives each container a port of the range; without a range `--scale consumer=2` would fail."""
    (port,) = SERVICES["consumer"]["ports"]
    assert port == "127.0.0.1:${TICK_METRICS_PORTS:-8001-8004}:8001"
    assert SERVICES["consumer"]["environment"]["TICK_METRICS_PORT"] == port.rpartition(":")[2]
    (of_configs,) = SERVICES["configs"]["ports"]
    assert of_configs == "127.0.0.1:${CONFIG_METRICS_PORTS:-8011-8012}:8011"
    assert SERVICES["configs"]["environment"]["CONFIG_METRICS_PORT"] == of_configs.rpartition(":")[2]
    assert {SERVICES[each]["environment"]["TICK_METRICS_ADDRESS"] for each in ("consumer", "configs")} == {"0.0.0.0"}


def test_volumes_are_named():
    written = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    used = {re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", volume).split(":")[0] for volume in written}
    assert {name for name in used if not name.startswith("./")} == set(COMPOSE["volumes"])


def test_dockerfile_copies_what_exists_and_is_not_ignored():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        path for line in re.findall(r"^COPY (?!--from=)(.+)$", DOCKERFILE, re.MULTILINE) for path in line.split()[:-1]
    ]
    for path in copied:
        assert (ROOT / path).exists(), path
    assert set(copied) == kept
    assert "USER signalsite" in DOCKERFILE and FRONT in DOCKERFILE


def test_dockerfile_has_every_package():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert packages <= set(re.findall(r"^COPY (\w+) ", DOCKERFILE, re.MULTILINE))


def test_health_checks_are_ours_or_the_images():
    for name in OURS:
        for word in SERVICES[name]["healthcheck"].get("test", []):
            if word.startswith("deploy/"):
                assert (ROOT / word).exists() and word in DOCKERFILE
