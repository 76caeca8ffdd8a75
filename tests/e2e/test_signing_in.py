"""Passwords, tokens and sign-ins, through the API and the admin's page: delays, exemptions, rotation and ends."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest
from django.conf import settings

from tests.e2e.conftest import BATCH, succeed
from tests.e2e.sign_ins import addresses, admin_sign_in, caller, is_problem, sign_in, until_refused
from tests.e2e.sockets import V1, V2, Web, running_web
from tests.e2e.valkey import valkey_pids

JOBS = f"{BATCH}/jobs"
ACCOUNT_ATTEMPTS = 7  # setting of the second process


@pytest.fixture(scope="module", autouse=True)
def accounts(address: str) -> dict[str, str]:
    """More accounts of the service, with their passwords."""
    made = {name: f"of-{name}-which-is-long" for name in ("clerk", "hunted", "present")}
    succeed("shell", "-v0", "-c", _MAKE, NAMES=",".join(made), PASSWORDS=",".join(made.values()))
    return made


_MAKE = """
import os
from django.contrib.auth.models import User
for name, password in zip(os.environ["NAMES"].split(","), os.environ["PASSWORDS"].split(",")):
    User.objects.create_user(name, password=password, is_staff=name == "clerk")
"""


@pytest.fixture(scope="module")
def second(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Another web process of the same service, which trusts a proxy on this machine."""
    environment = {"FORWARDED_ALLOW_IPS": "127.0.0.1/32", "SIGN_IN_ACCOUNT_ATTEMPTS": str(ACCOUNT_ATTEMPTS)}
    with running_web(tmp_path_factory.mktemp("second") / "web.log", **environment) as web:
        yield web


