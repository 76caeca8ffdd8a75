"""Clients that generators make of the service's documents compile, and read a live chain.

The programs are in `generated_clients`. They use the output of the generators as it is: no option mends it, and no file
is edited. Packages are installed into a temporary folder.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.live_ticks import priced_chain

PROGRAMS = Path(__file__).with_name("generated_clients")
BIN = Path(sys.executable).parent
UNDERLYING = "NSE@GENERATED"
OFFLINE = re.compile(r"ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|ECONNRESET")
SECONDS = 120  # for one step, on a busy machine
UNKNOWN_FORMATS = {
    "application/x-ndjson",
    "application/vnd.apache.arrow.stream",
}  # openapi-python-client leaves them out

MYPY = """
[mypy]
strict = true
[mypy-signal_service.client]
# the generator's own template
ignore_errors = true
"""


def done(*command: str | Path, folder: Path, given: str | None = None, **environment: str) -> str:
    """Run a program to its good end and return what it printed."""
    found = subprocess.run(
        [str(each) for each in command],
        cwd=folder,
        env={**os.environ, **environment},
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert found.returncode == 0, f"{command}:\n{found.stdout[-6000:]}\n{found.stderr[-6000:]}"
    return found.stdout + found.stderr


@pytest.fixture(scope="module")
def chain(address: str, login: Callable[[str], httpx.Client]) -> dict[str, Any]:
    """What the programs are to find: a chain of three strikes that the consumer has priced."""
    return priced_chain(login("alice"), UNDERLYING)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of package-lock.json and the programs."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node or npm is not installed")
    folder = tmp_path_factory.mktemp("node")
    for file in PROGRAMS.iterdir():
        shutil.copy(file, folder)
    try:
        done("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", folder=folder)
    except AssertionError as error:
        if OFFLINE.search(str(error)):
            pytest.skip("npm's registry cannot be reached")
        raise
    return folder


def is_the_chain(printed: str, chain: dict[str, Any]) -> bool:
    shown, first = json.loads(printed), chain["strikes"][0]["call"]["instrument_key"]
    deltas = [(strike, call, put) for strike, call, put in shown.pop("strikes")]
    assert [strike for strike, _, _ in deltas] == [90, 100, 110]
    assert all(0 < call < 1 and -1 < put < 0 for _, call, put in deltas), deltas
    assert shown == {
        "expiry": chain["expiry"],
        "source": "parity",
        "rows": [first, first],
        "rate": 0.05,
        "wrong": "underlying",
    }
    return True


def test_a_python_client(
    address: str, login: Callable[[str], httpx.Client], chain: dict[str, Any], tmp_path: Path
) -> None:
    url = f"{address}/api/schema"
    generated = ("--output-path", tmp_path / "signal_service", "--meta", "none")
    path = f"{BIN}:{os.environ['PATH']}"  # the generator formats its output with ruff
    said = done(BIN / "openapi-python-client", "generate", "--url", url, *generated, folder=tmp_path, PATH=path)
    warnings = re.findall(r"^(?:WARNING|ERROR|Unable).*\n+(.*)", said, re.M)
    assert {each.removeprefix("Unsupported content type ") for each in warnings} <= UNKNOWN_FORMATS, said
    shutil.copy(PROGRAMS / "chain.py", tmp_path)
    (tmp_path / "mypy.ini").write_text(MYPY)
    done(BIN / "mypy", "chain.py", "signal_service", folder=tmp_path)
    token = login("alice").headers["Authorization"].removeprefix("Bearer ")
    assert is_the_chain(done(sys.executable, "chain.py", address, token, UNDERLYING, folder=tmp_path), chain)


def test_a_typescript_client(
    address: str, login: Callable[[str], httpx.Client], chain: dict[str, Any], node: Path
) -> None:
    # As a .ts, the types are compiled too. skipLibCheck leaves out those of the packages, as `tsc --init` does.
    done("npx", "--no-install", "openapi-typescript", f"{address}/api/schema", "--output", "api.ts", folder=node)
    options = ("--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck")
    done("npx", "--no-install", "tsc", *options, "chain.ts", folder=node)
    token = login("alice").headers["Authorization"].removeprefix("Bearer ")
    assert is_the_chain(done("node", "chain.js", address, token, UNDERLYING, folder=node), chain)


def test_asyncapis_own_parser_accepts_the_document_of_the_sockets(address: str, node: Path) -> None:
    document = httpx.get(f"{address}/api/asyncapi.json").raise_for_status()
    found = json.loads(done("node", "asyncapi.mjs", folder=node, given=document.text))
    assert [each for each in found["diagnostics"] if each["code"] != "asyncapi-latest-version"] == []
    assert set(found["messages"]) >= {"subscribe", "welcome", "snapshot", "update", "gap"}
