"""Who may open a socket, how many, and how fast they may send, with the close code of each refusal."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone
from websockets.exceptions import InvalidStatus

from tests.e2e.sockets import ALICE, BOB, V1, V2, Web, running_web, token

FOREIGN = "https://evil.example"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    log = tmp_path_factory.mktemp("sockets") / "web.log"
    with running_web(
        log,
        WEBSOCKET_HEARTBEAT_INTERVAL="0.4",
        WEBSOCKET_AUTH_SECONDS="0.5",
        WEBSOCKET_MAX_CONNECTIONS="6",
        WEBSOCKET_MAX_CONNECTIONS_PER_USER="3",
        WEBSOCKET_MAX_SUBSCRIPTIONS="5",
        WEBSOCKET_MAX_FRAME_BYTES="1000",
        WEBSOCKET_MESSAGE_RATE="10",
        WEBSOCKET_ALLOWED_ORIGINS="https://desk.example",
        LOG_LEVEL="DEBUG",
    ) as served:
        yield served
    assert token().split(".")[0] not in log.read_text(), "a token was logged"


@pytest.fixture(autouse=True)
def _all_places_free(web: Web) -> Iterator[None]:
    yield
    deadline = time.monotonic() + 5
    while web.metric("signal_websocket_connections"):
        assert time.monotonic() < deadline, "a closed socket keeps its place"
        time.sleep(0.05)


def test_a_token_as_subprotocol(web: Web) -> None:
    with web.connect() as socket:
        assert socket.connection.subprotocol == "signals"


def test_a_token_in_the_first_message(web: Web) -> None:
    with web.connect(user=None, welcome=False) as socket:
        socket.send(type="auth", token=token())
        assert socket.next("welcome")["heartbeat_seconds"] == 0.4
        assert socket.next() == {"type": "ack", "id": None, "request": "auth", "items": []}


def test_the_first_message_is_acknowledged_by_its_id(web: Web) -> None:
    with web.connect(user=None, welcome=False) as socket:
        socket.send(type="auth", token=token(), id="first")
        socket.next("welcome")
        assert socket.next("ack")["id"] == "first"


def bearer(value: str) -> dict[str, Any]:
    return {"user": None, "additional_headers": {"Authorization": value}}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_token_in_the_upgrades_header(web: Web, scheme: str) -> None:
    with web.connect(**bearer(f"{scheme} {token()}")) as socket:
        assert socket.subscribe("NSE@NIFTY@equity_spot")["request"] == "subscribe"


@pytest.mark.parametrize("value", ["Bearer", "Bearer not.a.token", "Bearer a b", "Bearer " + "x" * 5000, "Bearer \xff"])
def test_a_wrong_header_is_refused_at_once(web: Web, value: str) -> None:
    with web.connect(welcome=False, **bearer(value)) as socket:
        assert socket.closed() == 4001


def test_an_expired_token_in_the_header(web: Web) -> None:
    expired = token(exp=int(time.time()) - 5)
    with web.connect(welcome=False, **bearer(f"Bearer {expired}")) as socket:
        assert socket.closed() == 4001


def test_another_scheme_is_not_ours(web: Web) -> None:
    """A proxy's own credential leaves the way open for the first message."""
    with web.connect(welcome=False, **bearer("Basic dXNlcjpwYXNz")) as socket:
        socket.send(type="auth", token=token())
        assert socket.next()["type"] == "welcome"


def test_an_empty_header_is_no_credential(web: Web) -> None:
    """It leaves the way open for the first message."""
    with web.connect(welcome=False, **bearer("")) as socket:
        socket.send(type="auth", token=token())
        assert socket.next()["type"] == "welcome"


def test_a_token_in_the_address_of_v1_only(web: Web) -> None:
    with web.connect(f"{V1}?token={token()}", user=None) as socket:
        socket.send(type="pong")
        socket.send(type="ping")
        assert abs(socket.next("pong")["at"] / 1000 - time.time()) < 5
    with web.connect(f"{V2}?token={token()}", user=None, welcome=False) as socket:
        assert socket.closed() == 4001


def test_whoever_shows_nothing_in_time_is_closed(web: Web) -> None:
    begun = time.monotonic()
    with web.connect(user=None, welcome=False) as socket:
        assert socket.closed() == 4001
    assert 0.4 < time.monotonic() - begun < 2


@pytest.mark.parametrize("first", ['{"type":"ping"}', "nonsense", '{"type":"auth"}', '{"type":"auth","token":"x.y.z"}'])
def test_a_first_message_that_is_no_token_is_refused(web: Web, first: str) -> None:
    with web.connect(user=None, welcome=False) as socket:
        socket.connection.send(first)
        assert socket.closed() == 4001


