"""What one client can occupy of the web process: silent, slow and enormous requests, written by hand."""

import gzip
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework_simplejwt.tokens import AccessToken

from tests.e2e.conftest import BATCH, FRONT_SECONDS
from tests.e2e.front import JOBS, JSON, KEY, SIXTY_MB, SUBMISSION, authorization, served_meanwhile
from tests.e2e.raw import PROBLEM, Answer, Connection, connections
from tests.e2e.test_export_costs import web_process


class TestSilence:
    def test_forty_silent_bodies_and_forty_slow_headers_hold_nobody_up(self, address: str, alice: httpx.Client) -> None:
        with (
            connections(address, 40) as silent,
            connections(address, 40) as slow,
            connections(address, 1) as (signed_in,),
            served_meanwhile(address),
        ):
            for each in silent:
                each.ask("POST /api/token", JSON, "Content-Length: 100")
            for each in slow:
                each.send(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            signed_in.ask(JOBS, authorization(alice), JSON, "Content-Length: 2000000", body=b"{")
            begun = time.monotonic()
            while time.monotonic() - begun < FRONT_SECONDS - 1:  # a byte now and then does not extend the limit
                for each in slow:
                    each.send(b"a")
                time.sleep(0.2)
            assert alice.get(f"{BATCH}/jobs?limit=1").status_code == 200
            for each in (*silent, *slow, signed_in):
                assert each.answer().is_problem(408)
                assert each.is_ended()
            assert time.monotonic() - begun < FRONT_SECONDS + 4

    def test_a_connection_that_says_nothing_is_closed_without_a_word(self, address: str) -> None:
        with connections(address, 1) as (idle,):
            begun = time.monotonic()
            assert idle.is_ended()
            assert FRONT_SECONDS - 0.5 < time.monotonic() - begun < FRONT_SECONDS + 4

    def test_readers_that_take_nothing_hold_no_thread(self, address: str) -> None:
        page = httpx.get(f"{address}/api/docs").text
        script = next(part.split('"')[0] for part in page.split('src="')[1:] if "bundle" in part)
        with connections(address, 30, receive_buffer=4096) as readers, served_meanwhile(address):
            for each in readers:
                each.ask(f"GET {script}")
                assert each.socket.recv(12) == b"HTTP/1.1 200"
            time.sleep(1)


def test_thirty_logins_at_once_leave_threads_to_others(address: str) -> None:
    body = b'{"username": "nobody", "password": "a guess"}'
    with connections(address, 30) as guessers, served_meanwhile(address):
        for each in guessers:
            each.ask("POST /api/token", JSON, f"Content-Length: {len(body)}", body=body)
        assert {each.answer().status for each in guessers} <= {401, 429, 503}


class TestStrangers:
    def test_three_bodies_of_60_mb_are_refused_before_they_come(self, address: str) -> None:
        web = web_process(address)
        before = web.memory_info().rss

        def attack(header: str) -> tuple[int, Answer]:
            with connections(address, 1) as (attacker,):
                attacker.ask(JOBS, JSON, header, f"Content-Length: {SIXTY_MB}")
                return attacker.flood(b"[" * 65_536, SIXTY_MB), attacker.answer()

        with served_meanwhile(address), ThreadPoolExecutor(3) as pool:
            begun = time.monotonic()
            for header in ("X-No: credential", f"Cookie: sessionid={'x' * 32}", "Authorization: Bearer a.b.c"):
                for sent, answer in pool.map(attack, [header] * 3):
                    assert answer.is_problem(401) and answer.headers["www-authenticate"] == 'Bearer realm="api"'
                    assert sent < 32 << 20
            assert time.monotonic() - begun < 10
        assert web.memory_info().rss - before < 32 << 20

    def test_a_token_that_has_expired_or_is_forged(self, address: str, alice: httpx.Client) -> None:
        expired = AccessToken()
        expired.set_exp(lifetime=-timedelta(hours=1))
        good = alice.headers["Authorization"].removeprefix("Bearer ")
        for token in (str(expired), good[:-4] + "AAAA", "", "a b"):
            with connections(address, 1) as (client,):
                client.ask(JOBS, f"Authorization: Bearer {token}", JSON, f"Content-Length: {SIXTY_MB}")
                assert client.answer().is_problem(401)

    def test_every_address_refuses_their_large_bodies_at_once(self, address: str) -> None:
        paths = list(addresses(get_resolver()))
        assert len(paths) > 60
        with ThreadPoolExecutor(4) as pool:
            for path, answer in zip(paths, pool.map(lambda path: self._refused(address, path), paths), strict=True):
                assert answer.is_problem(401 if path.startswith("/api/v2/") else 413), path

    def _refused(self, address: str, path: str) -> Answer:
        with connections(address, 1, seconds=FRONT_SECONDS - 0.5) as (client,):  # nobody waited for the body
            client.ask(f"POST {path}", f"Content-Length: {SIXTY_MB}")
            return client.answer()

    def test_expecting_to_go_on(self, address: str, alice: httpx.Client) -> None:
        expect = ("Expect: 100-continue", JSON, f"Content-Length: {len(SUBMISSION)}")
        with connections(address, 1) as (client,):
            client.ask(f"POST {BATCH}/greeks", *expect)
            assert client.answer().is_problem(401)
        with connections(address, 1) as (client,):
            client.ask(f"POST {BATCH}/greeks", authorization(alice), *expect)
            assert client.answer().status == 100
            client.send(SUBMISSION)
            assert client.answer().status == 200


NOBODY = "0" * 8 + "-0000-0000-0000-" + "0" * 12


def addresses(resolver: URLResolver, prefix: str = "/") -> Iterator[str]:
    """Yield an address for each entry of the URLconf, with values for its parameters."""
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern).removeprefix("^").replace("\\Z", "").removesuffix("$")
        if isinstance(entry, URLResolver):
            yield from addresses(entry, route)
        elif isinstance(entry, URLPattern) and "(?P" not in route:
            for name, value in (
                ("<uuid:job_id>", NOBODY),
                ("<uuid:config_id>", NOBODY),
                ("<path:object_id>", "1"),
                ("<id>", "1"),
                ("<str:name>", "mine"),
                ("<int:number>", "1"),
            ):
                route = route.replace(name, value)
            yield route.replace("<path:instrument_key>", KEY).replace("<path:underlying>", "NIFTY")


