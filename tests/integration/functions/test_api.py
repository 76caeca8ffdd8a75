"""Functions over HTTP: upload, versions, dry run, permissions, limits and the log."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from signals.functions import running, services
from signals.functions.core.registry import INTERNAL
from signals.functions.models import FunctionRun, FunctionVersion, UserFunction
from signalsite.foundation.errors import InvalidInput, LimitExceeded
from tests.integration.functions.conftest import needs_filter

pytestmark = pytest.mark.django_db
DOOR = "/api/v2/signals/functions"
SOURCE = "def compute(data, params):\n    return float(np.mean(data['close'])) * params.get('k', 1)\n"
Client = Callable[..., APIClient]


@pytest.fixture
def client() -> Client:
    needs_filter()

    def of(name: str, *, allowed: bool = True) -> APIClient:
        user, _ = User.objects.get_or_create(username=name)
        if allowed:
            user.user_permissions.add(Permission.objects.get(codename="add_userfunction"))
        made = APIClient(headers={"host": "localhost"})
        made.force_authenticate(User.objects.get(pk=user.pk))
        return made

    return of


def send(client: APIClient, path: str, body: Any, method: str = "post") -> Any:
    answer = getattr(client, method)(f"{DOOR}{path}", orjson.dumps(body), content_type="application/json")
    answer.body = orjson.loads(answer.content) if answer.content else None
    return answer


def test_a_function_is_kept_by_version_and_digest(client: Client) -> None:
    ann = client("ann")
    made = send(ann, "", {"name": "mean", "source": SOURCE, "description": "of closes"})
    assert made.status_code == 201
    assert made.headers["Location"] == f"{DOOR}/mean/versions/1"
    assert made.body["number"] == 1 and len(made.body["digest"]) == 64
    again = send(ann, "/mean/versions", {"source": SOURCE})
    assert (again.status_code, again.body["number"]) == (200, 1)
    second = send(ann, "/mean/versions", {"source": SOURCE + "# second\n"})
    assert (second.status_code, second.body["number"]) == (201, 2)
    assert [each["number"] for each in ann.get(f"{DOOR}/mean/versions").json()["data"]] == [2, 1]
    assert ann.get(f"{DOOR}/mean/versions/1").json()["source"] == SOURCE
    assert ann.get(f"{DOOR}/mean/versions/3").status_code == 404
    assert ann.get(f"{DOOR}/mean/versions/99999999999999999999").status_code == 404
    (listed,) = ann.get(DOOR).json()["data"]
    assert (listed["name"], listed["version"], listed["description"]) == ("mean", 2, "of closes")
    assert send(ann, "/mean", {"description": "new"}, "patch").body["description"] == "new"
    assert send(ann, "", {"name": "mean", "source": SOURCE}).status_code == 400
    assert ann.delete(f"{DOOR}/mean").status_code == 204
    assert ann.get(f"{DOOR}/mean").status_code == 404


def test_a_stored_version_never_changes(client: Client) -> None:
    send(client("ann"), "", {"name": "mean", "source": SOURCE})
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        FunctionVersion.objects.update(source="x")


def test_others_have_nothing_of_it(client: Client) -> None:
    send(client("ann"), "", {"name": "mean", "source": SOURCE})
    bob, eve = client("bob"), client("eve", allowed=False)
    for path in ("/mean", "/mean/versions", "/mean/versions/1"):
        assert bob.get(f"{DOOR}{path}").status_code == 404
    assert bob.delete(f"{DOOR}/mean").status_code == 404
    assert send(bob, "/mean/versions", {"source": SOURCE}).status_code == 404
    assert send(bob, "/dry_run", {"function": "mean"}).status_code == 400
    assert bob.get(f"{DOOR}/runs").json()["data"] == []
    assert send(bob, "", {"name": "mean", "source": SOURCE}).status_code == 201, "names are a user's own"
    for path in ("", "/mean", "/runs"):
        assert eve.get(f"{DOOR}{path}").status_code == 403
    for path in ("", "/dry_run", "/mean/versions"):
        assert send(eve, path, {"source": SOURCE}).status_code == 403
    assert eve.get(f"{DOOR}/internal").status_code == 200
    assert APIClient(headers={"host": "localhost"}).get(f"{DOOR}/internal").status_code == 401


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def compute(data, params)\n    return 1", "line 1: "),
        ("def compute(data, params):\n    x = 1\n    return x.__class__.__base__", "line 3: "),
        ("import os\ndef compute(data, params):\n    return 1", "line 1: os is not available"),
        ("x = 1", "defines no function compute"),
        ("def compute(data):\n    return 1", "two arguments"),
        ("while True:\n    pass", "took over"),
        ("x = [0] * 10**12", "line 1: MemoryError"),
        ("x" * 70_000, "65536 are allowed"),
        ("x = '\x00'", "NUL"),
        ("\ud800", ""),
        ("", "blank"),
        (None, ""),
        (5, ""),
        ({"a": 1}, ""),
    ],
)
def test_a_refused_source_names_field_and_line(client: Client, source: Any, says: str) -> None:
    ann = client("ann")
    body = (
        orjson.dumps({"name": "mean", "source": source})
        if source != "\ud800"
        else b'{"name": "m", "source": "\\ud800"}'
    )
    answer = ann.post(DOOR, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert says in str(answer.json())
    if source != "\ud800":
        assert answer.json()["errors"][0]["field"] == "source"
    assert not UserFunction.objects.exists()


@pytest.mark.parametrize(
    "name", ["", "A", "1a", "a b", "a/b", "internal", "dry_run", "runs", "a" * 65, "ä", "__a", None, 5, "a\n"]
)
def test_a_bad_name_is_refused(client: Client, name: Any) -> None:
    answer = send(client("ann"), "", {"name": name, "source": SOURCE})
    assert answer.status_code == 400
    assert answer.body["errors"][0]["field"] == "name"


def test_a_dry_run_gives_the_result_and_timings(client: Client) -> None:
    ann = client("ann")
    given = {"source": SOURCE, "data": {"close": [1, 2.5, None]}, "params": {"k": 2}}
    answer = send(ann, "/dry_run", given)
    assert answer.status_code == 200
    assert answer.body["result"] is None, "the mean of a null is null"
    answer = send(ann, "/dry_run", {**given, "data": {"close": [1, 2]}})
    assert answer.body["result"] == 3.0 and answer.body["error"] is None and answer.body["rows"] == 2
    timings = answer.body["timings"]
    assert timings["warm_ms"] > 0 and timings["first_ms"] > 0 and timings["start_ms"] > 0
    send(ann, "", {"name": "mean", "source": SOURCE})
    send(ann, "/mean/versions", {"source": "def compute(data, params):\n    return {'n': len(data['close'])}\n"})
    assert send(ann, "/dry_run", {"function": "mean"}).body["result"] == {"n": 500}
    assert send(ann, "/dry_run", {"function": "mean", "version": 1}).body["result"] > 1000
    printed = "def compute(data, params):\n    print('hello')\n    return [np.nan, 1.0]\n"
    answer = send(ann, "/dry_run", {"source": printed})
    assert (answer.body["printed"], answer.body["result"]) == ("hello\n", [None, 1.0])


def test_an_error_of_a_dry_run_has_its_line(client: Client) -> None:
    answer = send(client("ann"), "/dry_run", {"source": "def compute(data, params):\n    x = 1\n    return x / 0\n"})
    assert answer.status_code == 200
    assert answer.body["error"] == {"type": "ZeroDivisionError", "message": "division by zero", "line": 3}
    assert answer.body["result"] is None
    answer = send(client("ann"), "/dry_run", {"source": "def compute(data, params):\n    while True: pass\n"})
    assert answer.body["error"]["type"] == "Deadline"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "source"),
        ({"source": SOURCE, "function": "mean"}, "source"),
        ({"source": SOURCE, "version": 1}, "version"),
        ({"source": SOURCE, "data": [1]}, "data"),
        ({"source": SOURCE, "data": {"close": 1}}, "data.close"),
        ({"source": SOURCE, "data": {"close": [1, "x"]}}, "data.close[1]"),
        ({"source": SOURCE, "data": {"close": [True]}}, "data.close[0]"),
        ({"source": SOURCE, "data": {"": [1]}}, "data"),
        ({"source": SOURCE, "data": {str(n): [] for n in range(65)}}, "data"),
        ({"source": SOURCE, "data": {"close": [0] * 100_001}}, "data"),
        ({"source": SOURCE, "params": [1]}, "params"),
        ({"source": SOURCE, "params": {"a": "x" * 9000}}, "params"),
        ({"source": SOURCE, "params": {"a": [[[[[[[[[1]]]]]]]]]}}, "params"),
        ({"source": SOURCE, "repeats": 0}, "repeats"),
        ({"source": SOURCE, "repeats": 101}, "repeats"),
        ({"source": SOURCE, "more": 1}, "more"),
        ({"internal": "pivot"}, "internal"),
        ({"internal": "pivots", "params": {"method": "x"}}, "params.method"),
        ({"internal": "pivots", "params": {"methods": "classic"}}, "params.methods"),
        ({"internal": "beta", "params": {"length": 1}}, "params.length"),
        ({"internal": "beta", "params": {"length": 2.5}}, "params.length"),
        ({"function": "none"}, "function"),
        ({"function": "none", "version": 10**9}, "version"),
    ],
)
def test_a_bad_dry_run_names_the_field(client: Client, body: Any, field: str) -> None:
    answer = send(client("ann"), "/dry_run", body)
    assert answer.status_code == 400, answer.body
    assert field in [each["field"] for each in answer.body["errors"]]


def test_an_unknown_name_names_the_nearest(client: Client) -> None:
    answer = send(client("ann"), "/dry_run", {"internal": "pivot"})
    assert "the nearest are pivots" in answer.body["detail"]


@pytest.mark.parametrize("name", INTERNAL)
def test_internal_functions_run_on_sample_bars(client: Client, name: str) -> None:
    answer = send(client("ann"), "/dry_run", {"internal": name})
    assert answer.body["error"] is None
    assert answer.body["result"].keys() == INTERNAL[name].outputs.keys()
    assert all(len(each) == 500 for each in answer.body["result"].values())
    answer = send(client("ann"), "/dry_run", {"internal": name, "data": {"high": [1], "low": [1, 2]}})
    assert answer.body["error"]["type"] == "BadData"


def test_numbers_beyond_floats_are_refused(client: Client) -> None:
    ann = client("ann")
    for text in (b"1" + b"0" * 400, b"-1" + b"0" * 400):
        body = b'{"source": "x", "data": {"close": [' + text + b"]}}"
        assert ann.post(f"{DOOR}/dry_run", body, content_type="application/json").status_code == 400
        body = b'{"source": "x", "params": {"close": ' + text + b"}}"
        assert ann.post(f"{DOOR}/dry_run", body, content_type="application/json").status_code == 400


def test_everything_is_logged(client: Client) -> None:
    ann = client("ann")
    send(ann, "", {"name": "mean", "source": SOURCE})
    send(ann, "", {"name": "bad", "source": "x"})
    send(ann, "/dry_run", {"source": "def compute(data, params):\n    return 1 / 0\n"})
    ann.delete(f"{DOOR}/mean")
    first = ann.get(f"{DOOR}/runs", {"limit": 2}).json()
    rest = ann.get(f"{DOOR}/runs", {"limit": 2, "cursor": first["next_cursor"]}).json()
    rows = first["data"] + rest["data"]
    assert [(each["action"], each["name"], each["failed"]) for each in rows] == [
        *(("delete", "mean", 0), ("dry_run", "", 1), ("upload", "bad", 1), ("upload", "mean", 0))
    ]
    assert rest["next_cursor"] is None
    assert "ZeroDivisionError" in rows[1]["error"]
    assert ann.get(f"{DOOR}/runs", {"cursor": "x"}).status_code == 400
    old = timezone.now() + timezone.timedelta(days=1000)
    assert services.forget_old_runs(old) == 4


def test_a_user_has_a_limited_number(client: Client, settings: Any) -> None:
    settings.FUNCTIONS_PER_USER, settings.FUNCTIONS_VERSIONS = 2, 2
    ann = client("ann")
    for name in ("a", "b"):
        assert send(ann, "", {"name": name, "source": SOURCE}).status_code == 201
    assert send(ann, "", {"name": "c", "source": SOURCE}).status_code == 429
    assert send(ann, "/a/versions", {"source": SOURCE + "#"}).status_code == 201
    assert send(ann, "/a/versions", {"source": SOURCE + "##"}).status_code == 429
    ann.delete(f"{DOOR}/a")
    assert send(ann, "", {"name": "c", "source": SOURCE}).status_code == 201


def test_where_there_is_no_filter_functions_are_refused(client: Client, settings: Any) -> None:
    ann = client("ann")
    settings.FUNCTIONS_ENABLED = False
    for path, body in (("", {"name": "a", "source": SOURCE}), ("/dry_run", {"source": SOURCE})):
        answer = send(ann, path, body)
        assert answer.status_code == 503
        assert "FUNCTIONS_ENABLED" in answer.body["detail"]
    assert send(ann, "/dry_run", {"internal": "pivots"}).status_code == 200, "ours need no sandbox"
    assert running.unavailable() == "FUNCTIONS_ENABLED is off"


@pytest.mark.django_db(transaction=True)
def test_forty_uploads_at_once_keep_the_limit(client: Client, settings: Any) -> None:
    settings.FUNCTIONS_PER_USER = 3
    client("ann")
    user = User.objects.get(username="ann")

    def upload(place: int) -> str:
        try:
            services.create(user, name=f"f{place % 8}", description="", source=SOURCE, now=timezone.now())
        except (LimitExceeded, InvalidInput) as error:
            return type(error).__name__
        finally:
            close_old_connections()
            connection.close()
        return "made"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(upload, range(40)))
    assert outcomes.count("made") == UserFunction.objects.count() == 3
    assert FunctionRun.objects.filter(failed=0).count() == 3