def test_a_forged_or_expired_token_is_refused(web: Web) -> None:
    head, body, _ = token().split(".")
    expired = token(exp=int((timezone.now() - timedelta(seconds=1)).timestamp()))
    for bad in (f"{head}.{body}.AAAA", expired):
        with web.connect(user=None, welcome=False, subprotocols=["signals", f"bearer.{bad}"]) as socket:
            assert socket.closed() == 4001


def test_when_the_token_expires_the_socket_is_closed_unless_a_fresh_one_is_shown(web: Web) -> None:
    soon = token(exp=int(time.time()) + 2)
    with (
        web.connect(user=None, subprotocols=["signals", f"bearer.{soon}"]) as lapses,
        web.connect(user=None, subprotocols=["signals", f"bearer.{soon}"]) as renewed,
    ):
        renewed.send(type="auth", token=token(BOB), id=1)
        assert renewed.next("error")["code"] == "not_authenticated"
        renewed.send(type="auth", token=token(), id=2)
        assert renewed.next("ack") == {"type": "ack", "id": 2, "request": "auth", "items": []}
        assert lapses.closed() == 4001
        renewed.send(type="ping")
        renewed.next("pong")


def test_a_ticket_opens_one_socket(web: Web, address: str, alice: httpx.Client) -> None:
    answer = alice.post("/api/v2/signals/subscriptions/ticket")
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    ticket = answer.json()["ticket"]
    assert answer.json()["expires_in"] == 30
    with web.connect(f"{V2}?ticket={ticket}&client_id=me", user=None, welcome=False) as socket:
        assert socket.next("welcome")["client_id"] == "me"
    with web.connect(f"{V2}?ticket={ticket}", user=None, welcome=False) as socket:
        assert socket.closed() == 4001
    with web.connect(user=None, welcome=False) as socket:
        socket.send(type="auth", ticket=alice.post("/api/v2/signals/subscriptions/ticket").json()["ticket"])
        socket.next("welcome")
    assert httpx.post(f"{address}/api/v2/signals/subscriptions/ticket").status_code == 401


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        (FOREIGN, 4003),
        ("null", 4003),
        ("http://127.0.0.1:1", 4003),
        ("http://[", 4003),
        ("https://desk.example", None),
        ("http://{host}", None),
    ],
)
def test_only_our_own_and_allowed_origins(web: Web, origin: str, code: int | None) -> None:
    origin = origin.format(host=f"127.0.0.1:{web.port}")
    with web.connect(welcome=False, origin=origin) as socket:
        if code is None:
            socket.next("welcome")
        else:
            assert socket.closed() == code


def test_a_host_that_we_do_not_serve_makes_no_origin_ours(web: Web) -> None:
    with web.connect(
        welcome=False, origin="http://rebound.example", additional_headers={"Host": "rebound.example"}
    ) as socket:
        assert socket.closed() == 4003


def test_as_many_sockets_of_a_user_and_of_all_as_allowed(web: Web) -> None:
    held = [web.connect(user=user) for user in (ALICE, BOB) for _ in range(3)]
    with web.connect(user=999, welcome=False) as socket:
        assert socket.closed() == 4009  # of the process
    held.pop().__exit__()
    deadline = time.monotonic() + 5
    while web.metric("signal_websocket_connections") > 5:
        assert time.monotonic() < deadline
    with web.connect(user=ALICE, welcome=False) as socket:
        assert socket.closed() == 4009  # of the user
    for each in held:
        each.__exit__()


def test_a_subscription_too_many_is_refused_alone(web: Web) -> None:
    topics = [f"SIM@LIMIT@equity_options@2026-12-29@call@{strike}" for strike in range(1, 8)]
    with web.connect() as socket:
        items = socket.subscribe(*topics)["items"]
        assert [item["ok"] for item in items] == [True] * 5 + [False] * 2
        assert items[-1]["code"] == "too_many_subscriptions"
        for _ in range(5):
            socket.next("snapshot")
        socket.send(type="unsubscribe", topics=topics[:1])
        socket.next("ack")
        assert [item["ok"] for item in socket.subscribe(topics[5], topics[6])["items"]] == [True, False]


def test_a_frame_too_large(web: Web) -> None:
    with web.connect() as socket:
        socket.connection.send(json.dumps({"type": "ping", "id": "x" * 2000}))
        assert socket.closed() in (1009, 4010)


def test_too_many_messages(web: Web) -> None:
    with web.connect() as socket:
        for _ in range(60):
            socket.send(type="ping")
        assert socket.closed() == 4008


def test_there_is_nothing_elsewhere(web: Web) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        web.connect("/api/v2/nowhere")


def test_binary_frames_are_read_as_text(web: Web) -> None:
    with web.connect() as socket:
        socket.connection.send(b'{"type":"ping","id":1}')
        assert socket.next("pong")["id"] == 1
