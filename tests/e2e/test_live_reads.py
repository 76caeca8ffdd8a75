"""Live reads: the event loop answers exactly as Django's views do."""

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from signalsite.embedded.service import free_port
from tests.e2e.live_reads import ALIAS, BROKEN, CALL, EXPIRY, LIVE, PUT, UNDERLYING, counted, live_market, on_the_loop
from tests.e2e.sockets import UVICORN
from tests.forks import the_forks

AGES = re.compile(rb'"(age_seconds|computed_age_seconds)":-?[0-9.e-]+|"at":"[^"]+"|,"request_id":"[0-9a-f]{16}"')
OF_THE_SERVER = {"date", "server", "connection", "content-length", "x-request-id"}
GET = [
    f"/greeks/{CALL}20",
    f"/greeks/{CALL}20?unknown=parameter&unknown=twice",
    f"/greeks/{CALL.replace('@', '%40')}20",
    f"/greeks/{BROKEN}",
    f"/greeks/{UNDERLYING}@equity_spot",
    f"/greeks/{CALL}999",
    f"/greeks/{CALL}20/",
    f"/greeks/{CALL}020",
    "/greeks/NSE@NIFTY",
    "/greeks/CBOE@NONE@equity_spot",
    "/greeks/NOWHERE@NIFTY@equity_spot",
    "/greeks/BTC/USDT",
    "/greeks/BTC%2FUSDT",
    "/greeks/nonsense",
    "/greeks/a:b",
    f"/greeks/{'A' * 120}",
    f"/greeks/{'A' * 10_000}",
    f"/greeks/{'@'.join(['NSE'] * 30)}",
    f"/greeks?keys={CALL}20",
    f"/greeks?keys={CALL}20,{PUT}20,{CALL}20,,{BROKEN},NSE@NIFTY",
    f"/greeks?keys={CALL}20&keys={CALL}21",
    f"/greeks?keys={CALL}20&more=1",
    "/greeks?keys=",
    "/greeks?keys=,",
    "/greeks?keys=CBOE@NONE@equity_spot,NSE@NIFTY",
    f"/greeks?keys={CALL}20,nonsense",
    f"/greeks?keys={CALL}'20",
    "/greeks",
    f"/chain/{UNDERLYING}",
    f"/chain/{UNDERLYING}?strikes=3",
    f"/chain/{UNDERLYING}?strikes=all",
    f"/chain/{UNDERLYING}?strikes=30:35&expiry=2099-03-18",
    f"/chain/{UNDERLYING}?strikes=35:30",
    f"/chain/{UNDERLYING}?strikes=9999",
    f"/chain/{UNDERLYING}?strikes=ten",
    f"/chain/{UNDERLYING}?expiry=2099-03-19",
    f"/chain/{UNDERLYING}?expiry=0001-01-01",
    f"/chain/{UNDERLYING}?expiry=2099-13-19&strikes=ten",
    f"/chain/{UNDERLYING}?expiry=&more=1",
    f"/chain/{CALL}20",
    "/chain/NOSUCH",
    "/chain/nosuch?strikes=9999",
    "/chain/BTC/USDT",
    "/chain/CBOE@NONE",
    f"/moneyness/{UNDERLYING}/greeks/ATM",
    f"/moneyness/{UNDERLYING}/greeks/ATM?expiry={EXPIRY}",
    f"/moneyness/{UNDERLYING.replace('@', '%40')}/greeks/ATM",
    f"/moneyness/{UNDERLYING}/greeks/OTM1",
    f"/moneyness/{UNDERLYING}/greeks/OTM0",
    f"/moneyness/{UNDERLYING}/greeks/greeks/ATM",
    "/moneyness/BTC/USDT/greeks/ATM",
    "/moneyness/NOSUCH/greeks/ATM",
    "/moneyness/CBOE@NONE/greeks/ATM",
    f"/moneyness/{UNDERLYING}/atm-iv",
    f"/moneyness/{UNDERLYING}/atm-iv?expiry=2099-03-19",
    f"/moneyness/{UNDERLYING}/atm-iv?expiry=0001-01-01",
    f"/moneyness/{UNDERLYING}/atm-iv?expiry=&more=1",
    f"/moneyness/{UNDERLYING}/otm-delta?delta=0.05&option_type=put",
    f"/moneyness/{UNDERLYING}/otm-delta?delta=0.49&option_type=call&expiry={EXPIRY}",
    f"/moneyness/{UNDERLYING}/otm-delta?delta=nan&option_type=put",
    f"/moneyness/{UNDERLYING}/otm-delta?delta={'9' * 400}&option_type=put",
    f"/moneyness/{UNDERLYING}/otm-delta",
    f"/smile/{UNDERLYING}",
    f"/smile/{UNDERLYING}?expiry=2099-03-19",
    f"/analytics/{UNDERLYING}",
    f"/term-structure/{UNDERLYING}",
    f"/term-structure/{UNDERLYING}?expiry={EXPIRY}",
    f"/surface/{UNDERLYING}",
    "/surface/NOSUCH",
    f"/surface/{CALL}20",
]
DJANGOS = [  # paths that the event loop leaves to Django
    "/greeks/",
    "/chain/",
    "/chain",
    f"/greeks/{CALL}20%0A",
    f"/greeks/{CALL}20%00",
    "/greeks/%FF%FE",
    "/greeks/%F0%9F%98%80",
    "/greeks/'%22%5C;--",
    f"/greeks?keys={','.join(f'{CALL}{strike}' for strike in range(1, 150))}",
    f"/greeks?keys={CALL}20&{'&'.join(f'x{n}=1' for n in range(1100))}",
    "/chain/NIFTY%20?strikes=%2B1",
    "/nothing/at/all",
    f"/moneyness/{UNDERLYING}",
    f"/moneyness/{UNDERLYING}/greeks",
    f"/moneyness/{UNDERLYING}/greeks/ATM/",
    f"/moneyness/{UNDERLYING}/greeks/ATM%00",
    f"/moneyness/{UNDERLYING}%0A/atm-iv",
    f"/smile/{UNDERLYING}?as_of=2026-01-05",
    f"/moneyness/{UNDERLYING}/greeks/ATM?as_of=0001-01-01",
]


