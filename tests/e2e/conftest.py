"""The real service, started once for all tests here: `manage.py up` on the tests' own servers."""

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.conf import settings

from signalsite.embedded import state
from signalsite.embedded.service import running_service
from signalsite.foundation.redis import client as redis_client
from tests.forks import the_forks

ROOT = Path(__file__).resolve().parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"
AT = "2026-03-02T11:00:00+05:30"  # the simulated market's instant
ALLOWED_RECEIVER = "127.0.0.2"  # where webhooks may go though it is not public
FRONT_SECONDS = 3.0  # how long the web process waits for headers, and for a body's first bytes
ACCOUNTS = {"alice": False, "bob": False, "carol": False, "staff": True, "fuzzer": False}
_FILL = """
import os
from django.contrib.auth import get_user_model
from django.core.management import call_command
call_command("flush", interactive=False, verbosity=0)
call_command("simulate_market", "--seed", "11", "--at", os.environ["AT"])
for name, password in zip(os.environ["NAMES"].split(","), os.environ["PASSWORDS"].split(",")):
    user, _ = get_user_model().objects.get_or_create(username=name)
    user.is_staff = user.is_superuser = name == "staff"
    user.set_password(password)
    user.save()
"""


def manage(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a management command as an operator does, but for Python's start."""
    return the_forks().run(arguments, environment={**os.environ, **environment})


def address_of(folder: Path) -> str:
    """Return the address of the PostgreSQL in this state folder."""
    return f"postgresql://{state.ROLE}@{quote(str(state.socket_dir(folder)), safe='')}/{state.DATABASE}"


def own_database() -> str:
    """Return the address of the tests' PostgreSQL as an operator would write it."""
    return address_of(state.state_dir())


def succeed(*arguments: str, **environment: str) -> str:
    done = manage(*arguments, **environment)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def passwords() -> dict[str, str]:
    return {name: secrets.token_urlsafe(12) for name in ACCOUNTS}


@pytest.fixture(scope="session")
def tables() -> None:
    """The tables of the tests' own database."""
    succeed("migrate", "-v0")


@pytest.fixture(scope="session")
def address(tables: None, passwords: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the service. Its database and Redis are emptied, and a simulated market fills the database."""
    redis_client(settings.REDIS_URL).flushall()  # ticks of other tests would be consumed
    succeed("shell", "-v0", "-c", _FILL, AT=AT, NAMES=",".join(passwords), PASSWORDS=",".join(passwords.values()))
    log = tmp_path_factory.mktemp("service") / "up.log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEBHOOK_ALLOWED_NETWORKS", f"{ALLOWED_RECEIVER}/32")
        patch.setenv("HTTP_HEADER_SECONDS", str(FRONT_SECONDS))
        patch.setenv("HTTP_BODY_SECONDS", str(FRONT_SECONDS))
        with running_service(log, "--workers", "2") as service:
            yield service.address
    print(log.read_text()[-4000:])


@pytest.fixture(scope="session")
def login(address: str, passwords: dict[str, str]) -> Iterator[Callable[[str], httpx.Client]]:
    clients: dict[str, httpx.Client] = {}

    def as_user(name: str) -> httpx.Client:
        if name not in clients:
            client = clients[name] = httpx.Client(base_url=address, timeout=30)
            token = client.post("/api/token", json={"username": name, "password": passwords[name]})
            client.headers["Authorization"] = f"Bearer {token.raise_for_status().json()['access']}"
        return clients[name]

    yield as_user
    for client in clients.values():
        client.close()


@pytest.fixture
def browser(address: str, passwords: dict[str, str]) -> Iterator[httpx.Client]:
    """A client of a staff user who is signed in to the admin."""
    with httpx.Client(base_url=address, follow_redirects=True) as client:
        client.get("/admin/login/")
        form = {"username": "staff", "password": passwords["staff"], "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        client.post("/admin/login/?next=/admin/", data=form).raise_for_status()
        yield client


@pytest.fixture
def alice(login: Callable[[str], httpx.Client]) -> httpx.Client:
    return login("alice")


BATCH = "/api/v2/signals/batch"


def submit(client: httpx.Client, **body: Any) -> dict[str, Any]:
    response = client.post(f"{BATCH}/jobs", json={"kind": "greeks", **body})
    assert response.status_code == 202, response.text
    assert response.headers["Location"] == response.json()["links"]["self"]
    return response.json()


def wait(client: httpx.Client, job: dict[str, Any], seconds: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while not job["done"]:
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
        job = client.get(job["links"]["self"]).raise_for_status().json()
    return job


def read(client: httpx.Client, job: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: int | None = -1
    while cursor is not None:
        page = client.get(job["links"]["results"], params={"cursor": cursor, **query}).raise_for_status().json()
        rows += page["data"]
        cursor = page["next_cursor"]
    return rows


def run(client: httpx.Client, **body: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    job = wait(client, submit(client, **body))
    return job, read(client, job)
