"""Which scripts pages run, who may read the metrics, and with which settings production does not start."""

import re
import secrets
from collections.abc import Iterator

import httpx
import pytest
from django.conf import settings

from tests.e2e.conftest import manage, own_database
from tests.e2e.sockets import Web, running_web

METRICS_TOKEN = "a-token-of-prometheus-alone"
SECRET_KEY = secrets.token_urlsafe(48)
SCRIPT = r"<script(?![^>]*\b(?:src=|nonce=|type=\"application/json\"))[^>]*>"
INLINE = re.compile(SCRIPT + r"|<style(?![^>]*nonce=)|<[^>]*\s(?:style|on\w+)=", re.I)


def policy(answer: httpx.Response) -> dict[str, list[str]]:
    parts = (each.split() for each in answer.headers["Content-Security-Policy"].split(";") if each.strip())
    return {name: sources for name, *sources in parts}


@pytest.mark.parametrize("path", ["/admin/login/", "/api/docs"])
def test_pages_run_only_what_the_site_serves(address: str, path: str) -> None:
    page = httpx.get(f"{address}{path}")
    rules = policy(page)
    assert rules["default-src"] == ["'self'"] and rules["object-src"] == ["'none'"]
    assert "'self'" in rules["script-src"] and not any("unsafe" in source for each in rules.values() for source in each)
    assert not INLINE.findall(page.text)


def test_pages_of_staff_have_nothing_inline(address: str, passwords: dict[str, str]) -> None:
    with httpx.Client(base_url=address, timeout=30, follow_redirects=True) as browser:
        browser.get("/admin/login/")
        form = {
            "username": "staff",
            "password": passwords["staff"],
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        assert "Log out" in browser.post("/admin/login/?next=/admin/", data=form).text
        pages = (
            "",
            "batch/job/",
            "auth/user/",
            "auth/user/add/",
            "signals/underlying/",
            "django_celery_beat/periodictask/add/",
        )
        for path in pages:
            page = browser.get(f"/admin/{path}")
            assert page.status_code == 200 and "unsafe" not in page.headers["Content-Security-Policy"]
            assert not INLINE.findall(page.text), path


def test_the_script_of_the_docs_is_the_sites_own(address: str) -> None:
    page = httpx.get(f"{address}/api/docs").text
    scripts = re.findall(r'<script src="([^"]+)"', page)
    assert len(scripts) == 3
    assert "SwaggerUIBundle({" in httpx.get(f"{address}{scripts[-1].replace('&amp;', '&')}").text


@pytest.fixture(scope="module")
def production(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(
        tmp_path_factory.mktemp("production") / "web.log",
        **_environment(),
        METRICS_TOKEN=METRICS_TOKEN,
        METRICS_ALLOWED_NETWORKS="127.0.0.77/32",
    ) as web:
        yield web


def _environment(**more: str) -> dict[str, str]:
    return {
        "SIGNALSITE_ENV": "production",
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": own_database(),
        "REDIS_URL": settings.REDIS_URL,
        "ALLOWED_HOSTS": "127.0.0.1",
        **more,
    }


def test_metrics_ask_for_a_token_or_an_allowed_network(production: Web) -> None:
    url = f"http://127.0.0.1:{production.port}/metrics"
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {METRICS_TOKEN}x"}):
        refused = httpx.get(url, headers=headers)
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
        assert "django_http" not in refused.text
    assert "django_http" in httpx.get(url, headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).text
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.77")) as neighbour:
        assert "django_http" in neighbour.get(url).text
        assert neighbour.get(url, headers={"X-Forwarded-For": "127.0.0.78"}).status_code == 200
    claimed = httpx.get(url, headers={"X-Forwarded-For": "127.0.0.77"})
    assert claimed.status_code == 401


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"SECRET_KEY": "short"}, "SECRET_KEY must have at least 50 characters"),
        ({"SECRET_KEY": "ab" * 40}, "5 of them different"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS must name the hosts"),
        ({"ALLOWED_HOSTS": "signals.example,*"}, "ALLOWED_HOSTS must name the hosts"),
        ({"METRICS_TOKEN": "guess"}, "METRICS_TOKEN must have at least 20 characters"),
        ({"FORWARDED_ALLOW_IPS": "*"}, "FORWARDED_ALLOW_IPS: '*' does not appear to be an IPv4 or IPv6 network"),
    ],
)
def test_production_refuses_what_is_easily_guessed_or_open(address: str, wrong: dict[str, str], said: str) -> None:
    done = manage("check", **_environment(**wrong))
    assert done.returncode != 0
    assert said in done.stderr and "Traceback" not in done.stderr
