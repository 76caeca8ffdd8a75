"""Two web processes on one Redis and database: the same updates in both, and a control plane that reaches both."""

import os
import re
import secrets
import signal
import time
from collections.abc import Iterator

import httpx
import pytest
from redis.exceptions import RedisError

from realtime.sockets.control import ENDED, disconnect, notify
from signalsite.foundation.errors import RedisConnectionError
from tests.e2e.conftest import succeed
from tests.e2e.sockets import Socket, Web, publish, redis_client, running_web, token
from tests.e2e.valkey import kill_valkey, valkey_pids

_MAKE = """
import os
from django.contrib.auth.models import User
for name, staff in (("victim", False), ("keeper", True)):
    user, _ = User.objects.get_or_create(username=name, defaults={"is_staff": staff, "is_superuser": staff})
    user.is_active = True
    user.set_password(os.environ["PASSWORD"])
    user.save()
print("victim is", User.objects.get(username="victim").pk)
"""


@pytest.fixture(scope="module")
def webs(tables: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Web]]:
    folder = tmp_path_factory.mktemp("processes")
    with running_web(folder / "one.log") as one, running_web(folder / "two.log") as two:
        yield one, two


@pytest.fixture
def user() -> Iterator[int]:
    """A user whose sockets no other test ends."""
    number = time.time_ns() % 10**9 + 1000
    yield number
    redis_client().zrem(ENDED, number)


def test_both_tell_the_same_with_the_same_numbers(webs: tuple[Web, Web]) -> None:
    underlying = f"SIM@P{time.time_ns()}"
    topic = f"{underlying}@equity_spot"
    with webs[0].connect() as one, webs[1].connect() as two:
        for socket in (one, two):
            socket.subscribe(topic)
            socket.next("snapshot")
        published: list[str] = []
        with one.updates(lambda: published[-1]) as ours, two.updates(lambda: published[-1]) as theirs:
            published += [publish(underlying, equity_spot=number) for number in range(100)]
        assert ours == theirs
        assert [each["seq"] for each in ours] == published


def test_a_socket_resumes_on_the_other_process(webs: tuple[Web, Web]) -> None:
    underlying = f"SIM@P{time.time_ns()}"
    topic = f"{underlying}@equity_spot"
    published = [publish(underlying, equity_spot=0)]
    for number in range(1, 21):
        web = webs[number % 2]
        missed = [publish(underlying, equity_spot=number), publish(underlying, equity_spot=-number)]
        with web.connect() as socket:
            assert socket.subscribe(topic, resume_from=published[-1])["items"][0]["ok"]
            before = published[-1]
            for entry in missed:
                update = socket.next("update")
                assert (update["seq"], update["prev"]) == (entry, before)
                before = entry
        published += missed


def test_a_notice_reaches_all_sockets_of_its_user_and_no_other(webs: tuple[Web, Web], user: int) -> None:
    one, two = (web.connect(user=user) for web in webs)
    with one, two, webs[0].connect(user=user + 1) as other:
        heard(webs)
        notify(user, "margin", "a notice for you")
        for socket in (one, two):
            notice = socket.next("notice")
            assert abs(notice.pop("at") - time.time() * 1000) < 5000
            assert notice == {"type": "notice", "subject": "margin", "text": "a notice for you"}
        other.quiet()


def test_ended_sockets_close_everywhere_and_their_tokens_open_no_others(webs: tuple[Web, Web], user: int) -> None:
    old = token(user)
    one, two = (web.connect(user=user) for web in webs)
    with one, two, webs[0].connect(user=user + 1) as other:
        heard(webs)
        disconnect(user, "for a test")
        assert (one.closed(), two.closed()) == (4004, 4004)
        assert one.connection.close_reason == "for a test"
        other.quiet()
        for web in webs:
            with web.connect(user=None, welcome=False, subprotocols=["signals", f"bearer.{old}"]) as again:
                assert again.closed() == 4001
        time.sleep(1.1)  # tokens have times in whole seconds
        with webs[1].connect(user=user) as fresh:
            fresh.send(type="ping")
            fresh.next("pong")
            fresh.send(type="auth", id=1, token=old)
            assert fresh.next("error")["code"] == "not_authenticated"


def test_who_was_ended_while_nobody_listened_is_found_out(webs: tuple[Web, Web], user: int) -> None:
    old = token(user)
    with webs[0].connect(user=user) as socket:
        heard(webs)
        redis_client().zadd(ENDED, {str(user): time.time()})  # what `disconnect` writes, without its message
        assert socket.closed(timeout=8) == 4004
    web = webs[0]
    web.stop()
    web.start()
    with web.connect(user=None, welcome=False, subprotocols=["signals", f"bearer.{old}"]) as first:
        assert first.closed() in (4001, 4004)  # the first socket may open before the first lookup