@pytest.fixture(scope="module", autouse=True)
def market(address: str) -> Iterator[None]:
    with live_market():
        yield


@pytest.fixture(scope="module")
def django(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same service behind a plain WSGI server, where the views answer everything."""
    port, log = free_port(), tmp_path_factory.mktemp("wsgi") / "log"
    command = ["signalsite.wsgi:application", "--interface", "wsgi", "--port", str(port)]
    with log.open("w") as output:
        process = the_forks().start(command, script=UVICORN, environment=os.environ, output=output, errors=output)
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health")
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline and process.poll() is None, log.read_text()
            time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


def told(answer: httpx.Response) -> tuple[Any, ...]:
    assert int(answer.headers["content-length"]) == len(answer.content) or answer.request.method == "HEAD"
    headers = {name: value for name, value in answer.headers.items() if name not in OF_THE_SERVER}
    return answer.status_code, headers, AGES.sub(b"", answer.content)


def metric(address: str, name: str) -> float:
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


class TestTheSame:
    """Send each request to the event loop and to Django alone, and compare."""

    @pytest.fixture
    def ask(
        self, address: str, django: str, alice: httpx.Client
    ) -> Callable[..., tuple[httpx.Response, httpx.Response]]:
        token = {"Authorization": alice.headers["Authorization"]}
        alice.get(f"{LIVE}/greeks/{CALL}20", headers={"Accept": "*/*"})

        def both(method: str, path: str, **options: Any) -> tuple[httpx.Response, httpx.Response]:
            headers = {**token, **options.pop("headers", {})}
            ours, theirs = (
                httpx.Request(method, f"{at}{path}", headers=headers, **options) for at in (address, django)
            )
            with httpx.Client(timeout=30) as client:
                client.send(ours)  # Django answers the first request of a kind
                return client.send(ours), client.send(theirs)

        return both

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("base", [LIVE, ALIAS])
    def test_what_the_loop_answers(self, address: str, ask: Any, base: str, method: str) -> None:
        chains = [f"/{name}/{UNDERLYING}" for name in ("chain", "smile", "analytics", "term-structure", "surface")]
        levels = [
            f"/moneyness/{UNDERLYING}/{name}"
            for name in ("greeks/ATM", "atm-iv", "otm-delta?delta=0.4&option_type=put")
        ]
        kinds = ("/greeks/NSE@NIFTY", "/greeks?keys=NSE@NIFTY", *chains, *levels)
        for path in kinds:
            ask(method, f"{base}{path}")
        before = on_the_loop(address)
        for path in GET:
            ours, theirs = ask(method, f"{base}{path}")
            assert told(ours) == told(theirs), path
        assert on_the_loop(address) - before == 2 * len(GET)

    def test_what_it_answers_from_memory(self, address: str, ask: Any) -> None:
        """Many requests make the hub follow the streams of instruments and of chains: the answers stay the same."""
        paths = (f"/greeks/{CALL}20", f"/smile/{UNDERLYING}")
        for path in (*paths, f"/moneyness/{UNDERLYING}/greeks/ATM", f"/chain/{UNDERLYING}", "/greeks?keys=NSE@NIFTY"):
            ours, _ = ask("GET", f"{LIVE}{path}")
        with httpx.Client(base_url=address, headers=ours.request.headers) as client:

            def ask_often() -> None:
                for path in paths * 150:
                    assert client.get(f"{LIVE}{path}").status_code == 200

            deadline = time.monotonic() + 20
            while metric(address, "signal_websocket_followed") < 2:
                assert time.monotonic() < deadline
                ask_often()
            remembered = 0.0
            for place, path in enumerate(GET):
                if place % 20 == 0:  # or on a slow machine the hub stops to follow what few requests ask for
                    ask_often()
                before = metric(address, "signal_websocket_remembered_total")
                ours, theirs = ask("GET", f"{LIVE}{path}")
                assert told(ours) == told(theirs), path
                remembered += metric(address, "signal_websocket_remembered_total") - before
        assert remembered > len(GET) / 3

    @pytest.mark.parametrize("path", DJANGOS)
    def test_what_it_leaves_to_django(self, address: str, ask: Any, path: str) -> None:
        before = on_the_loop(address)
        ours, theirs = ask("GET", f"{LIVE}{path}")
        assert told(ours) == told(theirs)
        assert on_the_loop(address) == before

    @pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
    def test_other_methods(self, ask: Any, method: str) -> None:
        for path in (f"/greeks/{CALL}20", "/greeks", f"/chain/{UNDERLYING}"):
            try:
                ours, theirs = ask(method, f"{LIVE}{path}")
            except httpx.RemoteProtocolError:
                assert method == "BREW"  # the server's parser rejects it
                continue
            if ours.status_code == 400 and method == "BREW":
                continue
            assert told(ours) == told(theirs)

    def test_a_body(self, ask: Any) -> None:
        ours, theirs = ask("GET", f"{LIVE}/greeks/{CALL}20", content=b"{}")
        assert told(ours) == told(theirs)
        ours, theirs = ask("POST", f"{LIVE}/greeks", json={"instrument_keys": [f"{CALL}20", BROKEN, "NSE@NIFTY"]})
        assert told(ours) == told(theirs)

    @pytest.mark.parametrize(
        "headers",
        [
            {"Accept": "application/json"},
            {"Accept": "application/json, text/plain, */*"},
            {"Accept": "text/html"},
            {"Accept": ""},
            {"Accept": "nonsense"},
            {"Accept": "application/json; indent=8"},
            {"Accept": "-"},
            {"Host": "nobodys.example"},
            {"Host": "localhost"},
            {"Host": "local host"},
            {"X-Forwarded-Proto": "https"},
            {"X-Requested-With": "XMLHttpRequest"},
            {"Origin": "https://nobodys.example"},
            {"If-None-Match": "*"},
            {"If-Modified-Since": "Fri, 27 Nov 2026 11:15:07 GMT"},
            {"Range": "bytes=0-1"},
            {"Cookie": "theme=dark"},
            {"Cookie": "sessionid=nothing"},
            {"X-HTTP-Method-Override": "DELETE"},
            {"Accept-Encoding": "gzip"},
        ],
    )
    def test_headers(self, ask: Any, headers: dict[str, str]) -> None:
        for path in (f"/greeks/{CALL}20", f"/greeks/{CALL}999", "/greeks/nonsense", "/greeks", f"/chain/{UNDERLYING}"):
            ours, theirs = ask("GET", f"{LIVE}{path}", headers=headers)
            assert told(ours) == told(theirs), path

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_prometheus_counts_them_as_djangos(self, address: str, django: str, ask: Any, method: str) -> None:
        paths = (f"/greeks/{CALL}20", f"/greeks/{CALL}999", "/greeks/nonsense", f"/chain/{UNDERLYING}", "/greeks")
        told_of: list[dict[str, float]] = []
        token = ask("GET", f"{LIVE}/greeks/{CALL}20")[0].request.headers["Authorization"]
        for at in (address, django):
            for path in ("/greeks?keys=NSE@NIFTY", *paths):
                httpx.request(method, f"{at}{LIVE}{path}", headers={"Authorization": token})
            before = counted(at)
            for path in paths:
                headers = {"Authorization": token, "X-Requested-With": "XMLHttpRequest"}
                httpx.request(method, f"{at}{LIVE}{path}", headers=headers)
            after = counted(at)
            sums = [name for name in after if name.partition("{")[0].endswith(("_sum", "_bucket"))]  # of times and ages
            found = {name: after[name] - before.get(name, 0.0) for name in after.keys() - set(sums)}
            told_of.append({name: value for name, value in found.items() if value})
        assert told_of[0].pop("http_live_reads_total") == len(paths)
        assert told_of[0] == told_of[1]


def test_the_icon(address: str) -> None:
    answer = httpx.get(f"{address}/favicon.ico", follow_redirects=True)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
