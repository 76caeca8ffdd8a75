"""Runs and results over HTTP: pages, filters, who may see them, and what is refused."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from batch.configs.serializers import ConfigurationResultSerializer, ConfigurationRunSerializer
from signals.configs.models import Configuration, ConfigurationResult, ConfigurationRun

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 6, 11, 4, tzinfo=UTC)
KEYS = ("NSE@NIFTY@equity_spot", "NSE@BANKNIFTY@equity_spot", "NSE@X'Y\"Z@equity_spot")


def signed_in(name: str, *permissions: str) -> APIClient:
    user, _ = User.objects.get_or_create(username=name)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    made = APIClient(headers={"host": "localhost"})
    made.force_authenticate(User.objects.get(pk=user.pk))
    return made


@pytest.fixture
def configuration() -> Configuration:
    owner, _ = User.objects.get_or_create(username="ann")
    return Configuration.objects.create(
        owner=owner, name="one", document={}, origin="api", frequency="5m", created_at=BEGIN, updated_at=BEGIN
    )


@pytest.fixture
def runs(configuration: Configuration) -> list[ConfigurationRun]:
    return [
        ConfigurationRun.objects.create(
            configuration=configuration,
            due=BEGIN + place * timedelta(minutes=5),
            version=1,
            state="missed" if place == 3 else "done",
            missed=2 if place == 3 else 0,
        )
        for place in range(7)
    ]


@pytest.fixture
def results(configuration: Configuration, runs: list[ConfigurationRun]) -> None:
    for run in runs:
        for place, key in enumerate(KEYS):
            ConfigurationResult.objects.create(
                instrument_key=key,
                time=run.due,
                configuration_id=configuration.pk,
                source="schedule" if place else "tick",
                version=1,
                run=run.pk if place else None,
                tick="" if place else "1-0",
                values={"greeks": {"delta": None}},
                reasons={"greeks.delta": "no quote"},
            )


def ask(client: APIClient, configuration: Any, what: str, **query: Any) -> Any:
    answer = client.get(f"/api/v2/signals/configs/{getattr(configuration, 'pk', configuration)}/{what}", query)
    answer.body = orjson.loads(answer.content)
    return answer


def pages(client: APIClient, configuration: Configuration, what: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = ask(client, configuration, what, limit=2, **query, **cursor)
        assert answer.status_code == 200, answer.content
        found += answer.body["data"]
        if answer.body["next_cursor"] is None:
            assert "Link" not in answer
            return found
        cursor = {"cursor": answer.body["next_cursor"]}
        assert 'rel="next"' in answer["Link"]


def test_runs_by_pages(configuration: Configuration, runs: list[ConfigurationRun]) -> None:
    ann = signed_in("ann")
    found = pages(ann, configuration, "runs")
    assert [each["id"] for each in found] == [each.pk for each in reversed(runs)]
    assert found[0].keys() == ConfigurationRunSerializer().fields.keys()
    (missed,) = pages(ann, configuration, "runs", state="missed")
    assert (missed["missed"], missed["due"]) == (2, "2026-06-11T04:15:00Z")


def test_results_by_pages(configuration: Configuration, results: None) -> None:
    ann = signed_in("ann")
    found = pages(ann, configuration, "results")
    assert len(found) == 21 and found[0].keys() == ConfigurationResultSerializer().fields.keys()
    places = [(each["time"], each["instrument_key"]) for each in found]
    assert len(set(places)) == 21 and [time for time, _ in places] == sorted((t for t, _ in places), reverse=True)
    one = pages(ann, configuration, "results", instrument=KEYS[1])
    assert len(one) == 7 and one[0]["reasons"] == {"greeks.delta": "no quote"}
    assert one[0]["values"] == {"greeks": {"delta": None}}
    within = {"start_time": BEGIN.isoformat(), "end_time": (BEGIN + timedelta(minutes=10)).isoformat()}
    assert len(pages(ann, configuration, "results", source="tick", **within)) == 2


def test_who_may_see_them(configuration: Configuration, results: None) -> None:
    for what in ("runs", "results"):
        assert ask(signed_in("ben"), configuration, what).status_code == 404
        assert ask(signed_in("ann"), uuid.uuid4(), what).status_code == 404
        assert ask(signed_in("staff", "view_configuration"), configuration, what).status_code == 200
    address = f"/api/v2/signals/configs/{configuration.pk}/run"
    assert signed_in("ben").post(address).status_code == 404
    assert signed_in("staff", "view_configuration").post(address).status_code == 403
    assert signed_in("ann").post(address).status_code == 202
    run = ConfigurationRun.objects.get(configuration=configuration, state="waiting")
    assert run.version == 1
    assert signed_in("ann").post(address).status_code == 409  # it waits still
    Configuration.objects.update(active=False)
    assert signed_in("ann").post(address).status_code == 409


@pytest.mark.parametrize(
    ("what", "query", "field"),
    [
        ("runs", {"state": "ended"}, "state"),
        ("runs", {"cursor": "1" * 400}, "cursor"),
        ("runs", {"cursor": "-1"}, "cursor"),
        ("runs", {"limit": "0"}, "limit"),
        ("runs", {"limits": "1"}, "limits"),
        ("results", {"instrument": "x\x00y"}, "instrument"),
        ("results", {"instrument": "NSE@NIFTY@nothing"}, "instrument"),
        ("results", {"source": "dice"}, "source"),
        ("results", {"start_time": "10000-01-01"}, "start_time"),
        ("results", {"cursor": "1~2"}, "cursor"),
        ("results", {"cursor": "9" * 300 + "~tick~NSE@NIFTY@equity_spot"}, "cursor"),
        ("results", {"limit": "1001"}, "limit"),
    ],
)
def test_what_is_refused(configuration: Configuration, what: str, query: dict[str, str], field: str) -> None:
    answer = ask(signed_in("ann"), configuration, what, **query)
    assert answer.status_code == 400, answer.content
    assert field in orjson.dumps(answer.body).decode()


@pytest.mark.parametrize("year", ["0001-01-01", "9999-12-31"])
def test_any_year(configuration: Configuration, results: None, year: str) -> None:
    answer = ask(signed_in("ann"), configuration, "results", start_time=year)
    assert answer.status_code in (200, 400)
