"""Headers and addresses that no honest caller sends: each gets a problem document."""

from typing import Any

import httpx
import pytest

from tests.e2e.conftest import BATCH, run
from tests.e2e.hostile import KEY, LIVE, PROBLEM, assert_refused


@pytest.fixture(scope="module")
def ended(login: Any) -> dict[str, Any]:
    job, _ = run(login("alice"), items=[KEY])
    return job


class TestHeaders:
    @pytest.mark.parametrize("key", [b"", b"x" * 256, b"a\tb", b"\xc3\xa9"])
    def test_idempotency_key(self, alice: httpx.Client, key: bytes) -> None:
        answer = alice.post(f"{BATCH}/greeks", json={"items": [KEY]}, headers=[(b"Idempotency-Key", key)])
        assert_refused(answer, "Idempotency-Key")

    def test_a_body_too_deep_for_a_key(self, alice: httpx.Client) -> None:
        content = b'{"items": ' + b"[" * 500 + b"]" * 500 + b"}"
        headers = {"Idempotency-Key": "deep", "Content-Type": "application/json"}
        assert_refused(alice.post(f"{BATCH}/greeks", content=content, headers=headers), "body")

    @pytest.mark.parametrize("accept", ["text/html", "application/xml;q=1", "image/*", "nonsense"])
    def test_accept(self, alice: httpx.Client, ended: dict[str, Any], accept: str) -> None:
        for path in (
            f"{BATCH}/jobs",
            f"{BATCH}/statistics",
            ended["links"]["results"],
            ended["links"]["export"],
            f"{LIVE}/chain/A@B",
        ):
            answer = alice.get(path, headers={"Accept": accept})
            assert (answer.status_code, answer.headers["Content-Type"]) == (406, PROBLEM), path

    @pytest.mark.parametrize(
        "accept", [",,,", "*/*;q=", "application/json;q=x", "*/*" + ",a/b" * 2000, ";", "application/*"]
    )
    def test_an_accept_that_is_odd_is_no_fault(self, alice: httpx.Client, accept: str) -> None:
        answer = alice.get(f"{BATCH}/statistics", headers={"Accept": accept})
        assert answer.status_code in (200, 406)

    @pytest.mark.parametrize(
        "media", ["text/plain", "application/xml", "", "application/json" * 30, "multipart/form-data"]
    )
    def test_content_type(self, alice: httpx.Client, media: str) -> None:
        answer = alice.post(f"{BATCH}/jobs", content=b"{}", headers={"Content-Type": media})
        assert (answer.status_code, answer.headers["Content-Type"]) == (415, PROBLEM)

    @pytest.mark.parametrize("host", ["evil.example", "a b", "[::1", "localhost:x", "127.0.0.1:1:1"])
    def test_host(self, alice: httpx.Client, host: str) -> None:
        answer = alice.get(f"{BATCH}/jobs", headers={"Host": host})
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == PROBLEM


class TestAddresses:
    @pytest.mark.parametrize(
        "path", ["/api/", "/api/v2/nothing", "/api/v2/signals/batch/", "/api/v3", "/api/%00", "/api/token/x"]
    )
    def test_nothing_there(self, address: str, path: str) -> None:
        for method in ("GET", "POST", "DELETE"):
            answer = httpx.request(method, f"{address}{path}")
            assert (answer.status_code, answer.headers["Content-Type"]) == (404, PROBLEM), answer.text[:200]
            assert answer.json()["status"] == 404 and answer.json()["detail"]

    def test_elsewhere_it_is_a_page(self, address: str) -> None:
        for path in ("/nothing", "/admin/nothing/", "/apis"):
            answer = httpx.get(f"{address}{path}", follow_redirects=True)
            assert answer.headers["Content-Type"].startswith("text/html")

    @pytest.mark.parametrize("path", ["/api/asyncapi.json", "/api/docs", "/api/schema"])
    def test_documents_are_only_read(self, address: str, path: str) -> None:
        assert httpx.get(f"{address}{path}").status_code == 200
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = httpx.request(method, f"{address}{path}", content=b"{}")
            assert answer.status_code in (403, 405)  # a plain view checks the CSRF token first
            assert answer.headers["Content-Type"] == PROBLEM

    @pytest.mark.parametrize("query", ["version=%0a", "version=%0d%0aX:1", "lang=%00", "format=xml"])
    def test_the_schemas_query(self, address: str, query: str) -> None:
        answer = httpx.get(f"{address}/api/schema?{query}")
        assert answer.status_code in (200, 404)
        assert "X" not in answer.headers
