"""Usage of the API and the list of open sockets, as a web process writes them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
from django.contrib.auth.models import User
from rest_framework_simplejwt.tokens import AccessToken

from tests.e2e.conftest import own_database
from tests.e2e.live_reads import LIVE
from tests.e2e.sockets import V2, running_web

MAKE = """
INSERT INTO auth_user (username, password, is_active, is_staff, is_superuser, first_name, last_name, email, date_joined)
VALUES (%s, '!', true, false, false, '', '', '', now()) RETURNING id
"""


def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(own_database()) as connection:
        return connection.execute(query, values).fetchall()


def until(ready: Callable[[], Any], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_live_reads_and_sockets_of_a_process_that_is_killed(tables: None, tmp_path: Path) -> None:
    ((user,),) = rows(MAKE, f"counted-{time.time_ns()}")
    access = AccessToken.for_user(User(pk=user, password="!"))
    with running_web(tmp_path / "web.log", API_METRICS_SECONDS="0.2", WEBSOCKET_LISTED_SECONDS="1") as web:
        headers = {"Authorization": f"Bearer {access}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{web.port}", headers=headers) as client:
            for _ in range(5):  # Django answers the first, the event loop the others
                assert client.get(f"{LIVE}/greeks/CBOE@NONE@equity_spot").status_code == 404
        counted = "SELECT endpoint, status, sum(requests)::int FROM signal_api_metrics WHERE user_id = %s GROUP BY 1, 2"
        until(lambda: [count for *_, count in rows(counted, user)] == [5])
        ((endpoint, status, _),) = rows(counted, user)
        assert endpoint.endswith("greeks/<path:instrument_key>") and status == "4xx"

        listed = "SELECT topics, subscriptions, client_id FROM signal_websocket_subscriptions WHERE user_id = %s"
        with web.connect(f"{V2}?client_id=desk%00one", user=user) as socket:
            socket.subscribe("NSE@LISTED@equity_spot")
            until(lambda: rows(listed, user) == [(["NSE@LISTED@equity_spot"], 1, "deskone")])
            assert web.process is not None
            web.process.kill()
            web.process.wait(10)
    assert rows(listed, user)  # until beat finds that the process has died
