"""Live reads as the event loop answers them: what Django's view answers, and nothing to whom it would refuse."""

import json
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from django.conf import settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from signalsite.embedded.service import free_port
from signalsite.foundation.redis import client as redis_client
from signalsite.management.commands.up import BIN
from tests.e2e.conftest import ROOT, own_database, succeed
from tests.e2e.raw import connections
from tests.e2e.sockets import Web, running_web
from tests.e2e.test_sockets_faults import valkey_pids

LIVE, ALIAS = "/api/v2/signals/realtime", "/api/v2/realtime"
UNDERLYING = "CBOE@RDX"
CALL = f"{UNDERLYING}@equity_options@2099-03-18@call@"
PUT = CALL.replace("call", "put")
BROKEN = f"{CALL}40"
REVOCATION_SECONDS = 10.0


@pytest.fixture(scope="module", autouse=True)
def market(address: str) -> Iterator[None]:
    """A chain of thirty strikes, with a state that is none and a slice that is none."""
    redis, latest = redis_client(settings.REDIS_URL), f"latest:{UNDERLYING}"

    def state(key: str, price: float | str | None) -> str:
        times = {"time": "2026-03-02T05:30:00.25+00:00", "as_of": "2026-03-02T11:00:01+05:30"}
        return json.dumps({"instrument_key": key, **times, "tick": {"ltp": price}, "greeks": None})

    keys = [f"{side}{strike}" for side in (CALL, PUT) for strike in range(20, 50)]
    redis.hset(latest, mapping={key: state(key, strike) for strike, key in enumerate(keys)})
    redis.hset(f"latest_seq:{UNDERLYING}", mapping=dict.fromkeys(keys, "1-1"))
    redis.hset(latest, f"{UNDERLYING}@equity_spot", state(f"{UNDERLYING}@equity_spot", "33.2"))
    redis.hset(latest, BROKEN, '{"time":"2026-12-01T10:00:00"+05:30","tick":{}}')
    redis.hset(latest, f"chain:{UNDERLYING}:2099-03-18", '{"forward":33.25,"forward_source":"parity"}')
    redis.set("latest:CBOE@NONE", "not a hash")
    yield
    redis.delete(latest, f"latest_seq:{UNDERLYING}", "latest:CBOE@NONE")


@pytest.fixture(scope="module")
def django(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same service behind a plain WSGI server: every answer is a view's."""
    port, log = free_port(), tmp_path_factory.mktemp("wsgi") / "log"
    command = [str(BIN / "uvicorn"), "signalsite.wsgi:application", "--interface", "wsgi", "--port", str(port)]
    with log.open("w") as output, subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output) as process:
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


def counted(address: str) -> dict[str, float]:
    """The figures of /metrics that count requests, without those of the other addresses."""
    found = {}
    for line in httpx.get(f"{address}/metrics").text.splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith(("django_http_", "http_live_reads")) and "_created" not in name:
            found[name] = float(value)
    return found


def on_the_loop(address: str) -> float:
    return counted(address)["http_live_reads_total"]


AGES = re.compile(rb'"(age_seconds|computed_age_seconds)":-?[0-9.e-]+|"at":"[^"]+"|,"request_id":"[0-9a-f]{16}"')
OF_THE_SERVER = {"date", "server", "connection", "content-length", "x-request-id"}


def told(answer: httpx.Response) -> tuple[Any, ...]:
    assert int(answer.headers["content-length"]) == len(answer.content) or answer.request.method == "HEAD"
    headers = {name: value for name, value in answer.headers.items() if name not in OF_THE_SERVER}
    return answer.status_code, headers, AGES.sub(b"", answer.content)


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
]
DJANGOS = [  # what the event loop leaves to it
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
]


