"""A headless Chromium for tests, driven by its own protocol (DevTools)."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_SECONDS = 30
COMMAND_SECONDS = 20


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page. `errors` collects what its console shows as errors, and exceptions that nothing caught."""

    def __init__(self, connection: ClientConnection) -> None:
        self.errors: list[str] = []
        self._connection, self._numbers = connection, itertools.count(1)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(COMMAND_SECONDS))
            if message.get("id") == number:
                assert "error" not in message, (method, message)
                found: dict[str, Any] = message["result"]
                return found
            self._note(message.get("method"), message.get("params", {}))

    def _note(self, event: str | None, said: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            self.errors.append(str(said["exceptionDetails"].get("exception", {}).get("description", said)))
        elif event == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.errors.append(str([each.get("value", each.get("description")) for each in said["args"]]))
        elif event == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")

    def open(self, address: str) -> None:
        self.command("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Return the value of an expression. Raises AssertionError for what it throws."""
        found = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, condition: str, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < deadline, (condition, self.run("document.body.innerText"), self.errors)
            time.sleep(0.05)

    def scheme(self, name: str) -> None:
        """Prefer light or dark."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.command("Page.captureScreenshot")["data"]))


@contextmanager
def running_tab(program: str, folder: Path, size: tuple[int, int] = (1000, 800)) -> Iterator[Tab]:
    """Start a browser with a profile of its own in `folder`, and open one page."""
    root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses to run as root
    quiet = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    command = [program, "--headless=new", *root, *quiet, f"--user-data-dir={folder}", "--remote-debugging-port=0"]
    with (folder.parent / "chromium.log").open("wb") as log:
        browser = subprocess.Popen(
            [*command, f"--window-size={size[0]},{size[1]}", "about:blank"], stdout=log, stderr=log
        )
        try:
            with connect(_page(folder, browser), max_size=None) as connection:
                yield Tab(connection)
        finally:
            browser.terminate()
            browser.wait(20)


def _page(folder: Path, browser: "subprocess.Popen[bytes]") -> str:
    """Return the address of the page that the browser has opened."""
    chosen, deadline = folder / "DevToolsActivePort", time.monotonic() + START_SECONDS
    while True:
        assert browser.poll() is None and time.monotonic() < deadline, "the browser did not start"
        time.sleep(0.05)
        if chosen.exists() and (port := chosen.read_text().partition("\n")[0]):
            pages = httpx.get(f"http://127.0.0.1:{port}/json/list").json()
            if found := [page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"]:
                return str(found[0])
