"""Pages of other sites call the API and open sockets when one setting lists their origin, and only then."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import BATCH, run, submit
from tests.e2e.raw import connections
from tests.e2e.sockets import Web, running_web

LISTED, OTHER = "https://desk.example:8443", "https://evil.example"
LIVE = "/api/v2/signals/realtime/chain/SIM@NIFTY"
NEEDED = {"location", "retry-after", "etag", "link", "idempotency-replayed", "content-disposition", "x-request-id"}


@pytest.fixture(scope="module")
def web(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    log = tmp_path_factory.mktemp("cors") / "web.log"
    with running_web(log, CORS_ALLOWED_ORIGINS=f"http://localhost:3000, {LISTED}", HTTP_HEADER_SECONDS="1") as served:
        yield served


@pytest.fixture
def page(web: Web, login: Callable[[str], httpx.Client]) -> Iterator[httpx.Client]:
    """Alice's client as a page of the listed origin."""
    headers = {"Origin": LISTED, "Authorization": login("alice").headers["Authorization"]}
    with httpx.Client(base_url=f"http://127.0.0.1:{web.port}", headers=headers, timeout=30) as client:
        yield client


def is_readable(response: httpx.Response) -> bool:
    """Whether the browser gives the page the answer, and the headers that a client needs."""
    exposed = {each.strip().lower() for each in response.headers["access-control-expose-headers"].split(",")}
    assert response.headers.get_list("access-control-allow-origin") == [LISTED]
    assert "access-control-allow-credentials" not in response.headers
    assert "origin" in response.headers["vary"].lower()
    return exposed >= NEEDED


PREFLIGHTED = [f"{BATCH}/jobs", f"{BATCH}/greeks", LIVE, f"{BATCH}/jobs/{'0' * 8}-0000-4000-8000-{'0' * 12}/export"]


@pytest.mark.parametrize("path", [*PREFLIGHTED, "/api/token", "/api/nothing", "/health"])
def test_a_preflight_is_answered_without_a_token(page: httpx.Client, path: str) -> None:
    del page.headers["Authorization"]
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
    response = page.options(path, headers=asked)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["access-control-allow-origin"] == LISTED
    allowed = {each.strip() for each in response.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "idempotency-key", "if-none-match", "x-request-id"} <= allowed
    assert {"GET", "POST", "DELETE"} <= {m.strip() for m in response.headers["access-control-allow-methods"].split(",")}
    assert int(response.headers["access-control-max-age"]) > 0


@pytest.mark.parametrize("origin", [OTHER, "null", "https://desk.example", "http://desk.example:8443", "http://[", "é"])
def test_another_origin_is_told_nothing(page: httpx.Client, origin: str) -> None:
    del page.headers["Origin"]
    sent, asked = (b"Origin", origin.encode()), (b"Access-Control-Request-Method", b"POST")
    preflight = page.options(f"{BATCH}/jobs", headers=[sent, asked])
    for response in (preflight, page.get(f"{BATCH}/jobs", headers=[sent]), page.get(LIVE, headers=[sent])):
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert "origin" in response.headers["vary"].lower()  # or a cache would give it this answer


def test_a_job_from_submission_to_export(page: httpx.Client) -> None:
    body = {"kind": "greeks", "items": ["SIM@NIFTY@equity_spot"]}
    accepted = page.post(f"{BATCH}/jobs", json=body, headers={"Idempotency-Key": "from-a-page"})
    assert accepted.status_code == 202 and accepted.headers["Location"] and is_readable(accepted)
    again = page.post(f"{BATCH}/jobs", json=body, headers={"Idempotency-Key": "from-a-page"})
    assert again.headers["Idempotency-Replayed"] == "true" and is_readable(again)
    job, _ = run(page, items=["SIM@NIFTY@equity_spot"])
    assert is_readable(page.get(job["links"]["self"])) and is_readable(page.get(job["links"]["results"]))
    export = page.get(f"{job['links']['self']}/export")
    assert export.status_code == 200 and is_readable(export)


def test_live_reads_of_different_origins_do_not_share_headers(page: httpx.Client) -> None:
    """The event loop reuses the headers of earlier answers."""
    for origin, shown in [(LISTED, LISTED), (OTHER, None), ("http://localhost:3000", "http://localhost:3000")] * 2:
        response = page.get(LIVE, headers={"Origin": origin})
        assert response.headers.get("access-control-allow-origin") == shown
    del page.headers["Origin"]
    assert "access-control-allow-origin" not in page.get(LIVE).headers


@pytest.mark.parametrize(
    ("path", "status"),
    [(f"{BATCH}/jobs", 401), (LIVE, 401), ("/api/nothing", 404), ("/api/token", 405), ("/health", 200)],
)
def test_refusals_can_be_read(page: httpx.Client, path: str, status: int) -> None:
    del page.headers["Authorization"]
    response = page.get(path)
    assert response.status_code == status and is_readable(response)


def test_a_body_that_is_too_large(page: httpx.Client) -> None:
    response = page.post("/api/token", content=b"x" * (1 << 20), headers={"Content-Type": "application/json"})
    assert response.status_code == 413 and is_readable(response)


def test_a_request_that_the_protocol_refuses(web: Web) -> None:
    """Its headers never end, so that no application hears of it."""
    with connections(f"http://127.0.0.1:{web.port}", 1) as (connection,):
        connection.send(f"GET /api/token HTTP/1.1\r\nHost: x\r\nOrigin: {LISTED}\r\nX: ".encode())
        answer = connection.answer()
    assert answer.status == 408 and answer.headers["access-control-allow-origin"] == LISTED


def test_pages_that_are_no_api_have_none(page: httpx.Client) -> None:
    assert "access-control-allow-origin" not in page.get("/admin/login/").headers
    assert "access-control-allow-origin" not in page.get("/metrics").headers


def test_sockets_follow_the_same_setting(web: Web) -> None:
    with web.connect(origin=LISTED):
        pass
    with web.connect(origin=OTHER, welcome=False) as socket:
        assert socket.closed() == 4003


def test_it_is_off_by_default(alice: httpx.Client) -> None:
    submit(alice, items=["SIM@NIFTY@equity_spot"])
    response = alice.get(f"{BATCH}/jobs", headers={"Origin": LISTED})
    assert response.status_code == 200 and "access-control-allow-origin" not in response.headers
    preflight = alice.options(f"{BATCH}/jobs", headers={"Origin": LISTED, "Access-Control-Request-Method": "POST"})
    assert "access-control-allow-origin" not in preflight.headers


@pytest.mark.parametrize("value", ["*", "https://desk.example/app", "http://[", "https://Desk.example"])
def test_a_wrong_value_stops_the_start(value: str, tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with pytest.raises(AssertionError), running_web(log, CORS_ALLOWED_ORIGINS=value):
        pass
    assert "CORS_ALLOWED_ORIGINS" in log.read_text()
