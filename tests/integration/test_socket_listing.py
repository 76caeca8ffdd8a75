"""The table of open sockets: written in batches by each process, cleared when a process dies."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections
from django.test import Client

from realtime.models import SocketProcess, WebsocketSubscription
from realtime.sockets import listing, register
from realtime.sockets.register import MOST_TOPICS, Register
from realtime.sockets.session import Identity, Session
from realtime.tasks import forget_dead_sockets

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _listed(settings: Any) -> None:
    settings.WEBSOCKET_LISTED_SECONDS = 10.0


async def _send(message: dict[str, Any]) -> None:
    raise AssertionError("nothing is sent")


def opened(user: int = 1, topics: int = 1, label: str = "") -> Session:
    session = Session(_send, mailbox_limit=10)
    session.identity = Identity(user, 0.0, time.time() + 60)
    session.label = label
    session.subscriptions = {f"greeks:NSE@NIFTY:{n}": (None, "") for n in range(topics)}
    return session


async def written(listed: Register, at: float = 1.0) -> None:
    """Let the register write until nothing is due at that moment."""
    while True:
        listed.send_due(at)
        if listed._writing is None:
            return
        await listed._writing


def run(work: Callable[[Register], Awaitable[None]]) -> None:
    """Run with a register whose thread's connection ends with it."""

    async def whole() -> None:
        listed = Register()
        try:
            await work(listed)
        finally:
            if listed._listed:  # it has not stopped by itself
                await asyncio.get_running_loop().run_in_executor(listed._thread, connections.close_all)
            listed._thread.shutdown()

    asyncio.run(whole())


def rows() -> list[tuple[int, str, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT user_id, client_id, subscriptions FROM signal_websocket_subscriptions ORDER BY 1")
        return cursor.fetchall()  # type: ignore[no-any-return]


def test_sockets_come_change_and_go() -> None:
    async def work(listed: Register) -> None:
        first, second = opened(1, label="desk\0 'one'"), opened(2, topics=50)
        for session in (first, second):
            listed.changed(session)
        await written(listed)
        assert await asyncio.to_thread(rows) == [(1, "desk 'one'", 1), (2, "", 50)]
        first.subscriptions = {}
        listed.changed(first)
        listed.left(second)
        await written(listed)
        assert await asyncio.to_thread(rows) == [(1, "desk 'one'", 0)]
        gone_before_it_was_written = opened(3)
        listed.changed(gone_before_it_was_written)
        listed.left(gone_before_it_was_written)
        await written(listed)
        assert await asyncio.to_thread(rows) == [(1, "desk 'one'", 0)]
        await listed.stop()
        listed.left(first)

    run(work)
    assert rows() == [] and not SocketProcess.objects.exists()


def test_topics_of_a_row_are_bounded_and_strangers_are_not_listed() -> None:
    async def work(listed: Register) -> None:
        stranger = opened()
        stranger.identity = None
        for session in (stranger, opened(topics=1_000)):
            listed.changed(session)
        await written(listed)

    run(work)
    row = WebsocketSubscription.objects.get()
    assert (len(row.topics), row.subscriptions) == (MOST_TOPICS, 1_000)


def test_ten_thousand_sockets_take_a_few_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    writes = list[int]()
    real = listing.write

    def counting(process: str, started: Any, changed: Any, gone: Any) -> bool:
        writes.append(len(changed))
        return real(process, started, changed, gone)

    monkeypatch.setattr(listing, "write", counting)

    async def work(listed: Register) -> None:
        for user in range(10_000):
            listed.changed(opened(user))
        begun = time.perf_counter()
        listed.send_due(1.0)
        assert time.perf_counter() - begun < 0.05  # the event loop goes on
        await written(listed)

    run(work)
    assert sum(writes) >= 10_000 and max(writes) == register.BATCH and len(writes) <= 12
    assert WebsocketSubscription.objects.count() == 10_000


def test_what_cannot_be_written_waits_and_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    real = listing.write

    def away(*_: Any) -> bool:
        raise OperationalError("the server is away")

    async def work(listed: Register) -> None:
        monkeypatch.setattr(listing, "write", away)
        kept, gone = opened(1), opened(2)
        for session in (kept, gone):
            listed.changed(session)
        await written(listed)
        listed.left(gone)
        await written(listed, at=2.0)  # waits after a failure
        monkeypatch.setattr(listing, "write", real)
        await written(listed, at=time.monotonic() + 60)

    run(work)
    assert rows() == [(1, "", 1)]


def test_the_rows_of_a_process_that_died_are_deleted_and_of_one_that_lives_come_back(
    settings: Any,
) -> None:
    async def work(listed: Register) -> None:
        for user in (1, 2):
            listed.changed(opened(user))
        await written(listed)
        await asyncio.to_thread(_silent_for, 120)
        await asyncio.to_thread(forget_dead_sockets)  # it was not dead, but PostgreSQL was away
        assert await asyncio.to_thread(rows) == []
        await written(listed, at=100.0)
        assert [user for user, *_ in await asyncio.to_thread(rows)] == [1, 2]

    run(work)
    forget_dead_sockets()
    assert len(rows()) == 2
    _silent_for(61)
    forget_dead_sockets()
    assert rows() == [] and not SocketProcess.objects.exists()


def _silent_for(seconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE signal_websocket_processes SET seen_at = now() - make_interval(secs => %s)", [seconds])


def test_staff_see_open_sockets() -> None:
    async def work(listed: Register) -> None:
        listed.changed(opened(1, label="desk"))
        await written(listed)

    run(work)
    admin = Client()
    admin.force_login(User.objects.create_superuser("boss"))
    for page in ("websocketsubscription", "socketprocess"):
        assert admin.get(f"/admin/realtime/{page}/").status_code == 200
        assert admin.get(f"/admin/realtime/{page}/add/").status_code == 403
    row = WebsocketSubscription.objects.get()
    assert b"desk" in admin.get(f"/admin/realtime/websocketsubscription/{row.pk}/change/").content