class TestTheSame:
    """Each request to the gate and to Django alone."""

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
                client.send(ours)  # the first of its kind is Django's
                return client.send(ours), client.send(theirs)

        return both

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("base", [LIVE, ALIAS])
    def test_what_the_loop_answers(self, address: str, ask: Any, base: str, method: str) -> None:
        kinds = ("/greeks/NSE@NIFTY", "/greeks?keys=NSE@NIFTY", f"/chain/{UNDERLYING}")
        for path in kinds:
            ask(method, f"{base}{path}")
        before = on_the_loop(address)
        for path in GET:
            ours, theirs = ask(method, f"{base}{path}")
            assert told(ours) == told(theirs), path
        assert on_the_loop(address) - before == 2 * len(GET)

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
                assert method == "BREW"  # the server's parser refuses it
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


def refused(address: str, path: str, *headers: str) -> int:
    with connections(address, 1) as (client,):
        client.ask(f"GET {path}", *headers)
        answer = client.answer()
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == 'Bearer realm="api"'
        return answer.status


def of(user_id: int, kind: type[Any] = AccessToken, **claims: Any) -> str:
    made = kind()
    made["user_id"] = str(user_id)
    for name, value in claims.items():
        made[name] = value
    return str(made)


def test_no_credential_or_a_wrong_one(address: str, alice: httpx.Client) -> None:
    scheme, good = alice.headers["Authorization"].split()
    alice.get(f"{LIVE}/greeks/{CALL}20")
    head, claims, signature = good.split(".")
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"  # {"alg":"none","typ":"JWT"}
    own = json.loads(httpx.post(f"{address}/api/token", json={}).content)
    assert own["status"] == 400
    shown = [
        f"{scheme} {bad}" for bad in ("", "x", f"{good} {good}", good[:-3], f"{none}.{claims}.", f"{head}.{claims}.")
    ]
    shown += [f"{scheme} {none}.{claims}.{signature}", f"{scheme} {of(1, RefreshToken)}", f"{scheme} {of(1, exp=1)}"]
    shown += [f"{scheme} {of(10**17)}", f"{scheme} {of(0)}", f"{scheme} {of(1)}", f"{scheme} {of(1, sid='none')}"]
    shown += [f"bearer {good}", f"Basic {good}", good, f"{scheme} {'a' * 30_000}"]
    for path in (f"{LIVE}/greeks/{CALL}20", f"{LIVE}/greeks", f"{LIVE}/chain/NIFTY", f"{ALIAS}/greeks/nonsense"):
        assert refused(address, path) == 401
        for each in shown:
            assert refused(address, path, f"Authorization: {each}") == 401, each
        assert refused(address, path, f"Authorization: {scheme} x", f"Authorization: {scheme} {good}") == 401
    with connections(address, 1) as (client,):
        client.ask(f"GET {LIVE}/greeks/{CALL}20", f"Authorization: {scheme} {'a' * 40_000}")
        assert client.answer().is_problem(431)


MAKE = """
import os
from django.contrib.auth.models import User
User.objects.filter(username__startswith="reader").delete()
for name in os.environ["NAMES"].split(","):
    User.objects.create_user(name, password=os.environ["PASSWORD"])
"""
ENDINGS = {
    "closed": "user.is_active = False; user.save()",
    "other_password": "user.set_password('another-of-twelve'); user.save()",
    "deleted": "user.delete()",
    "ended_by_hand": "user.sign_ins.all().delete()",
}


