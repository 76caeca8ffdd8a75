"""Sign-ins through the API and the admin's page, each from an address of its own."""

from collections.abc import Callable
from itertools import count
from typing import Any

import httpx

addresses = (f"127.0.{n // 250}.{n % 250 + 1}" for n in count(1000))
"""Each test guesses from its own addresses: all of 127.0.0.0/8 is this machine."""


def caller(address: str, local: str = "") -> httpx.Client:
    transport = httpx.HTTPTransport(local_address=local or next(addresses))
    return httpx.Client(base_url=address, transport=transport, timeout=30)


def sign_in(client: httpx.Client, name: str, password: str, **more: Any) -> httpx.Response:
    return client.post("/api/token", json={"username": name, "password": password}, **more)


def admin_sign_in(client: httpx.Client, name: str, password: str) -> httpx.Response:
    client.get("/admin/login/")
    form = {"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    return client.post("/admin/login/", data=form)


def until_refused(attempt: Callable[[], httpx.Response]) -> tuple[httpx.Response, int]:
    """Return the 429, and how many attempts were counted before it: a slow machine outlasts the first delays."""
    counted = 0
    while (answer := attempt()).status_code != 429:
        assert answer.status_code in (200, 401) and counted < 5, answer.text  # the admin's page tells it with a 200
        counted += 1
    return answer, counted


def is_problem(answer: httpx.Response, status: int) -> bool:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    return answer.json()["status"] == status
