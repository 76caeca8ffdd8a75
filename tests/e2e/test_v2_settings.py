"""The settings API_V2_ENABLED and API_V2_RATE_LIMIT, as a web process of its own has them."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.e2e.conftest import own_database
from tests.e2e.sockets import running_web

V2 = "/api/v2/signals"


def test_api_v2_is_switched_off(alice: httpx.Client, tmp_path: Path) -> None:
    mine = {"Authorization": alice.headers["Authorization"]}
    environment = {"API_V2_ENABLED": "false", "DATABASE_URL": own_database(), "REDIS_URL": settings.REDIS_URL}
    with (
        running_web(tmp_path / "web.log", **environment) as web,
        httpx.Client(base_url=f"http://127.0.0.1:{web.port}") as client,
    ):
        for method, path in (
            ("GET", f"{V2}/indicators"),
            ("GET", "/api/v2/indicators"),
            ("POST", f"{V2}/batch/jobs"),
            ("GET", f"{V2}/realtime/greeks/SIM@NIFTY@equity_spot"),
            ("GET", f"{V2}/there/is/nothing"),
        ):
            answer = client.request(method, path, headers=mine)
            assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json"), path
            assert "API_V2_ENABLED" in answer.json()["detail"] and answer.json()["request_id"]
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{web.port}{V2}/subscriptions/websocket", additional_headers=mine)
        assert refused.value.response.status_code in (403, 503)
        for path in ("/health", "/ready", "/admin/login/", "/api/schema", "/metrics"):
            assert client.get(path).status_code == 200, path
        assert client.post("/api/token", json={"username": "x", "password": "y"}).status_code == 401


def test_a_caller_has_so_many_requests_a_minute(login: Any, tmp_path: Path) -> None:
    environment = {"API_V2_RATE_LIMIT": "20", "DATABASE_URL": own_database(), "REDIS_URL": settings.REDIS_URL}
    bob, carol = ({"Authorization": login(name).headers["Authorization"]} for name in ("bob", "carol"))
    with (
        running_web(tmp_path / "web.log", **environment) as web,
        httpx.Client(base_url=f"http://127.0.0.1:{web.port}") as client,
    ):
        answers = [client.get(f"{V2}/realtime/greeks/SIM@NIFTY@equity_spot", headers=bob) for _ in range(45)]
        refused = [each for each in answers if each.status_code == 429]
        assert 5 <= len(refused) <= 25, "a new minute may begin meanwhile"
        assert refused[0].headers["Content-Type"] == "application/problem+json"
        assert 1 <= int(refused[0].headers["Retry-After"]) <= 60
        assert client.get(f"{V2}/indicators", headers=carol).status_code == 200
        assert client.get("/health").status_code == 200
        assert {client.get(f"{V2}/indicators").status_code for _ in range(25)} == {401}
