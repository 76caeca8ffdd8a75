"""What a whole service logs, as text and as JSON, and the ids of requests."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from signalsite.embedded.service import running_service
from tests.e2e.conftest import AT, BATCH, submit, succeed, wait
from tests.integration.processes import environment, fresh_state, servers_of

OURS = "a-request.of/the:test=1"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, dict[str, str]]]:
    """(address, log file, the first account): a service of its own that logs JSON, with a feed."""
    log = tmp_path_factory.mktemp("logs") / "up.log"
    with fresh_state() as state:
        variables = environment(state, LOG_FORMAT="json")
        with servers_of(state):
            succeed("migrate", "-v0", **variables)
            succeed("simulate_market", "--seed", "11", "--at", AT, "--contracts", "400", **variables)
            with running_service(log, "--workers", "1", "--simulate", environment=variables) as running:
                account = {"username": "admin", "password": (state / "secrets/admin_password").read_text()}
                yield running.address, log, account


@pytest.fixture
def client(service: tuple[str, Path, dict[str, str]]) -> Iterator[httpx.Client]:
    address, _, account = service
    with httpx.Client(base_url=address, timeout=30) as client:
        token = client.post("/api/token", json=account).raise_for_status().json()["access"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_every_line_is_json_in_one_form(service: tuple[str, Path, dict[str, str]], client: httpx.Client) -> None:
    for line in lines(service[1]):
        assert {"timestamp", "level", "logger", "message", "service", "component"} <= line.keys(), line
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None
    assert {"up", "consumer", "feed"} & {line["component"] for line in lines(service[1])} == {"up", "consumer", "feed"}


def test_a_job_is_one_line_with_its_outcome_and_request(
    service: tuple[str, Path, dict[str, str]], client: httpx.Client
) -> None:
    before = len(lines(service[1]))
    client.headers["X-Request-ID"] = OURS
    job = wait(client, submit(client, selector={"underlying": "SIM@NIFTY"}, as_of=AT, reuse=False))
    time.sleep(0.5)
    said = [line for line in lines(service[1])[before:] if line.get("job") == job["id"]]
    assert len(said) == 1, said
    counts = job["request_counts"]
    assert said[0]["message"] == "job ended" and said[0]["component"] == "worker" and said[0]["level"] == "INFO"
    assert said[0]["status"] == "completed" and said[0]["kind"] == "greeks" and said[0]["items"] == counts["total"]
    assert said[0]["with_value"] == counts["completed"] and said[0]["seconds"] > 0
    assert said[0]["request_id"] == OURS  # handed on from request to task to task

    again = wait(client, submit(client, selector={"underlying": "SIM@NIFTY"}, as_of=AT))
    time.sleep(0.5)
    (reused,) = [line for line in lines(service[1])[before:] if line.get("job") == again["id"]]
    assert reused["reused_from"] == job["id"]
    cancelled = client.post(
        submit(client, selector={"underlying": "SIM@BANKNIFTY"})["links"]["self"] + "/cancel"
    ).json()
    wait(client, cancelled)
    time.sleep(0.5)
    assert Counter(line.get("job") for line in lines(service[1])[before:])[cancelled["id"]] == 1


def test_a_quiet_service_is_quiet(service: tuple[str, Path, dict[str, str]], client: httpx.Client) -> None:
    before = len(lines(service[1]))
    time.sleep(12)  # the sweep runs twice
    assert len(lines(service[1])) - before <= 1, lines(service[1])[before:]


@pytest.mark.parametrize(
    "path", ["/health", f"{BATCH}/jobs", f"{BATCH}/none", "/api/v2/signals/realtime/underlyings", "/admin/login/"]
)
def test_a_request_has_an_id(client: httpx.Client, path: str) -> None:
    for _ in range(3):  # of live reads the first is Django's, the others the event loop's
        answer = client.get(path, headers={"X-Request-ID": OURS})
        assert answer.headers.get_list("X-Request-ID") == [OURS]
        made = client.get(path).headers["X-Request-ID"]
        assert re.fullmatch("[0-9a-f]{16}", made) and made != client.get(path).headers["X-Request-ID"]
        if answer.headers["Content-Type"] == "application/problem+json":
            assert answer.json()["request_id"] == OURS


@pytest.mark.parametrize("odd", ["", "a b", "x" * 129, "é", 'a"b', "a\tb", "<script>", "-a"])
def test_an_id_that_is_not_sane_is_replaced(client: httpx.Client, odd: str) -> None:
    answer = client.get(f"{BATCH}/none", headers={"X-Request-ID": odd.encode()})  # type: ignore[dict-item]
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-ID"])
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_lines_of_a_request_name_its_user(service: tuple[str, Path, dict[str, str]], client: httpx.Client) -> None:
    client.get(f"{BATCH}/jobs/none-such", headers={"X-Request-ID": "of-a-user"})
    time.sleep(0.3)
    (line,) = [line for line in lines(service[1]) if line.get("request_id") == "of-a-user"]
    assert line["level"] == "WARNING" and line["component"] == "web"
    client.get(f"{BATCH}/jobs/00000000-0000-0000-0000-000000000000", headers={"X-Request-ID": "of-admin"})
    time.sleep(0.3)
    (line,) = [line for line in lines(service[1]) if line.get("request_id") == "of-admin"]
    assert line["user"] == "1"
