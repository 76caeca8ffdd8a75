"""The page of docs/browser.md, taken from the text, in a browser and from another origin than the service's."""

import functools
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.e2e.browser import Tab, chromium, running_tab
from tests.e2e.conftest import ROOT
from tests.e2e.docs_blocks import blocks_of
from tests.e2e.live_ticks import priced_chain, publish_ticks
from tests.e2e.sockets import Web, running_web

SYMBOL = "BROWSER"
UNDERLYING = f"NSE@{SYMBOL}"
PRICES = "[...document.querySelectorAll('tbody tr')].map(row => row.cells[0].textContent).join()"
STATUS = "document.querySelector('#status').textContent"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin that serves live.html, as `python3 -m http.server` does."""
    folder = tmp_path_factory.mktemp("site")
    for block in blocks_of(ROOT / "docs/browser.md", "docs/browser.md"):
        if block.file:
            (folder / block.file).write_text(block.code)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def web(site: str, address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process that allows the page's origin. The consumer is the service's."""
    log = tmp_path_factory.mktemp("web") / "web.log"
    with running_web(log, CORS_ALLOWED_ORIGINS=site) as served:
        yield served


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    if (program := chromium()) is None:
        pytest.skip("no Chromium is installed")
    with running_tab(program, tmp_path / "profile") as tab:
        yield tab


def sign_in(tab: Tab, password: str) -> None:
    for field, text in (("user", "alice"), ("password", password), ("underlying", SYMBOL)):
        tab.run(f"document.querySelector('#{field}').value = '{text}'")
    tab.run("document.querySelector('#sign-in').requestSubmit()")


def test_the_page_shows_a_chain_and_follows_it(
    web: Web, site: str, login: Callable[[str], httpx.Client], passwords: dict[str, str], tab: Tab, tmp_path: Path
) -> None:
    chain = priced_chain(login("alice"), UNDERLYING)
    tab.open(f"{site}/live.html?service=http://127.0.0.1:{web.port}")
    sign_in(tab, passwords["alice"])
    tab.until(f"{STATUS} === 'live: chain:{UNDERLYING}:{chain['expiry']}'")
    tab.until(f"{PRICES} === '11.20,4.10,0.90'")
    assert tab.run("[...document.querySelectorAll('tbody th')].map(head => head.textContent).join()") == "90,100,110"
    assert tab.run("document.querySelector('tr.money th').textContent") == "100"
    assert tab.run("[...document.querySelectorAll('tbody td')].every(cell => cell.textContent !== '')")
    assert tab.run("document.querySelector('#expiry').value") == chain["expiry"]
    changed = 0  # cells are marked until the next state, which may come before we look
    for step in (0.1, 0.2, 0.3, 0.4):
        publish_ticks(UNDERLYING, higher=step)
        tab.until(f"{PRICES} === '{11.2 + step:.2f},{4.1 + step:.2f},{0.9 + step:.2f}'")
        changed += tab.run("document.querySelectorAll('td.changed').length")
    assert changed > 0
    for scheme in ("light", "dark"):
        tab.scheme(scheme)
        tab.screenshot(tmp_path / f"{scheme}.png")
    assert (tmp_path / "light.png").read_bytes() != (tmp_path / "dark.png").read_bytes()
    assert tab.errors == []

    web.stop()
    publish_ticks(UNDERLYING, higher=0.3)
    tab.until(f"{STATUS}.startsWith('no connection')")
    web.start()
    tab.until(f"{PRICES} === '11.50,4.40,1.20'")
    publish_ticks(UNDERLYING, higher=0.4)
    tab.until(f"{PRICES} === '11.60,4.50,1.30'")
    assert not [error for error in tab.errors if "net::ERR_CONNECTION_REFUSED" not in error]


def test_the_page_says_what_is_wrong(web: Web, site: str, passwords: dict[str, str], tab: Tab) -> None:
    tab.open(f"{site}/live.html?service=http://127.0.0.1:{web.port}")
    sign_in(tab, "wrong")
    tab.until(f"{STATUS} !== '' && document.querySelector('#status.wrong') !== null")
    tab.run("document.querySelector('#underlying').value = 'no underlying'")
    sign_in_again = "document.querySelector('#password').value = '{}'".format(passwords["alice"])
    tab.run(sign_in_again)
    tab.run("document.querySelector('#underlying').value = 'NOSUCH'")
    tab.run("document.querySelector('#sign-in').requestSubmit()")
    tab.until(f"{STATUS} === 'no live options of NSE@NOSUCH'")


def test_another_origin_learns_nothing(site: str, address: str, passwords: dict[str, str], tab: Tab) -> None:
    """The service of the other tests allows no origin."""
    tab.open(f"{site}/live.html?service={address}")
    sign_in(tab, passwords["alice"])
    tab.until(f"{STATUS} === 'Failed to fetch'")
    assert any("CORS" in error for error in tab.errors)