class TestPacked:
    @pytest.mark.parametrize(("path", "limit"), [("/api/token", 4 << 10), ("/api/v2/signals/realtime/greeks", 256_000)])
    def test_what_unpacks_to_more_than_its_address_takes(
        self, address: str, alice: httpx.Client, path: str, limit: int
    ) -> None:
        body = gzip.compress(b" " * (2 << 20))
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        if path != "/api/token":
            headers["Authorization"] = alice.headers["Authorization"]
        answer = httpx.post(f"{address}{path}", content=body, headers=headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (413, PROBLEM)
        assert answer.json()["detail"] == f"the body is over {limit} bytes"


class TestCookies:
    @pytest.mark.parametrize("path", [f"{BATCH}/jobs", "/admin/", "/api/token"])
    @pytest.mark.parametrize("value", [r'"\000abcdefgh"', "a" * 8, "A" * 32, "é" * 32, "a" * 5000])
    def test_what_is_no_key_of_a_session_is_none(self, address: str, path: str, value: str) -> None:
        with connections(address, 1) as (client,):
            client.ask(f"GET {path}", f"Cookie: sessionid={value}")
            assert client.answer().status == {f"{BATCH}/jobs": 401, "/admin/": 302, "/api/token": 405}[path]

    def test_nor_with_a_large_body(self, address: str) -> None:
        with connections(address, 1) as (client,):
            client.ask(JOBS, JSON, r'Cookie: sessionid="\000abcdefgh"', f"Content-Length: {SIXTY_MB}")
            assert client.answer().is_problem(401)

    def test_others_do_not_hide_a_session(self, browser: httpx.Client) -> None:
        session = browser.cookies["sessionid"]
        for other in ('prefs={"a":1}', "prefs=é", "a@b=[1]", '"', "x" * 20_000):
            with connections(str(browser.base_url), 1) as (client,):
                client.ask(f"GET {BATCH}/jobs", f"Cookie: {other}; sessionid={session}")
                assert client.answer().status == 200, other


class TestNames:
    def test_longer_than_a_name(self, address: str) -> None:
        def token(name: str) -> httpx.Response:
            return httpx.post(f"{address}/api/token", json={"username": name, "password": "x"}, timeout=30)

        answer = token("a" * 200)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "username")
        for name in ("a" * 5_000, "a" * (10 << 20)):
            answer = token(name)
            assert (answer.status_code, answer.headers["Content-Type"]) == (413, PROBLEM)

    def test_of_an_underlying_and_an_exchange(self, alice: httpx.Client) -> None:
        for name in ("underlying", "exchange"):
            answer = alice.post(f"{BATCH}/jobs", json={"kind": "greeks", "selector": {name: "A" * 100_000}})
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, f"selector.{name}")


def test_one_callers_large_bodies_leave_places_to_others(
    address: str, login: Callable[[str], httpx.Client], alice: httpx.Client
) -> None:
    def begin(client: Connection, who: httpx.Client) -> None:
        client.ask(JOBS, authorization(who), JSON, f"Content-Length: {SIXTY_MB}", body=b" " * 100_000)

    with connections(address, 4) as four, connections(address, 1) as (fifth,):
        for each in four:
            begin(each, alice)
        time.sleep(0.3)
        begin(fifth, alice)
        answer = fifth.answer()
        assert answer.is_problem(429) and answer.headers["retry-after"] == "5"
        large: dict[str, Any] = {"kind": "greeks", "items": [KEY] * 30_000, "dry_run": True}
        assert login("bob").post(f"{BATCH}/jobs", json=large).status_code == 200
