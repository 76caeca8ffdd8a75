"""Functions as a computation: at once for ours, as a job for users', one bad item alone."""

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from rest_framework.test import APIClient

from batch.jobs import chunks, preparation
from batch.jobs.models import Job
from signals.computations.functions import Functions
from signals.functions import services
from signals.functions.models import FunctionRun, UserFunction
from signalsite.foundation.computations.answers import declared
from signalsite.foundation.errors import InvalidInput
from tests.core.slow_fold import random_market
from tests.integration.functions.conftest import needs_filter
from tests.integration.test_fold_in_database import store

pytestmark = pytest.mark.django_db

NSE, PAIR = "NSE@NIFTY@equity_spot", "BTC/USDT"
DAYS = (date(2024, 1, 18), date(2024, 1, 19), date(2024, 1, 22))
LATER = datetime(2024, 1, 30, tzinfo=UTC)
SOURCE = """
def compute(data, params):
    if params.get("fail") and data["close"].size % 2 == params["fail"] - 1:
        raise ValueError("odd")
    return {"last": data["close"][-1], "all": pd.Series(data["close"]).rolling(3).mean(), "n": data["close"].size}
"""
BATCH = "/api/v2/signals/batch"


@pytest.fixture(autouse=True)
def stored() -> None:
    for key, exchange in ((NSE, "NSE"), (PAIR, "BINANCE")):
        bars, ticks = random_market(random.Random(key), exchange, DAYS, ticks_a_day=50)
        store(key, bars, ticks)


@pytest.fixture
def ann() -> User:
    user = User.objects.create_user("ann")
    user.user_permissions.add(Permission.objects.get(codename="add_userfunction"))
    return User.objects.get(pk=user.pk)


def compute(keys: list[str], user: Any = None, **params: Any) -> list[dict[str, Any]]:
    functions = Functions()
    asked: Mapping[str, Any] = functions.defaults | {"days": 30.0, "timeframe": "1h"} | params
    asked = functions.granted(asked, user)
    answers = functions.evaluate(functions.load(keys, {}, LATER, asked, {}))
    columns = declared(functions, answers, asked)
    assert answers.item is not None
    return [
        {"item": item, **{name: None if value != value else value for name, value in zip(columns, row, strict=True)}}
        for item, row in zip(answers.item.tolist(), zip(*columns.values(), strict=True), strict=True)
    ]


def made(user: User, source: str = SOURCE) -> str:
    needs_filter()
    return str(services.create(user, name="mine", description="", source=source, now=timezone.now()).pk)


def test_an_internal_function_has_a_row_for_each_output() -> None:
    rows = compute([NSE, "NSE@NOWHERE@equity_spot", PAIR], function="pivots", last=2)
    assert [row["item"] for row in rows].count(0) == 14
    assert {row["output"] for row in rows if row["item"] == 0} == {
        "pivot",
        *(f"{s}{n}" for s in "rs" for n in (1, 2, 3)),
    }
    assert [row["status"] for row in rows if row["item"] == 1] in (["bad_input"], ["no_bars"])
    newest = [row for row in rows if row["item"] == 0 and row["output"] == "pivot"][-1]
    assert newest["status"] == "ok" and newest["value"] > 0 and newest["bar_time"].startswith("2024-01-22")


def test_pivots_are_those_of_the_session_before() -> None:
    bars = compute([NSE], function="pivots", timeframe="1h", last=1)
    from signals.computations.bars import Bars

    daily = Bars()
    params = daily.defaults | {"days": 30.0, "timeframe": "1d"}
    before = daily.evaluate(daily.load([NSE], {}, LATER, params, {})).columns
    high, low, close = (before[name][-2] for name in ("high", "low", "close"))
    assert bars[0]["value"] == pytest.approx((high + low + close) / 3, rel=1e-12)


def test_a_benchmark_joins_by_moment() -> None:
    same = compute([NSE], function="beta", benchmark=NSE, arguments='{"length": 5}', timeframe="5m")
    assert [round(row["value"], 9) for row in same] == [1.0, 1.0]
    with pytest.raises(InvalidInput, match="needs the key"):
        compute([NSE], function="beta")


