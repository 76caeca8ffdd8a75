"""Every command and request in README and docs runs, from the text itself and in the order of the page.

How a block runs depends on its language:

- `bash`, `sh`: a script. Its variables and functions are there in later blocks of the page.
- `console`: the lines after `$ `. Other lines are output, which is not compared.
- `python`: in one namespace a page.
- `http`: a request, or after one the response (`HTTP/1.1 200 OK`): its status is compared, and the fields of its body.
- `json`: a submission (it has `items` or `selector`), or after a request the fields of its answer, or with
  `<!-- send on a socket -->` a message to the server. Anything else is only parsed.

A comment `<!-- not run: the reason -->` before a block excuses it. After `<!-- file: NAME -->` a block is saved under
that name. The service is `manage.py up --simulate` on servers of its own, so its feed meets no other test.

Only three things are replaced in a text: the address `localhost:8000` or `127.0.0.1:8000`, the password `"..."`, and in
an http block `$NAME` by the variable of that name.
The variables TOKEN, REFRESH and JOB come from the page's own requests; TOKEN and URL are also set before the first.
"""

import json
import os
import re
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from websockets.sync.client import connect

import batch.client
from signalsite.embedded.service import running_service
from tests.e2e.conftest import BATCH, ROOT, SHARED_DATA, succeed, wait
from tests.e2e.docs_blocks import RUNNABLE, Block, blocks_of, is_excused
from tests.forks import the_forks
from tests.integration.processes import fresh_state, running_on, until

