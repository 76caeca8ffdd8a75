"""Configurations over HTTP: all faults by field, versions, conditions, owners, and hostile documents."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from rest_framework.test import APIClient

from signals.configs.models import Configuration
from tests.integration.configs.conftest import DOCUMENT, OPTION, SPOT

pytestmark = pytest.mark.django_db
DOOR = "/api/v2/signals/configs"
PROBLEM = "application/problem+json"
Client = Callable[..., APIClient]


@pytest.fixture
def client() -> Client:
    def of(name: str, *permissions: str) -> APIClient:
        user, _ = User.objects.get_or_create(username=name)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        made = APIClient(headers={"host": "localhost"})
        made.force_authenticate(User.objects.get(pk=user.pk))
        return made

    return of


def send(client: APIClient, path: str, body: Any, method: str = "post", **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    answer = getattr(client, method)(f"{DOOR}{path}", raw, content_type="application/json", headers=headers)
    answer.body = orjson.loads(answer.content) if answer.content else None
    return answer


def fields(answer: Any) -> set[str]:
    assert answer.status_code == 400, answer.content
    assert answer.headers["Content-Type"] == PROBLEM
    return {each["field"] for each in answer.body["errors"]}


def test_a_configuration_lives(client: Client) -> None:
    ann = client("ann")
    made = send(ann, "", {**DOCUMENT, "functions": ["pivots"]})
    assert made.status_code == 201, made.content
    identity = made.body["id"]
    assert made.headers["Location"] == made.body["links"]["self"] == f"{DOOR}/{identity}"
    assert made.body["document"]["functions"][0]["params"] == {"method": "classic"}
    assert (made.body["owner"], made.body["version"], made.body["instruments"]) == ("ann", 1, 1)
    assert made.body["next_due"] and made.body["unreadable"] is None and made.body["origin"] == "api"

    again = send(ann, "", DOCUMENT)
    assert again.status_code == 409 and "version 1" in again.body["detail"]
    changed = send(ann, f"/{identity}", {**DOCUMENT, "name": None, "bars": 50}, "put")
    assert (changed.status_code, changed.body["version"], changed.body["document"]["bars"]) == (200, 2, 50)
    assert send(ann, f"/{identity}", changed.body["document"], "put").body["version"] == 2, "an equal document"
    assert fields(send(ann, f"/{identity}", {**DOCUMENT, "name": "other", "bars": 0}, "put")) == {"name", "bars"}

    paused = send(ann, f"/{identity}/pause", None)
    assert (paused.status_code, paused.body["active"], paused.body["next_due"]) == (200, False, None)
    assert send(ann, f"/{identity}/pause", None).body["version"] == 3
    assert send(ann, f"/{identity}/resume", None).body["next_due"]

    numbers = ann.get(f"{DOOR}/{identity}/versions", {"limit": "3"}).json()
    assert [each["number"] for each in numbers["data"]] == [4, 3, 2] and numbers["next_cursor"] == "2"
    (last,) = ann.get(f"{DOOR}/{identity}/versions", {"cursor": "2"}).json()["data"]
    assert last["number"] == 1 and "document" not in last
    assert ann.get(f"{DOOR}/{identity}/versions/1").json()["document"] == made.body["document"]
    for number in (0, 5, 10**30):
        assert ann.get(f"{DOOR}/{identity}/versions/{number}").status_code == 404
    rows = ann.get(f"{DOOR}/{identity}/difference", {"from": "1", "to": "2"}).json()
    assert (rows["before"], rows["after"]) == (1, 2)
    assert {each["path"] for each in rows["data"]} == {"bars", "functions[pivots]"}
    newest = ann.get(f"{DOOR}/{identity}/difference").json()
    assert [(each["path"], each["before"], each["after"]) for each in newest["data"]] == [("active", False, True)]
    assert ann.get(f"{DOOR}/{identity}/difference", {"to": "9"}).json()["errors"][0]["field"] == "to"
    assert ann.get(f"{DOOR}/{identity}/difference", {"from": "x"}).json()["errors"][0]["field"] == "from"
    assert ann.delete(f"{DOOR}/{identity}").status_code == 204
    assert ann.get(f"{DOOR}/{identity}").status_code == 404


def test_conditions(client: Client) -> None:
    ann = client("ann")
    identity = send(ann, "", DOCUMENT).body["id"]
    read = ann.get(f"{DOOR}/{identity}")
    etag = read.headers["ETag"]
    assert ann.get(f"{DOOR}/{identity}", headers={"If-None-Match": etag}).status_code == 304
    put = {"path": f"/{identity}", "method": "put"}
    assert send(ann, body={**DOCUMENT, "bars": 9}, **put, **{"If-Match": f'"other", {etag}'}).status_code == 200
    late = send(ann, body={**DOCUMENT, "bars": 8}, **put, **{"If-Match": etag})
    assert late.status_code == 412 and "version 2" in late.body["detail"]
    for tag in ("", "x", '"v2"', 'W/"v2-0123456789abcdef"', '"v2-0123456789abcdeg"'):
        assert send(ann, body=DOCUMENT, **put, **{"If-Match": tag}).status_code == 412, tag
        assert ann.delete(f"{DOOR}/{identity}", headers={"If-Match": tag}).status_code == 412, tag
    assert send(ann, body=DOCUMENT, **put, **{"If-Match": "*"}).status_code == 200
    etag = ann.get(f"{DOOR}/{identity}").headers["ETag"]
    assert ann.delete(f"{DOOR}/{identity}", headers={"If-Match": etag}).status_code == 204


def test_every_fault_is_in_the_answer(client: Client) -> None:
    wrong = {
        "instruments": [SPOT, "x", SPOT],
        "interval": "5min",
        "indicatrs": [],
        "indicators": ["rsii"],
        "functions": [{"function": "pivots", "params": {"method": "x"}}],
        "greeks": {"params": {"model": "x", "rate": 99}},
    }
    found = {
        "instruments[1]",
        "instruments[2]",
        "interval",
        "indicatrs",
        "indicators[0]",
        "functions[0].params.method",
        "greeks.params.model",
        "greeks.params.rate",
    }
    ann = client("ann")
    for path in ("", "/validate"):
        assert fields(send(ann, path, wrong)) >= found
    assert fields(send(ann, "/validate", {**DOCUMENT, "external_functions": ["mine/x"]})) == {
        "external_functions[0].function"
    }
    checked = send(ann, "/validate", {"instrument_key": OPTION, "greeks": True, "frequency": "hourly"})
    assert checked.status_code == 200
    assert checked.body["document"]["name"] == f"{OPTION}-none-hourly" and checked.body["next_due"]
    assert not Configuration.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b"{",
        b"\xff",
        b'{"a": NaN}',
        b'{"name": "\\u0000"}',
        b'{"name": "\\ud800", "\\ud800": 1}',
        b"[" * 100_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b'{"bars": 1' + b"0" * 5000 + b"}",
        b'{"bars": 1e999}',
        b'{"name": "a", "name": "b"}',
        b'{"instruments": [' + b"0," * 60_000 + b"0]}",
        b'{"join": {' + b",".join(b'"a%d": 1' % n for n in range(6000)) + b"}}",
        orjson.dumps({"instruments": [["x"] * 50] * 50, "greeks": {"columns": [{}]}, "indicators": [[], {"kind": []}]}),
        orjson.dumps({"instruments": [f"'; DROP TABLE x; --\r\n{n}" for n in range(500)]}),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("path", "method"), [("", "post"), ("/validate", "post"), ("/ID", "put")])
def test_hostile_documents(client: Client, body: bytes, path: str, method: str) -> None:
    ann = client("ann")
    if path == "/ID":
        path = f"/{send(ann, '', DOCUMENT).body['id']}"
    answer = send(ann, path, body, method)
    assert answer.status_code == 400, answer.content[:300]
    assert answer.headers["Content-Type"] == PROBLEM and len(answer.content) < 200_000
    assert answer.body["errors"] or "JSON" in answer.body["detail"]


def test_lists_and_filters(client: Client) -> None:
    ann = client("ann")
    documents: list[dict[str, Any]] = [
        {"name": "a"},
        {"name": "b", "interval": "1h", "frequency": "daily"},
        {"name": "c", "active": False, "frequency": None},
        {"name": "d", "instruments": [OPTION, SPOT], "greeks": True},
        {"name": "e", "instruments": ["BSE@SENSEX@equity_spot"]},
    ]
    for each in documents:
        assert send(ann, "", {**DOCUMENT, **each}).status_code == 201

    def named(**query: str) -> str:
        answer = ann.get(DOOR, query)
        assert answer.status_code == 200, answer.content
        return "".join(each["name"] for each in answer.json()["data"])

    assert named() == "edcba"
    assert named(instrument=SPOT) == "dcba"
    assert named(instrument="NIFTY@equity_spot", active="true") == "dba"
    assert named(instrument="NSE@NIFTY") == ""
    assert (named(interval="60m"), named(interval="none")) == ("b", "")
    assert (named(frequency="BAR"), named(frequency="none")) == ("eda", "c")
    assert (named(active="false"), named(name="d")) == ("c", "d")
    first = ann.get(DOOR, {"limit": "2"}).json()
    assert f"cursor={first['next_cursor']}" in ann.get(DOOR, {"limit": "2"}).headers["Link"]
    assert named(limit="2", cursor=first["next_cursor"]) == "cb"
    for query in (
        {"cursor": "x"},
        {"cursor": f"{'9' * 17}-{'g' * 32}"},
        {"limit": "0"},
        {"active": "1"},
        {"instrument": "x"},
        {"interval": "5"},
        {"frequency": "x"},
        {"name": "\0"},
        {"what": "x"},
    ):
        refused = ann.get(DOOR, query)
        assert refused.status_code == 400, query
        assert {each["field"] for each in refused.json()["errors"]} == set(query)


def test_owners(client: Client) -> None:
    ann, bob = client("ann"), client("bob")
    looks, acts = client("looks", "view_configuration"), client("acts", "change_configuration")
    identity = send(ann, "", DOCUMENT).body["id"]
    paths = ("", "/versions", "/versions/1", "/difference")
    assert all(bob.get(f"{DOOR}/{identity}{path}").status_code == 404 for path in paths)
    assert send(bob, f"/{identity}", DOCUMENT, "put").status_code == 404
    assert send(bob, "", DOCUMENT).status_code == 201, "names are an owner's own"
    assert len(bob.get(DOOR).json()["data"]) == 1
    for one in (looks, acts):
        assert {each["owner"] for each in one.get(DOOR).json()["data"]} == {"ann", "bob"}
        assert one.get(f"{DOOR}/{identity}").status_code == 200
        assert one.delete(f"{DOOR}/{identity}").status_code == 403
    for path, method in (("", "put"), ("/pause", "post")):
        assert send(looks, f"/{identity}{path}", DOCUMENT, method).status_code == 403
    changed = send(acts, f"/{identity}", {**DOCUMENT, "bars": 7}, "put")
    assert (changed.body["owner"], changed.body["version"]) == ("ann", 2)
    assert (
        client("deletes", "view_configuration", "delete_configuration").delete(f"{DOOR}/{identity}").status_code == 204
    )
    assert APIClient(headers={"host": "localhost"}).get(DOOR).status_code == 401


def test_a_row_that_cannot_be_read_is_shown_as_such(client: Client) -> None:
    ann = client("ann")
    broken = {name: send(ann, "", {**DOCUMENT, "name": name}).body["id"] for name in ("list", "huge")}
    send(ann, "", {**DOCUMENT, "name": "whole"})
    with connection.cursor() as cursor:
        for name, text in (("list", "[1]"), ("huge", '{"bars": 1' + "0" * 400 + "}")):
            cursor.execute("UPDATE signal_configurations SET document = %s WHERE id = %s", [text, broken[name]])
    rows = {each["name"]: each["unreadable"] for each in ann.get(DOOR).json()["data"]}
    assert rows["whole"] is None and all("cannot be read" in rows[name] for name in broken)
    for name, identity in broken.items():
        assert ann.get(f"{DOOR}/{identity}").status_code == 200
        assert send(ann, f"/{identity}/pause", None).status_code == 409
        assert send(ann, f"/{identity}", {**DOCUMENT, "name": name}, "put").body["unreadable"] is None
