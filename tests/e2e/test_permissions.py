"""Django's permissions decide who sees others' jobs and acts on them: in the API, on sockets and in the admin."""

from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect

from tests.e2e.conftest import BATCH, run, submit, succeed, wait
from tests.e2e.sockets import V2, Socket

KEY = "SIM@NIFTY@equity_options@2026-03-30@call@24000"
PERMISSIONS = {"bare": "", "looks": "view_job", "acts": "change_job", "hooks": "change_webhookdelivery"}
_MAKE = """
import os
from django.contrib.auth.models import Permission, User
for each in os.environ["ACCOUNTS"].split():
    name, _, permission = each.partition(":")
    user = User.objects.create_user(name, password=os.environ["PASSWORD"], is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="batch", codename=permission))
"""
PASSWORD = "of-staff-with-fewer-rights"


@pytest.fixture(scope="module")
def staff(address: str) -> Iterator[dict[str, httpx.Client]]:
    """Yield clients of staff members by name, signed in to the API. None is a superuser."""
    named = " ".join(f"{name}:{permission}" for name, permission in PERMISSIONS.items())
    succeed("shell", "-v0", "-c", _MAKE, ACCOUNTS=named, PASSWORD=PASSWORD)
    clients = {name: httpx.Client(base_url=address, timeout=30) for name in PERMISSIONS}
    for name, client in clients.items():
        tokens = client.post("/api/token", json={"username": name, "password": PASSWORD}).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {tokens['access']}"
    yield clients
    for client in clients.values():
        client.close()


def listed(client: httpx.Client) -> set[str]:
    return {each["id"] for each in client.get(f"{BATCH}/jobs").json()["results"]}


def test_staff_without_a_permission_have_their_own_jobs_only(
    alice: httpx.Client, staff: dict[str, httpx.Client]
) -> None:
    theirs, _ = run(alice, items=[KEY])
    for name in ("bare", "hooks"):
        client = staff[name]
        own, _ = run(client, items=[KEY])
        for path in ("self", "results"):
            assert client.get(theirs["links"][path]).status_code == 404
            assert client.get(own["links"][path]).status_code == 200
        for path in ("export", "errors"):
            assert client.get(f"{BATCH}/jobs/{theirs['id']}/{path}").status_code == 404
            assert client.get(f"{BATCH}/jobs/{own['id']}/{path}").status_code == 200
        for path in ("cancel", "retry"):
            assert client.post(f"{BATCH}/jobs/{theirs['id']}/{path}").status_code == 404
        assert client.post(f"{BATCH}/jobs/{own['id']}/cancel").status_code == 202
        assert listed(client) == {own["id"]}
        assert client.get(f"{BATCH}/statistics").json()["jobs"]["total"] == 1


def test_to_look_is_not_to_act(alice: httpx.Client, staff: dict[str, httpx.Client]) -> None:
    job = submit(alice, items=[KEY] * 20_000, reuse=False)
    for name in ("looks", "acts"):
        assert staff[name].get(job["links"]["self"]).status_code == 200
        assert job["id"] in listed(staff[name])
    for path in ("cancel", "retry"):
        refused = staff["looks"].post(f"{BATCH}/jobs/{job['id']}/{path}")
        assert (refused.status_code, refused.headers["Content-Type"]) == (403, "application/problem+json")
        assert "batch.change_job" in refused.json()["detail"]
    assert staff["acts"].post(f"{BATCH}/jobs/{job['id']}/cancel").status_code == 202
    assert wait(alice, job)["status"] in ("cancelled", "completed")
    assert staff["acts"].get(f"{BATCH}/jobs/{job['id']}/export").status_code == 200
    seen, mine = (each.get(f"{BATCH}/statistics").json()["jobs"]["total"] for each in (staff["looks"], alice))
    assert seen >= mine > 0


def test_the_topic_of_a_job_asks_for_the_same_permission(
    address: str, alice: httpx.Client, staff: dict[str, httpx.Client]
) -> None:
    job, _ = run(alice, items=[KEY])
    subscribed = {name: _subscribes(address, client, job["id"]) for name, client in staff.items()}
    assert subscribed == {"bare": False, "looks": True, "acts": True, "hooks": False}


def _subscribes(address: str, client: httpx.Client, job: str) -> bool:
    token = client.headers["Authorization"].split()[1]
    connection = connect(
        f"ws{address.removeprefix('http')}{V2}", subprotocols=["signals", f"bearer.{token}"], legacy=True
    )
    with Socket(connection) as socket:
        socket.next("welcome")
        (item,) = socket.subscribe(f"job:{job}")["items"]
        assert item["ok"] or item["code"] == "forbidden"
        return bool(item["ok"])


@pytest.mark.parametrize(
    ("name", "page", "action"),
    [("bare", 403, False), ("looks", 200, False), ("acts", 200, True), ("hooks", 403, False)],
)
def test_the_admin_shows_and_offers_the_same(
    address: str, alice: httpx.Client, staff: dict[str, httpx.Client], name: str, page: int, action: bool
) -> None:
    job, _ = run(alice, items=[KEY])
    with httpx.Client(base_url=address, timeout=30, follow_redirects=True) as browser:
        browser.get("/admin/login/")
        form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        browser.post("/admin/login/?next=/admin/", data=form)
        listing = browser.get("/admin/batch/job/")
        assert (listing.status_code, 'value="cancel"' in listing.text) == (page, action)
        assert browser.get(f"/admin/batch/job/{job['id']}/change/").status_code == page
        deliveries = browser.get("/admin/batch/webhookdelivery/")
        assert deliveries.status_code == (200 if name == "hooks" else 403)