class TestGuessing:
    def test_the_delay_grows_and_says_when_to_come_back(self, address: str) -> None:
        with caller(address) as guesser:
            for _ in range(settings.SIGN_IN_ATTEMPTS):
                assert is_problem(sign_in(guesser, "nobody", "wrong"), 401)
            first, before = until_refused(lambda: sign_in(guesser, "nobody", "wrong"))
            assert is_problem(first, 429) and 0 < int(first.headers["Retry-After"]) <= 2 * 2**before
            time.sleep(int(first.headers["Retry-After"]))
            following, more = until_refused(lambda: sign_in(guesser, "nobody", "wrong"))
            assert is_problem(following, 429) and more > 0
            assert int(first.headers["Retry-After"]) < int(following.headers["Retry-After"]) <= 2 * 2 ** (before + more)

    def test_thirty_at_once_are_not_let_in_to_try_and_starve_nobody(self, address: str) -> None:
        with caller(address) as other, caller(address) as guesser:

            def guess(_: int) -> int:
                return sign_in(guesser, "crowd", "wrong").status_code

            with ThreadPoolExecutor(30) as pool:
                guesses = [pool.submit(guess, n) for n in range(160)]
                slowest = 0.0
                while not all(each.done() for each in guesses):
                    begun = time.monotonic()
                    assert other.get("/api/v2/signals/batch/jobs").status_code == 401  # needs a thread
                    slowest = max(slowest, time.monotonic() - begun)
                    time.sleep(0.02)
            answers = [each.result() for each in guesses]
            assert set(answers) <= {401, 429, 503} and answers.count(401) <= settings.SIGN_IN_ATTEMPTS + 3
            assert slowest < 2

    def test_the_admins_page_counts_with_the_api_and_tells_it(self, address: str, accounts: dict[str, str]) -> None:
        password = accounts["clerk"]
        with caller(address) as guesser:
            for _ in range(3):
                sign_in(guesser, "clerk", "wrong")
            for _ in range(settings.SIGN_IN_ATTEMPTS - 3):
                assert admin_sign_in(guesser, "clerk", "wrong").status_code == 200
            page, more = until_refused(lambda: admin_sign_in(guesser, "clerk", "wrong"))
            assert 0 < int(page.headers["Retry-After"]) <= 2 * 2**more
            assert "Too many attempts to sign in: wait" in page.text and 'id="login-form"' in page.text
            assert is_problem(sign_in(guesser, "clerk", password), 429)
            assert admin_sign_in(guesser, "clerk", password).status_code == 429
            time.sleep(int(page.headers["Retry-After"]))
            assert admin_sign_in(guesser, "clerk", password).status_code == 302
            assert sign_in(guesser, "clerk", "wrong").status_code == 401  # the count started again

    def test_manyaddresses_delay_an_account_but_not_where_it_is_known(
        self, second: Web, accounts: dict[str, str]
    ) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{second.port}", timeout=30) as client:

            def from_there(network: str, password: str) -> httpx.Response:
                return sign_in(client, "hunted", password, headers={"X-Forwarded-For": f"{network}.1"})

            assert from_there("198.51.100", accounts["hunted"]).status_code == 200  # the user's home
            statuses = [from_there(f"10.0.{n}", "wrong").status_code for n in range(ACCOUNT_ATTEMPTS + 3)]
            assert statuses[:ACCOUNT_ATTEMPTS] == [401] * ACCOUNT_ATTEMPTS and 429 in statuses
            assert is_problem(from_there("10.1.0", accounts["hunted"]), 429)
            assert from_there("198.51.100", "wrong").status_code == 401
            assert from_there("198.51.100", accounts["hunted"]).status_code == 200

    def test_an_accounts_absence_shows_neither_in_answers_nor_in_time(self, address: str) -> None:
        seconds: dict[str, list[float]] = {"present": [], "absent": []}
        bodies = set()
        for _ in range(4):
            for name in seconds:
                with caller(address) as guesser:
                    begun = time.monotonic()
                    answer = sign_in(guesser, name, "wrong")
                    seconds[name].append(time.monotonic() - begun)
                assert answer.status_code == 401
                told = answer.json()
                assert told.pop("request_id")
                bodies.add(str(told))
        assert len(bodies) == 1
        assert 0.5 < min(seconds["present"]) / min(seconds["absent"]) < 2

    @pytest.mark.parametrize(("field", "longest"), [("username", 150), ("password", 1024)])
    def test_what_is_longer_than_a_name_or_password_can_be(self, address: str, field: str, longest: int) -> None:
        body = {"username": "alice", "password": "wrong", field: "x" * (longest + 1)}
        with caller(address) as client:
            answer = client.post("/api/token", json=body)
            assert is_problem(answer, 400) and answer.json()["errors"][0]["field"] == field
            assert admin_sign_in(client, body["username"], body["password"]).status_code == 200

    def test_without_redis_nobody_signs_in_and_who_is_signed_in_goes_on(
        self, address: str, passwords: dict[str, str]
    ) -> None:
        with httpx.Client(base_url=address, timeout=30) as client:
            tokens = sign_in(client, "bob", passwords["bob"]).json()
            stopped = valkey_pids()
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            try:
                begun = time.monotonic()
                refused = sign_in(client, "bob", passwords["bob"])
                assert is_problem(refused, 503) and int(refused.headers["Retry-After"]) > 0
                assert time.monotonic() - begun < 5
                assert admin_sign_in(client, "bob", passwords["bob"]).status_code == 503
                assert _jobs(client, tokens).status_code == 200
                renewed = client.post("/api/token/refresh", json={"refresh": tokens["refresh"]})
                assert renewed.status_code == 200
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
            assert client.post("/api/token/logout", json={"refresh": renewed.json()["refresh"]}).status_code == 204

    def test_a_header_that_no_trusted_proxy_set_changes_no_address(self, address: str) -> None:
        with caller(address) as guesser:
            statuses = [
                sign_in(guesser, "proxied", "wrong", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code
                for n in range(settings.SIGN_IN_ATTEMPTS + 1)
            ]
        assert statuses[-1] == 429


def test_processes_share_the_count_and_a_trusted_proxy_names_the_address(address: str, second: Web) -> None:
    elsewhere = f"http://127.0.0.1:{second.port}"
    local = next(addresses)
    with caller(address, local) as one, httpx.Client(base_url=elsewhere, timeout=30) as other:
        for _ in range(settings.SIGN_IN_ATTEMPTS):
            assert sign_in(one, "shared", "wrong").status_code == 401
        assert sign_in(other, "shared", "wrong", headers={"X-Forwarded-For": local}).status_code == 429
        forwarded = {"X-Forwarded-For": f"{local}, 203.0.113.7"}  # the claim, and what the proxy saw
        assert sign_in(other, "shared", "wrong", headers=forwarded).status_code == 401
        for n in range(1, settings.SIGN_IN_ATTEMPTS + 1):  # one customer's addresses
            there = {"X-Forwarded-For": f"2001:db8:0:1::{n}"}
            assert sign_in(other, "sixth", "wrong", headers=there).status_code == 401
        assert sign_in(other, "sixth", "wrong", headers={"X-Forwarded-For": "2001:db8:0:1:ffff::1"}).status_code == 429


class TestTokens:
    @pytest.fixture
    def tokens(self, address: str, passwords: dict[str, str]) -> dict[str, str]:
        with httpx.Client(base_url=address, timeout=30) as client:
            answer = sign_in(client, "bob", passwords["bob"])
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.raise_for_status().json()

    @pytest.fixture
    def api(self, address: str) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=address, timeout=30) as client:
            yield client

    def test_a_refresh_token_is_used_up(self, api: httpx.Client, tokens: dict[str, str]) -> None:
        renewed = api.post("/api/token/refresh", json={"refresh": tokens["refresh"]})
        assert renewed.status_code == 200 and renewed.headers["Cache-Control"] == "no-store"
        assert renewed.json()["refresh"] != tokens["refresh"]
        assert _jobs(api, renewed.json()).status_code == 200
        # An answer may get lost: for ten seconds the same token gives the same successor, and no other.
        again = api.post("/api/token/refresh", json={"refresh": tokens["refresh"]}).raise_for_status().json()
        assert _id(again) == _id(renewed.json())

    def test_whoever_uses_a_stolen_one_ends_it_for_both(self, api: httpx.Client, tokens: dict[str, str]) -> None:
        newest = tokens
        for _ in range(2):
            newest = api.post("/api/token/refresh", json={"refresh": newest["refresh"]}).raise_for_status().json()
        assert is_problem(api.post("/api/token/refresh", json={"refresh": tokens["refresh"]}), 401)
        assert is_problem(api.post("/api/token/refresh", json={"refresh": newest["refresh"]}), 401)
        assert is_problem(_jobs(api, newest), 401) and is_problem(_jobs(api, tokens), 401)

    def test_of_many_at_once_all_get_the_same_successor(self, api: httpx.Client, tokens: dict[str, str]) -> None:
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(lambda _: api.post("/api/token/refresh", json={"refresh": tokens["refresh"]}), range(8))
            )
        assert {each.status_code for each in answers} == {200}
        assert len({_id(each.json()) for each in answers}) == 1

    def test_logout_ends_the_tokens_of_this_sign_in_and_its_sockets(
        self, api: httpx.Client, tokens: dict[str, str], passwords: dict[str, str], second: Web
    ) -> None:
        other = sign_in(api, "bob", passwords["bob"]).json()
        ticket = api.post("/api/v2/subscriptions/ticket", headers=_bearer(tokens)).json()["ticket"]
        with (
            second.connect(user=None, subprotocols=["signals", f"bearer.{tokens['access']}"]) as socket,
            second.connect(user=None, subprotocols=["signals", f"bearer.{other['access']}"]) as stays,
        ):
            left = api.post("/api/token/logout", json={"refresh": tokens["refresh"]})
            assert (left.status_code, left.headers["Cache-Control"], left.content) == (204, "no-store", b"")
            assert socket.closed(timeout=15) == 4004
            stays.send(type="ping")
            stays.next("pong")
        assert is_problem(_jobs(api, tokens), 401)
        assert is_problem(api.post("/api/token/refresh", json={"refresh": tokens["refresh"]}), 401)
        for shown in ({"user": None, "subprotocols": ["signals", f"bearer.{tokens['access']}"]}, {"user": None}):
            path = V2 if "subprotocols" in shown else f"{V2}?ticket={ticket}"
            with second.connect(path, welcome=False, **shown) as socket:
                assert socket.closed() == 4001
        assert api.post("/api/token/logout", json={"refresh": tokens["refresh"]}).status_code == 204  # again
        assert _jobs(api, other).status_code == 200

    def test_staff_sign_a_user_out(self, api: httpx.Client, address: str, passwords: dict[str, str]) -> None:
        tokens = sign_in(api, "carol", passwords["carol"]).json()  # no other test needs carol to be signed in
        pk = jwt.decode(tokens["access"], options={"verify_signature": False})["user_id"]
        with httpx.Client(base_url=address, timeout=30, follow_redirects=True) as browser:
            admin_sign_in(browser, "staff", passwords["staff"])
            form = {
                "action": "sign_out",
                "_selected_action": pk,
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            }
            assert "They are signed out" in browser.post("/admin/auth/user/", data=form).text
        assert is_problem(_jobs(api, tokens), 401)
        assert is_problem(api.post("/api/token/refresh", json={"refresh": tokens["refresh"]}), 401)

    def test_expired_sign_ins_are_forgotten(self, address: str) -> None:
        said = succeed("shell", "-v0", "-c", _FORGET)
        assert "forgotten 1" in said


