"""docker-compose.yml and the Dockerfile name what there is: settings, commands, volumes; no secret has a default."""

import importlib.util
import re

import pytest

from tests.integration.compose import COMPOSE, OURS, REFERENCE, SERVICES, options
from tests.integration.processes import ROOT

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
FRONT = "signalsite.front.protocol:FrontProtocol"
NOT_SETTINGS = {"FLOWER_BASIC_AUTH"}  # read by Flower itself


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