PAGES = ["README.md", *sorted(str(file.relative_to(ROOT)) for file in (ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "/_build/" not in page]
BLOCK_SECONDS = 120
SOCKET = "/api/v2/signals/subscriptions/websocket"
PASSWORD = re.compile(r"""((?:password|PASSWORD)["']?\s*[:=]\s*["'])\.\.\.(?=["'])""")
HERE = re.compile(r"(?:localhost|127\.0\.0\.1):8000")
REQUEST = re.compile(r"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (\S+)(?: HTTP/1\.1)?$")
RESPONSE = re.compile(r"HTTP/1\.1 (\d{3})")
_MAKE_ACCOUNTS = """
import os
from django.contrib.auth import get_user_model
for name in ("demo", "admin"):
    user, _ = get_user_model().objects.get_or_create(username=name)
    user.is_staff = user.is_superuser = name == "admin"
    user.set_password(os.environ["DOCS_PASSWORD"])
    user.save()
"""


class Page:
    """Runs the blocks of one page."""

    def __init__(
        self, *, address: str, folder: Path, programs: Path, password: str, environment: dict[str, str]
    ) -> None:
        self.address, self.folder, self.programs = address, folder, programs
        self.password, self.environment = password, environment
        self.kept = folder / ".kept"
        self.kept.write_text("")
        self.client = httpx.Client(base_url=address, timeout=30)
        signed_in = self.client.post("/api/token", json={"username": "demo", "password": password})
        self.variables = {"URL": address, "TOKEN": signed_in.raise_for_status().json()["access"]}
        self.namespace: dict[str, Any] = {"__name__": "docs"}
        self.answer: httpx.Response | None = None  # of the block before
        self.shown = False  # whether the page shows that answer's status

    def run(self, block: Block) -> None:
        code = PASSWORD.sub(rf"\g<1>{self.password}", HERE.sub(self.address.removeprefix("http://"), block.code))
        runners: dict[str, Callable[[str, Block], None]] = {
            "bash": self._script,
            "sh": self._script,
            "console": self._console,
            "python": self._python,
            "http": self._http,
            "json": self._json,
        }
        if block.file:
            (self.folder / block.file).write_text(code)
        else:
            runners[block.language](code, block)

    def _console(self, code: str, block: Block) -> None:
        lines = re.findall(r"^\$ ((?:.*\\\n)*.*)$", code, re.M)
        assert lines, f"{block.place}: a console block shows its commands after `$ `"
        self._script("\n".join(lines), block)

    def _script(self, code: str, block: Block) -> None:
        self.finish(block)
        kept = shlex.quote(str(self.kept))
        script = f"source {kept}\nset -a -e -o pipefail\n{code}\n{{ export -p; declare -f; }} > {kept}\n"
        path = f"{self.programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env={**os.environ, **self.environment, **self.variables, "PATH": path, "FORKS": the_forks().address},
            capture_output=True,
            text=True,
            timeout=BLOCK_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{block.place}:\n{code}\n{done.stdout}\n{done.stderr}"
        for name, value in re.findall(r'^declare -x ([A-Z_]+)="(.*)"$', self.kept.read_text(), re.M):
            if name not in os.environ:
                self.variables[name] = value

    def _python(self, code: str, block: Block) -> None:
        self.finish(block)
        padded = "\n" * block.line + code  # a traceback names the line of the page
        installed = {"signalsite_client": batch.client}  # another test installs it and runs these
        with patch.dict(os.environ, self.variables), patch.dict(sys.modules, installed):
            exec(compile(padded, block.page, "exec"), self.namespace)

    def _http(self, code: str, block: Block) -> None:
        first, _, rest = code.partition("\n")
        if expected := RESPONSE.match(first):
            assert self.answer is not None, f"{block.place}: a response without a request before it"
            assert self.answer.status_code == int(expected[1]), f"{block.place}: {self.answer.text}"
            self.shown = True
            _, body = _headers_and_body(rest)
            if body:
                self._shows(json.loads(body), block)
            return
        self.finish(block)
        text = re.sub(r"\$([A-Z]+)", lambda name: self.variables[name[1]], code)
        request = REQUEST.match(text.partition("\n")[0])
        assert request, f"{block.place}: neither a request nor a response"
        headers, body = _headers_and_body(text.partition("\n")[2])
        self._ask(request[1], request[2], headers, body)

    def _json(self, code: str, block: Block) -> None:
        shown = json.loads(code)
        if block.for_socket:
            self._send(shown, block)
        elif isinstance(shown, dict) and shown.keys() & {"items", "selector"}:
            self.finish(block)
            self._ask("POST", "jobs" if "kind" in shown else "greeks", {}, code)
        elif self.answer is not None:
            self._shows(shown, block)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: str) -> None:
        headers = {"authorization": f"Bearer {self.variables['TOKEN']}", "content-type": "application/json", **headers}
        url = path if path.startswith("/") else f"{BATCH}/{path}"
        self.answer = self.client.request(method, url, headers=headers, content=body.encode())
        self.shown = False
        if not self.answer.headers.get("content-type", "").startswith("application/json"):
            return
        found = self.answer.json()
        if self.answer.status_code == 202 and "links" in found:
            self.variables["JOB"] = found["id"]
            found = wait(self.client_of(headers), found)
            assert not SHARED_DATA.exists() or found["request_counts"]["completed"] or "retry" in path, found
        elif method == "POST" and self.answer.status_code == 200 and isinstance(found.get("data"), list):
            assert not SHARED_DATA.exists() or any(row["status"] == "ok" for row in found["data"]), found
        for name, field in (("TOKEN", "access"), ("REFRESH", "refresh")):
            if isinstance(found.get(field), str):
                self.variables[name] = found[field]

    def client_of(self, headers: dict[str, str]) -> httpx.Client:
        self.client.headers["authorization"] = headers["authorization"]
        return self.client

    def _shows(self, shown: Any, block: Block) -> None:
        assert self.answer is not None
        _assert_has(self.answer.json(), shown, block.place)
        self.shown = self.shown or self.answer.status_code < 400

    def _send(self, message: dict[str, Any], block: Block) -> None:
        self.finish(block)
        address = self.address.replace("http://", "ws://") + SOCKET
        subprotocols: Any = ["signals", f"bearer.{self.variables['TOKEN']}"]
        with connect(address, subprotocols=subprotocols) as socket:
            assert json.loads(socket.recv(timeout=10))["type"] == "welcome"
            sent = {**message, "token": self.variables["TOKEN"]} if "token" in message else message
            socket.send(json.dumps(sent))
            socket.send(json.dumps({"type": "ping", "id": "end"}))
            answer: dict[str, Any] = {}
            while answer.get("id") != "end":
                answer = json.loads(socket.recv(timeout=10))
                assert answer["type"] != "error", f"{block.place}: {answer}"
                assert all(item["ok"] for item in answer.get("items", ())), f"{block.place}: {answer}"

    def finish(self, block: Block | None = None) -> None:
        """Before the next request: an answer that the page does not show was no error."""
        if self.answer is not None and not self.shown:
            assert self.answer.status_code < 400, f"before {block.place if block else 'the end'}: {self.answer.text}"
        self.answer = None


def _headers_and_body(text: str) -> tuple[dict[str, str], str]:
    head, _, body = text.partition("\n\n") if not text.startswith("\n") else ("", "", text[1:])
    pairs = (line.partition(":")[::2] for line in head.splitlines() if line.strip())
    return {name.strip().lower(): value.strip() for name, value in pairs}, body


def _assert_has(answer: Any, shown: Any, place: str) -> None:
    """The answer has every field that the page shows. Values are the day's own."""
    if isinstance(shown, dict):
        assert isinstance(answer, dict), f"{place}: {answer!r} is no object"
        assert shown.keys() <= answer.keys(), f"{place}: {sorted(shown.keys() - answer.keys())} not in {sorted(answer)}"
        for name, value in shown.items():
            _assert_has(answer[name], value, f"{place} {name}")
    elif isinstance(shown, list) and shown:
        assert isinstance(answer, list) and answer, f"{place}: {answer!r} is no list with entries"
        for each in shown:
            _assert_has(answer[0], each, place)


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Of a service on a state folder that no other test uses."""
    with fresh_state() as state:
        yield {"SIGNALSITE_STATE": str(state), "DOCS_PASSWORD": secrets.token_urlsafe(12)}
        until(lambda: not running_on(state), 20, "servers stopped")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder that looks like the checkout, with the exchange's files in it. The docs write here."""
    folder = tmp_path_factory.mktemp("checkout")
    for entry in ROOT.iterdir():
        if not entry.name.startswith("."):
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").symlink_to(sys.prefix)
    for file in SHARED_DATA.glob("*/*"):
        (folder / file.name).symlink_to(file)
    return folder


@pytest.fixture(scope="module")
def service(environment: dict[str, str], folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address. It has the accounts that `make demo` makes, and the day that the examples speak of."""
    log = tmp_path_factory.mktemp("service") / "up.log"
    with running_service(log, "--simulate", "--workers", "2", environment=environment) as running:
        succeed("shell", "-v0", "-c", _MAKE_ACCOUNTS, **environment)
        if SHARED_DATA.exists():
            day = folder / "fo_legacycols_20260611.csv.gz"
            succeed("import_bhavcopy", str(day), "--rejects", str(folder / "rejects"), **environment)
        yield running.address
    print(log.read_text()[-4000:])


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `python` of scripts."""
    folder = tmp_path_factory.mktemp("programs")
    python = folder / "python"
    python.write_text(f"#!{sys.executable} -IS\n{(ROOT / 'tests/forked_python.py').read_text()}")
    python.chmod(0o755)
    return folder


@pytest.fixture
def page(
    service: str, environment: dict[str, str], folder: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Page]:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(ROOT))
    password = environment["DOCS_PASSWORD"]
    page = Page(address=service, folder=folder, programs=programs, password=password, environment=environment)
    yield page
    page.client.close()


@pytest.mark.parametrize("name", PAGES)
def test_every_block_of_the_page_runs(page: Page, name: str) -> None:
    needs_data = not SHARED_DATA.exists()
    for block in blocks_of(ROOT / name, name):
        if needs_data and "fo_legacycols_20260611" in block.code:
            pytest.skip("the page imports real market data, which is not beside this checkout")
        if block.language == "json" or (block.language in RUNNABLE and block.not_run is None):
            if block.not_run is not None:
                json.loads(block.code)
                continue
            page.run(block)
    page.finish()


@pytest.mark.parametrize("name", PAGES)
def test_every_block_names_its_language_and_every_exception_its_reason(name: str) -> None:
    for block in blocks_of(ROOT / name, name):
        assert block.language, f"{block.place}: the block names no language; `text` is for what nobody runs"
        assert block.not_run is None or is_excused(block), f"{block.place}: `not run` without a reason"


def test_the_ticks_of_the_live_page_are_believed(page: Page, environment: dict[str, str]) -> None:
    blocks = [block for block in blocks_of(ROOT / "docs/live.md", "docs/live.md") if " XADD " in block.code]
    assert blocks
    for block in blocks:
        page.run(block)
    deadline = time.monotonic() + 10
    while "24010.5" not in succeed("redis", "HGET", "latest:NSE@NIFTY", "NSE@NIFTY@equity_spot", **environment):
        assert time.monotonic() < deadline
    dead_letters = succeed("redis", "XRANGE", "tick_dead_letter", "-", "+", **environment)
    assert "tick_stream:NSE@NIFTY" not in dead_letters


def test_a_block_that_fails_is_found(page: Page, tmp_path: Path) -> None:
    broken = {
        "bash": "false",
        "console": "$ python manage.py no_such_command",
        "python": "import no_such_module",
        "json": '{"kind": "no such kind", "items": []}',
        "http": "GET /api/v2/signals/batch/no-such-address",
    }
    for language, code in broken.items():
        file = tmp_path / f"{language}.md"
        file.write_text(f"# Page\n\n```{language}\n{code}\n```\n")
        with pytest.raises((AssertionError, ModuleNotFoundError)):
            for block in blocks_of(file, file.name):
                page.run(block)
            page.finish()
        page.answer = None


def test_an_exception_needs_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    fence = "```bash\nfalse\n```\n\n"
    file.write_text(f"<!-- not run -->\n{fence}<!-- not run: needs Docker -->\n{fence}{fence}")
    first, second, third = blocks_of(file, file.name)
    assert first.not_run == "" and not is_excused(first)
    assert second.not_run == "needs Docker" and is_excused(second)
    assert third.not_run is None and not is_excused(third)
