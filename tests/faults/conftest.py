"""Run the real service on its own servers, so that tests can kill them: `manage.py up`, used over HTTP.

The tests marked `faults` are left out of `make test`; `make faults` runs all.
"""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import psutil
import pytest

from signalsite.embedded.service import running_service
from tests.e2e.conftest import succeed
from tests.faults.site import Site, until
from tests.integration.processes import environment, fresh_state, servers_of

_MAKE_ACCOUNT = """
import os
from django.contrib.auth import get_user_model
get_user_model().objects.create_user("trader", password=os.environ["PASSWORD"])
"""
_KEYS = """
from signals.instruments.models import Instrument
print("\\n".join(Instrument.objects.exclude(right="").order_by("key").values_list("key", flat=True)))
"""


@pytest.fixture(scope="session")
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    whole = any(item.get_closest_marker("faults") for item in request.session.items)
    password = secrets.token_urlsafe(12)
    log = tmp_path_factory.mktemp("faults") / "up.log"
    with fresh_state() as state:
        variables = environment(state, LOG_FORMAT="json", PASSWORD=password)
        with ExitStack() as service:
            with servers_of(state):  # until the service needs them
                succeed("migrate", "-v0", **variables)
                succeed("simulate_market", "--seed", "5", "--contracts", "100000" if whole else "10000", **variables)
                keys = succeed("shell", "-v0", "-c", _MAKE_ACCOUNT + _KEYS, **variables).split()
                running = service.enter_context(running_service(log, "--workers", "2", environment=variables))
            client = service.enter_context(httpx.Client(base_url=running.address, timeout=30))
            token = client.post("/api/token", json={"username": "trader", "password": password}).raise_for_status()
            client.headers["Authorization"] = f"Bearer {token.json()['access']}"
            yield Site(running.address, state, log, psutil.Process(running.process.pid), keys, client)
    print(log.read_text()[-4000:])


@pytest.fixture
def site(service: Site) -> Iterator[Site]:
    """Yield the healthy service, and wait for it to be healthy again after the test."""
    service.begin()
    yield service
    service.finish(until(lambda: service.accepted(500), 30, "it takes submissions"))


MEASURED = pytest.StashKey[dict[str, float]]()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> dict[str, float]:
    """Collect durations by name, for the report at the end of the run."""
    return request.config.stash.setdefault(MEASURED, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for what, seconds in config.stash.get(MEASURED, {}).items():
        terminalreporter.write_line(f"{seconds:6.1f} s  {what}")