def test_a_users_function_runs_in_the_sandbox(ann: User) -> None:
    made(ann)
    rows = compute([NSE, PAIR], ann, function="mine/mine", last=2)
    first = [row for row in rows if row["item"] == 0]
    assert [row["output"] for row in first] == ["last", "all", "all", "n"]
    assert first[0]["place"] is None and first[2]["place"] == first[3]["value"] - 1
    assert first[2]["bar_time"] is not None
    assert (run := FunctionRun.objects.get(action="job")).calls == 2 and run.failed == 0 and run.owner == ann
    failing = compute([NSE, PAIR, NSE], ann, function="mine/mine@1", arguments='{"fail": 1}')
    words = {row["status"] for row in failing}
    assert words <= {"ok", "failed"}
    assert all(row["reason"] == "ValueError: odd (line 4)" for row in failing if row["status"] == "failed")


def test_one_slow_item_is_stopped_alone(ann: User, settings: Any) -> None:
    settings.FUNCTIONS_CPU_SECONDS, settings.FUNCTIONS_SECONDS = 0.2, 2.0
    made(ann, "def compute(data, params):\n    while data['close'].size > params['n']: pass\n    return 1\n")
    sizes = [row["value"] for row in compute([NSE, PAIR], ann, function="drawdown", last=10_000)]
    assert len(sizes) > 10
    rows = compute([NSE, PAIR, NSE], ann, function="mine/mine", arguments='{"n": 40}')
    assert [(row["item"], row["status"]) for row in rows] == [(0, "ok"), (1, "failed"), (2, "ok")] or {
        row["status"] for row in rows
    } <= {"ok", "failed", "stopped"}


def test_others_cannot_name_it(ann: User) -> None:
    version = made(ann)
    bob = User.objects.create_user("bob")
    with pytest.raises(InvalidInput, match="may not run"):
        compute([NSE], bob, function=f"version/{version}")
    bob.user_permissions.add(Permission.objects.get(codename="add_userfunction"))
    bob = User.objects.get(pk=bob.pk)
    for name in (f"version/{version}", "mine/mine", "mine/mine@1"):
        with pytest.raises(InvalidInput, match="no "):
            compute([NSE], bob, function=name)


def test_a_deleted_function_is_said_to_be_gone(ann: User) -> None:
    version = made(ann)
    functions = Functions()
    asked = functions.defaults | {"days": 30.0, "function": f"version/{version}"}
    UserFunction.objects.all().delete()
    answers = functions.evaluate(functions.load([NSE], {}, LATER, asked, {}))
    assert answers.columns["status"] == ["unavailable"]
    assert "deleted" in str(answers.columns["reason"])


def client_of(user: User) -> APIClient:
    made = APIClient(headers={"host": "localhost"})
    made.force_authenticate(user)
    return made


def post(user: User, path: str, body: Any) -> Any:
    return client_of(user).post(f"{BATCH}{path}", orjson.dumps(body), content_type="application/json")


@pytest.mark.django_db(transaction=True)
def test_the_whole_way_of_a_job(ann: User) -> None:
    made(ann)
    params = {"function": "mine/mine", "timeframe": "1h", "days": 30}
    accepted = post(ann, "/functions", {"items": [NSE, PAIR], "params": params, "as_of": LATER.isoformat()})
    assert accepted.status_code == 202, "a user's function is never run within a request of few items"
    job = Job.objects.get()
    assert job.params["function"].startswith("version/")
    for chunk in preparation.prepare(job.pk):
        assert chunks.compute_chunk(chunk, worker="test")
    rows = client_of(ann).get(f"{BATCH}/jobs/{job.pk}/results").json()["data"]
    assert {row["status"] for row in rows} == {"ok"}
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"function": "pivot"}, "params.function"),
        ({"function": "mine/none"}, "params.function"),
        ({"function": "mine/"}, "params.function"),
        ({"function": "version/00000000-0000-0000-0000-000000000000"}, "params.function"),
        ({"function": "x" * 10_000}, "params.function"),
        ({"function": 5}, "params.function"),
        ({"arguments": "[]"}, "params.arguments"),
        ({"arguments": "{" * 5000}, "params.arguments"),
        ({"arguments": '{"length": NaN}'}, "params.arguments"),
        ({"arguments": '{"length": 1}'}, "params.arguments.length"),
        ({"arguments": '{"lengths": 5}'}, "params.arguments.lengths"),
        ({"last": 0}, "params.last"),
        ({"last": 10_001}, "params.last"),
        ({"benchmark": "a@b@c@d@e@f@g"}, "params.benchmark"),
    ],
)
def test_bad_parameters_name_the_field(ann: User, params: dict[str, Any], field: str) -> None:
    for more in ({}, {"dry_run": True}, {"async": True}):
        answer = post(ann, "/functions", {"items": [NSE], "params": params, **more})
        assert answer.status_code == 400, answer.content
        assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert np.array(Job.objects.count()) == 0
