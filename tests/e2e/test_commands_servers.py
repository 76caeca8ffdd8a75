"""Commands say in one line which servers they use: a service's, those that are up, or their own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import AT, SHARED_DATA, manage, own_database
from tests.integration.processes import ROOT, environment, fresh_state, running_on, until

CHAIN = SHARED_DATA / "2_nse_chain" / "banknifty_2021-05-17_1530.json.gz"
SMALL = ["--contracts", "50", "--minutes", "0", "--at", AT]
COMMANDS = [
    ["batch_greeks", "--underlying", "SIM@NIFTY", "--at", AT],
    ["compute", "quotes", "--underlying", "SIM@NIFTY", "--at", AT],
    ["import_option_chain", str(CHAIN)],
]


def lines(*arguments: str, **variables: str) -> list[str]:
    done = manage(*arguments, **variables)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if "servers" in line or "No service" in line]


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the real market data is not beside this checkout")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_running_service_is_found(address: str, command: list[str], tmp_path: Path) -> None:
    more = ["--rejects", str(tmp_path / "rejects.csv")] if command[0].startswith("import") else []
    assert lines(*command, *more) == [f"The service at {address}/ is running: using its servers."]


def test_without_a_service_a_command_starts_what_it_needs() -> None:
    with fresh_state() as state:
        own = environment(state)
        assert manage("migrate", "-v0", **own).returncode == 0
        stopped = "No service runs from this folder: starting PostgreSQL and Redis (Valkey)."
        found = "No service runs from this folder: using PostgreSQL and Redis (Valkey) as found running."
        until(lambda: not running_on(state), 20, "those of the last command, which linger, have ended")
        assert lines("simulate_market", *SMALL, **own)[0] == stopped
        keeping = (
            "from signalsite.embedded.keep_running import keep_running\n"
            "with keep_running():\n    print(flush=True)\n    input()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", keeping], cwd=ROOT, env=own, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None and other.stdout.readline()
            assert lines("simulate_market", *SMALL, **own) == [found]
            other.communicate(b"\n")
        until(lambda: not running_on(state), 20, "all servers have stopped")


def test_servers_that_the_environment_names_are_said_so(address: str) -> None:
    with fresh_state() as state:
        variables = {**environment(state), "DATABASE_URL": own_database()}
        assert manage("migrate", "-v0", **variables).returncode == 0
        (line,) = lines("compute", "quotes", "--underlying", "SIM@NIFTY", "--at", AT, **variables)
        valkey = ("starting Redis (Valkey)", "using Redis (Valkey) as found running")  # the last command's may linger
        assert line in {
            f"No service runs from this folder: {it}, using the PostgreSQL of DATABASE_URL." for it in valkey
        }