class TestRevocation:
    @pytest.fixture
    def webs(self, address: str, tmp_path: Path) -> Iterator[list[Web]]:
        with running_web(tmp_path / "one.log") as one, running_web(tmp_path / "other.log") as other:
            yield [one, other]

    def readers(self, webs: list[Web], names: list[str]) -> dict[str, list[httpx.Client]]:
        succeed("shell", "-v0", "-c", MAKE, NAMES=",".join(f"reader_{name}" for name in names), PASSWORD="reader-of-12")
        found = {}
        for name in names:
            at = f"http://127.0.0.1:{webs[0].port}"
            pair = httpx.post(f"{at}/api/token", json={"username": f"reader_{name}", "password": "reader-of-12"})
            token = pair.raise_for_status().json()
            found[name] = [
                httpx.Client(
                    base_url=f"http://127.0.0.1:{web.port}",
                    headers={"Authorization": f"Bearer {token['access']}", "X-Refresh": token["refresh"]},
                    timeout=30,
                )
                for web in webs
            ]
            for client in found[name]:
                for _ in range(2):
                    client.get(f"{LIVE}/greeks/{CALL}20").raise_for_status()
        return found

    def until_refused(self, clients: list[httpx.Client], expected: int = 200) -> float:
        """Seconds until each is answered 401, having been answered as expected before."""
        begun = time.monotonic()
        for client in clients:
            while (status := client.get(f"{LIVE}/greeks/{CALL}20").status_code) != 401:
                assert status == expected
                assert time.monotonic() - begun < 30
                time.sleep(0.02)
        return time.monotonic() - begun

    def end(self, name: str) -> None:
        code = f"from django.contrib.auth.models import User; user = User.objects.get(username='reader_{name}'); "
        succeed("shell", "-v0", "-c", code + ENDINGS[name])

    def test_holds_in_every_process(self, webs: list[Web]) -> None:
        found = self.readers(webs, [*ENDINGS, "signed_out", "untouched"])
        for name in ENDINGS:
            self.end(name)
            assert self.until_refused(found[name]) < REVOCATION_SECONDS, name
        one = found["signed_out"][0]
        assert one.post("/api/token/logout", json={"refresh": one.headers["X-Refresh"]}).status_code == 204
        assert self.until_refused(found["signed_out"]) < 2  # the control plane tells it
        before = [on_the_loop(str(client.base_url)) for client in found["untouched"]]
        for client in found["untouched"]:
            assert client.get(f"{LIVE}/greeks/{CALL}20").status_code == 200
        assert [on_the_loop(str(client.base_url)) for client in found["untouched"]] == [each + 1 for each in before]

    def test_holds_with_redis_away(self, webs: list[Web]) -> None:
        found = self.readers(webs, ["closed", "signed_out", "untouched"])
        stopped = valkey_pids()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            answer = found["untouched"][0].get(f"{LIVE}/greeks/{CALL}20")
            assert time.monotonic() - begun < 5
            assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
            assert answer.json()["detail"] == "storage is not available, try again"
            with psycopg.connect(own_database()) as connection:  # no command runs without Redis
                connection.execute("UPDATE auth_user SET is_active = false WHERE username = 'reader_closed'")
            one = found["signed_out"][0]
            assert one.post("/api/token/logout", json={"refresh": one.headers["X-Refresh"]}).status_code == 204
            with ThreadPoolExecutor() as pool:
                waits = pool.map(lambda name: self.until_refused(found[name], expected=503), ("closed", "signed_out"))
                assert max(waits) < REVOCATION_SECONDS
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        for client in found["untouched"]:
            deadline = time.monotonic() + 10
            while client.get(f"{LIVE}/greeks/{CALL}20").status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_forty_readers_with_nonsense_harm_nobody_and_leave_nothing_behind(
    address: str, alice: httpx.Client, tmp_path: Path
) -> None:
    """Keys of 10,000 bytes, keys of no instrument by the ten thousand, and whoever pipelines them and never reads."""
    with running_web(tmp_path / "web.log") as web:
        at, token = f"http://127.0.0.1:{web.port}", f"Authorization: {alice.headers['Authorization']}"
        assert web.process is not None
        process = psutil.Process(web.process.pid)

        def ask(reader: int, rounds: int) -> set[int]:
            statuses = set()
            with connections(at, 1, seconds=60) as (client,):
                for number in range(rounds):
                    for place in range(16):
                        strike = (number * 16 + place) * 40 + reader + 100
                        key = f"{CALL}{strike}" if place else "A" * 10_000
                        client.ask(f"GET {LIVE}/greeks/{key}", token)
                    statuses |= {client.answer().status for _ in range(16)}
            return statuses

        with ThreadPoolExecutor(40) as pool, connections(at, 10) as deaf:
            assert set().union(*pool.map(lambda reader: ask(reader, 10), range(40))) == {404, 400}
            before = process.memory_info().rss
            for each in deaf:
                for _ in range(15):
                    each.ask(f"GET {LIVE}/chain/{UNDERLYING}?strikes=all", token)
            asking = [pool.submit(ask, reader, 50) for reader in range(30)]
            with httpx.Client(base_url=at, headers={"Authorization": alice.headers["Authorization"]}) as good:
                waits = []
                while not all(each.done() for each in asking):
                    begun = time.monotonic()
                    assert good.get(f"{LIVE}/greeks/{CALL}20").status_code == 200
                    waits.append(time.monotonic() - begun)
                    time.sleep(0.05)
            assert set().union(*(each.result() for each in asking)) == {404, 400}
            assert max(waits) < 5
        assert process.memory_info().rss - before < 50 << 20
        assert web.metric("http_live_reads_total") > 20_000
        log = (tmp_path / "web.log").read_text()
        assert log.count("\n") < 100


