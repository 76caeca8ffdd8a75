"""Who is admitted, what is refused and how, and what staff and operators see."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import BATCH, read, run, submit, wait

Login = Callable[[str], httpx.Client]
KEY = "SIM@NIFTY@equity_options@2026-03-30@call@24000"


def chain_keys(client: httpx.Client, count: int) -> list[str]:
    _, rows = run(client, selector={"exchange": "SIM"})
    keys = [row["instrument_key"] for row in rows]
    return (keys * (count // len(keys) + 1))[:count]


def test_strangers_are_asked_for_a_token(address: str) -> None:
    for path in ("greeks", "jobs"):
        answer = httpx.post(f"{address}{BATCH}/{path}", json={})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert httpx.get(f"{address}{BATCH}/jobs", headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_a_job_exists_for_its_owner_and_staff_only(login: Login) -> None:
    alice, bob, staff = (login(name) for name in ("alice", "bob", "staff"))
    job, _ = run(alice, items=[KEY])
    for path in ("self", "results"):
        assert alice.get(job["links"][path]).status_code == 200
        assert staff.get(job["links"][path]).status_code == 200
        assert bob.get(job["links"][path]).status_code == 404
    assert bob.post(job["links"]["cancel"]).status_code == 404
    listed = {
        name: {each["id"] for each in login(name).get(f"{BATCH}/jobs").json()["results"]} for name in ("bob", "staff")
    }
    assert job["id"] not in listed["bob"]
    assert job["id"] in listed["staff"]
    assert bob.get(f"{BATCH}/jobs/00000000-0000-0000-0000-000000000000").status_code == 404


def test_a_browser_session_serves_too(address: str, passwords: dict[str, str]) -> None:
    with httpx.Client(base_url=address, follow_redirects=True) as browser:
        page = browser.get("/admin/login/")
        form = {
            "username": "staff",
            "password": passwords["staff"],
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        assert page.status_code == 200
        assert browser.post("/admin/login/?next=/admin/", data=form).status_code == 200
        assert browser.get(f"{BATCH}/jobs").status_code == 200
        assert browser.post(f"{BATCH}/greeks", json={"items": [KEY]}).status_code == 403  # no CSRF token


def test_up_to_a_hundred_are_answered_at_once_and_more_become_a_job(alice: httpx.Client) -> None:
    answer = alice.post(f"{BATCH}/greeks", json={"items": [KEY] * 100})
    assert answer.status_code == 200
    body = answer.json()
    assert len(body["data"]) == 100 and body["request_counts"]["total"] == 100
    assert body["params"]["forward"] == "auto" and body["as_of"]
    for more in ({"items": [KEY] * 101}, {"items": [KEY], "async": True}, {"selector": {"underlying": "SIM@NIFTY"}}):
        answer = alice.post(f"{BATCH}/greeks", json=more)
        assert answer.status_code == 202, answer.text
        assert wait(alice, answer.json())["status"] == "completed"
        assert alice.get(answer.headers["Location"]).json()["status"] == "completed"


MALFORMED: list[tuple[Any, str]] = [
    ([], "body"),
    ({}, "items"),
    ({"items": [KEY], "selector": {}}, "items"),
    ({"items": "NIFTY"}, "items"),
    ({"items": []}, "items"),
    ({"items": [KEY, 3]}, "items[1]"),
    ({"items": [KEY], "parms": {}}, "parms"),
    ({"items": [KEY], "params": []}, "params"),
    ({"items": [KEY], "params": {"forward": "futures"}}, "params.forward"),
    ({"items": [KEY], "params": {"rate": "high"}}, "params.rate"),
    ({"items": [KEY], "params": {"rate": 9}}, "params.rate"),
    ({"items": [KEY], "params": {"modell": "bsm"}}, "params.modell"),
    ({"items": [KEY], "as_of": "yesterday"}, "as_of"),
    ({"items": [KEY], "as_of": 5}, "as_of"),
    ({"selector": 7}, "selector"),
    ({"items": [KEY], "kind": "horoscope"}, "kind"),
]


@pytest.mark.parametrize(("body", "field"), MALFORMED)
def test_a_malformed_body_gets_one_400_that_names_the_field(alice: httpx.Client, body: Any, field: str) -> None:
    whole = {"kind": "greeks", **body} if isinstance(body, dict) else body
    answer = alice.post(f"{BATCH}/jobs", json=whole)
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 400 and problem["title"] == "Bad Request" and problem["detail"]
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize("text", ["", "{", "[1,", '{"items": NaN}', '{"items": [1e999]}', "\x00", "nul"])
def test_a_body_that_is_no_json(alice: httpx.Client, text: str) -> None:
    answer = alice.post(f"{BATCH}/jobs", content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_other_media_types_and_methods_are_problems_too(alice: httpx.Client) -> None:
    answer = alice.post(f"{BATCH}/jobs", content="a=b", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (415, "application/problem+json")
    answer = alice.delete(f"{BATCH}/jobs")
    assert (answer.status_code, answer.headers["Content-Type"]) == (405, "application/problem+json")


def test_the_alias_serves_the_same(alice: httpx.Client) -> None:
    assert alice.get("/api/v2/batch/jobs").status_code == 200


def test_the_list_of_jobs_is_filtered_and_paged(alice: httpx.Client) -> None:
    for _ in range(3):
        run(alice, items=[KEY])
    page = alice.get(f"{BATCH}/jobs", params={"status": "completed", "kind": "greeks", "limit": 2}).json()
    assert len(page["results"]) == 2 and page["next"]
    first, second = (each["created_at"] for each in page["results"])
    assert first > second
    following = alice.get(page["next"]).json()["results"]
    assert not {each["id"] for each in following} & {each["id"] for each in page["results"]}
    assert (
        alice.get(f"{BATCH}/jobs", params={"status": "cancelled", "created_after": "2100-01-01"}).json()["results"]
        == []
    )
    answer = alice.get(f"{BATCH}/jobs", params={"status": "asleep"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "status")
    answer = alice.get(f"{BATCH}/jobs", params={"stauts": "completed"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "stauts")


def test_cancelling_stops_the_computing(alice: httpx.Client) -> None:
    keys = chain_keys(alice, 60_000)
    job = submit(alice, items=keys)
    while not job["request_counts"]["completed"]:
        assert not job["done"]
        time.sleep(0.02)
        job = alice.get(job["links"]["self"]).json()
    answer = alice.post(job["links"]["cancel"])
    assert answer.status_code == 202
    assert answer.json()["status"] in ("cancelling", "cancelled")  # depends on whether a chunk was running
    job = wait(alice, answer.json())
    assert job["status"] == "cancelled"
    counts = job["request_counts"]
    rows = read(alice, job, limit=10_000)
    assert [row["position"] for row in rows] == list(range(60_000))
    cancelled = [row for row in rows if row["status"] == "cancelled"]
    assert len(cancelled) > 20_000  # they were not computed before
    assert all(row["delta"] is None and row["retryable"] for row in cancelled)
    assert counts["completed"] + counts["failed"] == counts["total"] == 60_000
    assert sum(row["status"] == "ok" for row in rows) == counts["completed"]
    again = alice.post(job["links"]["cancel"])
    assert (again.status_code, again.json()["status"]) == (202, "cancelled")


def test_an_ended_job_stays_as_it_is(alice: httpx.Client) -> None:
    job, _ = run(alice, items=[KEY])
    assert alice.post(job["links"]["cancel"]).json()["status"] == "completed"


def test_results_queries_are_checked(alice: httpx.Client) -> None:
    job, _ = run(alice, items=[KEY])
    for name, value in (("limit", 0), ("limit", 10_001), ("cursor", "x"), ("status", "Robert'); --"), ("page", 1)):
        answer = alice.get(job["links"]["results"], params={name: value})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, name)
    page = alice.get(job["links"]["results"], params={"limit": 1})
    assert page.json()["next_cursor"] == 0 and 'rel="next"' in page.headers["Link"]


def test_statistics(login: Login) -> None:
    alice = login("alice")
    run(alice, items=[KEY])
    mine, all_of_them = (login(name).get(f"{BATCH}/statistics").json() for name in ("alice", "staff"))
    assert 0 < mine["jobs"]["total"] <= all_of_them["jobs"]["total"]
    assert mine["jobs"]["by_status"]["completed"] > 0
    assert mine["items"]["total"] >= mine["items"]["completed"] > 0
    assert mine["items_per_second"] > 0 and mine["mean_job_seconds"] > 0
    assert mine["queue"] == {"pending_chunks": 0, "running_chunks": 0, "waiting_items": 0}


def test_probes_and_metrics(address: str) -> None:
    assert httpx.get(f"{address}/health").json() == {"status": "ok", "service": "Signals Backend"}
    assert httpx.get(f"{address}/ready").json() == {"status": "ok"}
    metrics = httpx.get(f"{address}/metrics")
    assert "django_http_requests_total_by_method_total" in metrics.text


def test_the_schema_and_its_page_are_served_locally(address: str) -> None:
    schema = httpx.get(f"{address}/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    paths = [path for path in schema["paths"] if "/batch/" in path]
    job = "jobs/{job_id}"
    ours = [
        "bars",
        "functions",
        "greeks",
        "greeks_grid",
        "historical_greeks",
        "indicators",
        "jobs",
        job,
        *(f"{job}/{rest}" for rest in ("cancel", "errors", "export", "receipt", "results", "retry")),
        "moneyness",
        "portfolios",
        "quotes",
    ]
    assert sorted(paths) == [f"{BATCH}/{path}" for path in [*ours, "statistics"]]
    page = httpx.get(f"{address}/api/docs").text
    assert "//cdn" not in page and "https://" not in page
    scripts = [part.split('"')[0] for part in page.split('src="')[1:]]
    assert scripts
    for script in scripts:
        assert httpx.get(f"{address}{script}").status_code == 200


class TestAdmin:
    @pytest.fixture
    def browser(self, address: str, passwords: dict[str, str]) -> httpx.Client:
        client = httpx.Client(base_url=address, follow_redirects=True)
        client.get("/admin/login/")
        form = {"username": "staff", "password": passwords["staff"], "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        client.post("/admin/login/?next=/admin/", data=form).raise_for_status()
        return client

    def test_jobs_are_found_shown_and_cancelled(self, browser: httpx.Client, login: Login) -> None:
        alice = login("alice")
        job = submit(alice, items=chain_keys(alice, 60_000))
        listing = browser.get("/admin/batch/job/", params={"q": job["id"]}).text
        assert job["id"] in listing and "<progress" in listing
        assert browser.get("/admin/batch/job/?status__exact=completed").status_code == 200
        assert browser.get("/admin/batch/job/?q=not-a-uuid").status_code == 200
        assert "first position" in browser.get(f"/admin/batch/job/{job['id']}/change/").text.lower()
        form = {
            "action": "cancel",
            "_selected_action": job["id"],
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        answer = browser.post("/admin/batch/job/", data=form).text
        assert "1 job(s) are being cancelled." in answer
        assert wait(alice, job)["status"] == "cancelled"
        assert "had ended already" in browser.post("/admin/batch/job/", data=form).text

    def test_instruments_are_found(self, browser: httpx.Client) -> None:
        assert KEY.split("@")[4] in browser.get("/admin/signals/instrument/?right__exact=call").text
        assert "SIM@NIFTY@equity_options" in browser.get("/admin/signals/instrument/?q=SIM@NIFTY").text
        assert "pricing_model" in browser.get("/admin/signals/underlying/").text