def _id(tokens: dict[str, str]) -> str:
    return str(jwt.decode(tokens["refresh"], options={"verify_signature": False})["jti"])


def _bearer(tokens: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access']}"}


def _jobs(client: httpx.Client, tokens: dict[str, str]) -> httpx.Response:
    return client.get(JOBS, headers=_bearer(tokens))


_FORGET = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from signalsite.models import SignIn
from signalsite.tasks import forget_expired_sign_ins
past = timezone.now() - timedelta(seconds=1)
old = SignIn.objects.create(user=User.objects.get(username="bob"), current="x", expires_at=past)
kept = SignIn.objects.create(user=old.user, current="y", expires_at=past + timedelta(days=1))
forget_expired_sign_ins()
assert SignIn.objects.filter(pk=kept.pk).exists()
print("forgotten", 1 - SignIn.objects.filter(pk=old.pk).count())
"""

ODD: list[dict[str, Any]] = [
    *({"user_id": odd} for odd in ("abc", "", "1e3", "-1", "٣", "9" * 19, "9" * 400, 1.5, True, None, [], {"id": 1})),
    *({"sid": odd} for odd in ("abc", "x" * 36, 5, {})),
    *({"exp": odd} for odd in (1e300, 10**30, "soon", None, [])),
    *({"iat": odd} for odd in ("then", 1e308, None, {})),
]


@pytest.fixture(scope="module")
def good(address: str, passwords: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The claims of both tokens of a sign-in."""
    with httpx.Client(base_url=address, timeout=30) as client:
        tokens = sign_in(client, "bob", passwords["bob"]).raise_for_status().json()
    return {kind: jwt.decode(token, options={"verify_signature": False}) for kind, token in tokens.items()}


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: json.dumps(odd)[:30])
def test_a_well_signed_token_with_odd_claims_is_refused_wherever_tokens_are_read(
    address: str, second: Web, odd: dict[str, Any], good: dict[str, dict[str, Any]]
) -> None:
    access, refresh = (jwt.encode({**good[kind], **odd}, settings.SECRET_KEY) for kind in ("access", "refresh"))
    with httpx.Client(base_url=address, timeout=30) as client:
        assert is_problem(client.get(JOBS, headers={"Authorization": f"Bearer {access}"}), 401)
        for path in ("refresh", "logout"):
            assert is_problem(client.post(f"/api/token/{path}", json={"refresh": refresh}), 401)
    with second.connect(user=None, welcome=False, subprotocols=["signals", f"bearer.{access}"]) as socket:
        assert socket.closed() == 4001
    with second.connect(user=None, welcome=False) as socket:
        socket.send(type="auth", token=access)
        assert socket.closed() == 4001
    with second.connect(f"{V1}?token={access}", user=None, welcome=False) as socket:
        assert socket.closed() == 4001


def test_a_token_of_a_sign_in_that_never_was(address: str, good: dict[str, dict[str, Any]]) -> None:
    claims = {kind: {**each, "sid": "00000000-0000-0000-0000-000000000000"} for kind, each in good.items()}
    access, refresh = (jwt.encode(claims[kind], settings.SECRET_KEY) for kind in ("access", "refresh"))
    with httpx.Client(base_url=address, timeout=30) as client:
        assert is_problem(client.get(JOBS, headers={"Authorization": f"Bearer {access}"}), 401)
        assert is_problem(client.post("/api/token/refresh", json={"refresh": refresh}), 401)
        unsigned = {"refresh": jwt.encode(claims["refresh"], "another secret, of thirty-two bytes or more")}
        assert is_problem(client.post("/api/token/logout", json=unsigned), 401)