def test_the_control_plane_outlives_redis(webs: tuple[Web, Web], user: int) -> None:
    one, two = (web.connect(user=user) for web in webs)
    with one, two:
        heard(webs)
        said = [web.log.read_text().count("control plane cannot be heard") for web in webs]
        kill_valkey()
        deadline = time.monotonic() + 30
        number = 0
        while True:
            try:
                notify(user, f"try {(number := number + 1)}", "are you there?")
                notices = [socket.next("notice", timeout=1) for socket in (one, two)]
                break
            except (RedisError, RedisConnectionError, TimeoutError):
                assert time.monotonic() < deadline
                time.sleep(0.2)
        assert {notice["type"] for notice in notices} == {"notice"}
        for web, before in zip(webs, said, strict=True):
            log = web.log.read_text()
            assert log.count("control plane cannot be heard") <= before + 1
            assert "Unexpected exception in receive task" not in log


def heard(webs: tuple[Web, Web]) -> None:
    """Wait until each process listens: earlier messages are lost."""
    for web in webs:
        probe = time.time_ns() % 10**9 + 10**10
        with web.connect(user=probe) as socket:
            deadline = time.monotonic() + 20
            while True:
                notify(probe, "probe", "")
                try:
                    socket.next("notice", timeout=0.2)
                    break
                except TimeoutError:
                    assert time.monotonic() < deadline, web.log.read_text()


class Staff:
    """A staff member in the admin pages."""

    def __init__(self, web: Web, password: str) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{web.port}", timeout=20)
        self.submit("/admin/login/", username="keeper", password=password, next="/admin/")

    def submit(self, path: str, **fields: object) -> str:
        form = self.client.get(path)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
        assert found, form.text[:500]
        answer = self.client.post(path, data={"csrfmiddlewaretoken": found[1], **fields}, follow_redirects=True)
        assert answer.status_code == 200 and "Please correct the error" not in answer.text, answer.text[:3000]
        return answer.text


def test_staff_end_a_users_sockets(webs: tuple[Web, Web]) -> None:
    password = secrets.token_urlsafe(12)
    user = int(succeed("shell", "-v0", "-c", _MAKE, PASSWORD=password).split("victim is")[1])
    staff = Staff(webs[0], password)
    new = secrets.token_urlsafe(12)

    def fresh() -> Socket:
        time.sleep(2.1)  # in a later second than the last end, also while the machine is busy
        return webs[1].connect(user=user)

    with fresh() as socket:
        heard(webs)
        page = staff.submit("/admin/auth/user/", action="close_sockets", _selected_action=user, index=0)
        assert "sockets are closed" in page and socket.closed() == 4004
    api = httpx.Client(base_url=f"http://127.0.0.1:{webs[1].port}", timeout=20)
    tokens = api.post("/api/token", json={"username": "victim", "password": password}).raise_for_status().json()
    renewed = api.post("/api/token/refresh", json={"refresh": tokens["refresh"]}).raise_for_status().json()
    with fresh() as socket:
        staff.submit(f"/admin/auth/user/{user}/password/", password1=new, password2=new, usable_password="true",
                     **{"set-password": "1"})  # fmt: skip
        assert socket.closed() == 4004 and socket.connection.close_reason == "the password was changed"
    refused = api.post("/api/token/refresh", json={"refresh": tokens["refresh"]})
    assert (refused.status_code, refused.headers["Content-Type"]) == (401, "application/problem+json")
    headers = {"Authorization": f"Bearer {renewed['access']}"}
    assert api.get("/api/v2/signals/batch/jobs", headers=headers).status_code == 401
    details = {"username": "victim", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    with fresh() as socket:
        staff.submit(f"/admin/auth/user/{user}/change/", **details, is_active="on", first_name="V")
        socket.quiet()
        staff.submit(f"/admin/auth/user/{user}/change/", **details)
        assert socket.closed() == 4004 and socket.connection.close_reason == "the account was deactivated"
    with fresh() as socket:
        pids = valkey_pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            page = staff.submit("/admin/auth/user/", action="close_sockets", _selected_action=user, index=0)
            assert "sockets may stay open until their tokens expire" in page
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        staff.submit(f"/admin/auth/user/{user}/delete/", post="yes")
        assert socket.closed() == 4004