def test_pipelined_reads_are_answered_in_order(address: str, alice: httpx.Client) -> None:
    token = f"Authorization: {alice.headers['Authorization']}"
    keys = [f"{CALL}20", f"{PUT}21", f"{CALL}999", "nonsense", f"{CALL}22"] * 3
    with connections(address, 1) as (client,):
        for key in keys:
            client.ask(f"GET {LIVE}/greeks/{key}", token)
        for key in keys:
            assert key in client.answer().body.decode()


def test_a_broken_state_is_one_line_in_the_log(address: str, alice: httpx.Client, tmp_path: Path) -> None:
    with running_web(tmp_path / "web.log") as web, httpx.Client(base_url=f"http://127.0.0.1:{web.port}") as client:
        for _ in range(50):
            answer = client.get(f"{LIVE}/greeks/{BROKEN}", headers={"Authorization": alice.headers["Authorization"]})
            assert answer.json()["status"] == "unreadable"
        assert (tmp_path / "web.log").read_text().count("cannot be read") == 1


def test_the_icon(address: str) -> None:
    answer = httpx.get(f"{address}/favicon.ico", follow_redirects=True)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")


def test_in_production_plain_http_is_sent_to_https_and_https_gets_its_headers(
    address: str, passwords: dict[str, str], tmp_path: Path
) -> None:
    production = {"SIGNALSITE_ENV": "production", "SECRET_KEY": secrets.token_urlsafe(64), "ALLOWED_HOSTS": "127.0.0.1"}
    production |= {"DATABASE_URL": own_database(), "REDIS_URL": settings.REDIS_URL, "CACHE_URL": settings.REDIS_URL}
    production |= {"METRICS_TOKEN": "of-more-than-twenty-characters"}
    https = {"X-Forwarded-Proto": "https"}
    with (
        running_web(tmp_path / "web.log", **production) as web,
        httpx.Client(base_url=f"http://127.0.0.1:{web.port}") as client,
    ):
        signing_in = {"username": "alice", "password": passwords["alice"]}
        token = client.post("/api/token", json=signing_in, headers=https).raise_for_status().json()["access"]
        client.headers["Authorization"] = f"Bearer {token}"
        for _ in range(3):
            assert client.get(f"{LIVE}/greeks/{CALL}20").status_code == 301
            assert client.get(f"{LIVE}/greeks/{CALL}20", headers={"X-Forwarded-Proto": "http"}).status_code == 301
            answer = client.get(f"{LIVE}/greeks/{CALL}20", headers=https)
            assert answer.status_code == 200 and "max-age=" in answer.headers["Strict-Transport-Security"]
        shown = {"Authorization": f"Bearer {production['METRICS_TOKEN']}"}
        lines = client.get("/metrics", headers=shown).text.splitlines()
        assert "http_live_reads_total 2.0" in lines
        by_view = "django_http_requests_total_by_view_transport_method_total"
        assert f'{by_view}{{method="GET",transport="https",view="live-greeks"}} 3.0' in lines
