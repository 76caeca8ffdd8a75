"""Django's own errors: problem documents under /api/, pages elsewhere."""

from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.test import Client
from django.urls import path

PROBLEM = "application/problem+json"


def broken(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("a bug")


def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation


def away(request: HttpRequest) -> HttpResponse:
    raise OperationalError("the server closed the connection")


def busy(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("<h1>busy</h1>", status=503, headers={"Retry-After": "7"})
    response.set_cookie("kept", "yes")
    return response


def reading(request: HttpRequest) -> HttpResponse:
    return HttpResponseNotAllowed(["GET"])


urlpatterns = [
    path(f"{place}{view.__name__}", view)
    for place in ("api/", "")
    for view in (broken, suspicious, away, busy, reading)
]


@pytest.fixture
def client(settings: Any) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


@pytest.mark.parametrize(
    ("view", "status"),
    [("broken", 500), ("suspicious", 400), ("away", 500), ("busy", 503), ("reading", 405), ("none", 404)],
)
def test_a_problem_under_api_and_a_page_elsewhere(client: Client, view: str, status: int) -> None:
    answer = client.get(f"/api/{view}")
    assert (answer.status_code, answer["Content-Type"]) == (status, PROBLEM)
    assert answer.json()["status"] == status and answer.json()["title"] and answer.json()["detail"]
    assert "a bug" not in answer.content.decode()
    page = client.get(f"/{view}")
    assert page.status_code == status and page["Content-Type"].startswith("text/html")


def test_what_belongs_to_the_answer_stays_with_it(client: Client) -> None:
    answer = client.get("/api/busy")
    assert answer["Retry-After"] == "7" and answer.cookies["kept"].value == "yes"
    assert int(answer["Content-Length"]) == len(answer.content)
    assert client.get("/api/reading")["Allow"] == "GET"


def test_a_missing_csrf_token_and_a_foreign_host(client: Client) -> None:
    answer = client.post("/api/busy")
    assert (answer.status_code, answer["Content-Type"]) == (403, PROBLEM)
    answer = client.get("/api/busy", headers={"Host": "evil.example"})
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)
