"""Live reads: the event loop refuses every credential that Django refuses, and a revoked one within seconds."""

import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from django.conf import settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from tests.e2e.conftest import own_database, succeed
from tests.e2e.live_reads import ALIAS, CALL, LIVE, live_market, on_the_loop
from tests.e2e.raw import connections
from tests.e2e.sockets import Web, running_web
from tests.e2e.valkey import valkey_pids

REVOCATION_SECONDS = 10.0
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


@pytest.fixture(scope="module", autouse=True)
def market(address: str) -> Iterator[None]:
    with live_market():
        yield


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
        """Return the seconds until each client gets 401; before that it must get the expected status."""
        begun = time.monotonic()
        for client in clients:
            while (status := client.get(f"{LIVE}/greeks/{CALL}20").status_code) != 401:
                assert status == expected
                assert time.monotonic() - begun < 30
                time.sleep(0.02)
        return time.monotonic() - begun

    def end_all(self) -> None:
        code = "from django.contrib.auth.models import User\n"
        for name, ending in ENDINGS.items():
            code += f"user = User.objects.get(username='reader_{name}'); {ending}\n"
        succeed("shell", "-v0", "-c", code)

    def test_holds_in_every_process(self, webs: list[Web]) -> None:
        found = self.readers(webs, [*ENDINGS, "signed_out", "untouched"])
        self.end_all()
        with ThreadPoolExecutor() as pool:
            waits = dict(zip(ENDINGS, pool.map(lambda name: self.until_refused(found[name]), ENDINGS), strict=True))
        assert max(waits.values()) < REVOCATION_SECONDS, waits
        one = found["signed_out"][0]
        assert one.post("/api/token/logout", json={"refresh": one.headers["X-Refresh"]}).status_code == 204
        assert self.until_refused(found["signed_out"]) < 2  # the control plane announces it
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
            with psycopg.connect(own_database()) as connection:  # management commands need Redis
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
