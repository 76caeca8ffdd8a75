"""Joined columns of the computation `functions`: equal to what the computations of their sources answer."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from rest_framework.test import APIClient

from signals.computations.function_calls import call_on_frames, newest_values
from signals.computations.functions import Functions
from signals.computations.historical_greeks import HistoricalGreeks
from signals.computations.indicators import Indicators
from signals.computations.newest_frames import newest_frames
from signals.functions import services
from signals.functions.core.joins import parse_joins
from signals.functions.core.registry import INTERNAL
from signalsite.foundation.computations.answers import declared
from signalsite.foundation.errors import InvalidInput
from tests.integration.functions.conftest import needs_filter
from tests.integration.history_market import EXPIRIES, MINUTES, SPOT, VIX, option, spots, store_market
from timeframes.core.grid import instant
from timeframes.models import Bar

pytestmark = pytest.mark.django_db
LATER = datetime(2024, 1, 10, 12, tzinfo=UTC)
CALL, PUT = option(EXPIRIES[1], "call", 1000), option(EXPIRIES[1], "put", 1000)
RANGE = {"timeframe": "1m", "days": 2.0}


@pytest.fixture(autouse=True)
def market() -> None:
    store_market()


def answers(computation: Any, keys: list[str], **params: Any) -> list[dict[str, Any]]:
    asked = computation.granted(computation.defaults | RANGE | params, None)
    found = computation.evaluate(computation.load(keys, {}, LATER, asked, {}))
    columns = declared(computation, found, asked)
    assert found.item is not None
    return [
        {"item": item, **dict(zip(columns, row, strict=True))}
        for item, row in zip(found.item.tolist(), zip(*columns.values(), strict=True), strict=True)
    ]


def call(keys: list[str], function: str, join: dict[str, str], last: int = 1, **arguments: Any) -> list[dict[str, Any]]:
    texts = {"join": orjson.dumps(join).decode(), "arguments": orjson.dumps(arguments).decode()}
    return answers(Functions(), keys, function=function, last=last, **texts)


def test_greeks_join_at_the_close_of_each_bar() -> None:
    rows = call([CALL, PUT], "hedged_gain", {"delta": "greeks:delta", "underlying": "greeks:spot"}, last=100)
    greeks = answers(HistoricalGreeks(), [CALL, PUT], points=["close"])
    for item in (0, 1):
        own = [row for row in greeks if row["item"] == item]
        gains = [row for row in rows if row["item"] == item and row["output"] == "gain"]
        assert [row["bar_time"] for row in gains] == [row["bar_time"] for row in own] and len(own) == 2 * MINUTES
        for at in range(1, len(own)):
            before, now = own[at - 1], own[at]
            change = now["underlying_price"] - before["underlying_price"]
            expected = now["price_used"] - before["price_used"] - before["delta"] * change
            assert gains[at]["value"] == pytest.approx(expected, abs=1e-9)
    assert {row["status"] for row in rows} == {"ok"}


def test_other_instruments_and_indicators_join() -> None:
    join = {"iv": f"bars:{VIX}:close", "underlying": f"bars:{SPOT}:close"}
    rows = call([CALL], "volatility_premium", join, last=100, length=3, iv_in="percent")
    closes = [row[3] for row in spots()]
    returns = np.diff(np.log(closes))
    realised = [row["value"] for row in rows if row["output"] == "realised"]
    assert realised[5] == pytest.approx(np.std(returns[2:5], ddof=1) * math.sqrt(252))
    assert {row["value"] for row in rows if row["output"] == "implied"} == {0.145}

    join = {"iv": "indicators:sma(length=3)"}
    rows = [row for row in call([SPOT], "iv_zscore", join, last=100, history=2) if row["output"] == "implied"]
    own = answers(Indicators(), [SPOT], indicators=["sma(length=3)"])
    assert [row["bar_time"] for row in rows] == [row["bar_time"] for row in own]
    for row, expected in zip(rows, own, strict=True):
        assert row["value"] == pytest.approx(expected["value"], nan_ok=True)


def test_a_column_that_did_not_join_gives_a_reason_where_it_is_needed() -> None:
    rows = call([SPOT, CALL, "NSE@NOWHERE@equity_spot"], "iv_zscore", {"iv": "greeks:iv"}, history=2)
    by_item = {row["item"]: row for row in rows}
    assert by_item[0]["status"] == "not_joined" and "is no option" in by_item[0]["reason"]
    assert by_item[1]["status"] == "ok" and by_item[1]["value"] > 0
    assert by_item[2]["status"] in ("bad_input", "no_bars")
    rows = call([SPOT, CALL], "iv_zscore", {"iv": "bars:NSE@NOWHERE@equity_spot:close"})
    assert {row["status"] for row in rows} == {"not_joined"}
    assert "NSE@NOWHERE@equity_spot has no bar" in rows[0]["reason"]
    unused = call([SPOT], "drawdown", {"iv": "greeks:iv"})
    assert {row["status"] for row in unused} == {"ok"}


def test_the_answer_changes_with_what_joins() -> None:
    functions = Functions()
    asked = functions.defaults | RANGE | {"function": "iv_zscore", "join": f'{{"iv":"bars:{VIX}:close"}}'}
    before = functions.load([CALL], {}, LATER, asked, {}).digest()
    assert functions.load([CALL], {}, LATER, asked, {}).digest() == before
    Bar.objects.filter(instrument_key=VIX).update(close=15.0)
    assert functions.load([CALL], {}, LATER, asked, {}).digest() != before


@pytest.mark.parametrize(
    ("params", "field", "says"),
    [
        ({"function": "iv_zscore"}, "params.join", "needs the column iv: join it"),
        ({"function": "drawdown", "join": '{"close": "greeks:iv"}'}, "params.join.close", "taken"),
        ({"function": "drawdown", "join": '{"x": "greeks:what"}'}, "params.join.x", "none of the Greeks"),
        ({"function": "drawdown", "join": '{"x": "greeks:iv"}', "days": 36_600.0}, "params.join", "fewer days"),
    ],
)
def test_refuses_a_join_that_cannot_be(params: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Functions().granted(Functions().defaults | RANGE | params, None)
    assert caught.value.field == field and says in str(caught.value)


def test_a_users_function_sees_what_joins_and_nan(client_of_ann: tuple[User, APIClient]) -> None:
    ann, _ = client_of_ann
    source = (
        "def compute(data, params):\n"
        "    return {'iv': data['iv'][-1], 'none': float(np.isnan(data['gone']).all()), 'rsi': data['rsi'][-1]}\n"
    )
    services.create(ann, name="joined", description="", source=source, now=timezone.now())
    functions = Functions()
    join = {"iv": "greeks:iv", "gone": "bars:NSE@NOWHERE@equity_spot:close", "rsi": "indicators:rsi(length=3)"}
    asked = functions.defaults | RANGE | {"function": "mine/joined", "join": orjson.dumps(join).decode()}
    granted = functions.granted(asked, ann)
    found = functions.evaluate(functions.load([CALL], {}, LATER, granted, {})).columns
    values = dict(zip(found["output"], found["value"], strict=True))
    iv = answers(HistoricalGreeks(), [CALL], points=["close"])[-1]["implied_volatility"]
    assert values["iv"] == pytest.approx(iv) and values["none"] == 1.0 and 0 <= values["rsi"] <= 100


def test_a_dry_run_has_sample_columns(client_of_ann: tuple[User, APIClient]) -> None:
    _, client = client_of_ann
    source = "def compute(data, params):\n    return [data['rsi'][-1], data['iv'][-1], data['vix'][-1]]\n"
    join = {"rsi": "indicators:rsi", "iv": "greeks:iv", "vix": f"bars:{VIX}:close"}
    answer = client.post(DRY_RUN, {"source": source, "join": join}, format="json")
    assert answer.status_code == 200, answer.content
    assert all(isinstance(each, float) for each in answer.json()["result"])
    ours = client.post(DRY_RUN, {"internal": "iv_zscore", "params": {"history": 10}}, format="json")
    assert ours.json()["result"]["zscore"][-1] is not None
    wrong = client.post(DRY_RUN, {"source": source, "join": {"x": "greeks:what"}}, format="json")
    assert wrong.status_code == 400 and "none of the Greeks" in wrong.content.decode()
    both = client.post(DRY_RUN, {"source": source, "join": join, "data": {"close": [1]}}, format="json")
    assert both.status_code == 400 and "put the columns into data" in both.content.decode()


def dry_run(client: APIClient, **body: Any) -> Any:
    return client.post(DRY_RUN, body, format="json")


STORED: dict[str, Any] = {"instrument_key": CALL, "as_of": LATER.isoformat(), "timeframe": "1m", "bars": 10}
EACH = "def compute(data, params):\n    return {name: data[name] for name in sorted(data)}\n"


def test_a_dry_run_on_a_stored_instrument_sees_what_a_run_sees(client_of_ann: tuple[User, APIClient]) -> None:
    _, client = client_of_ann
    join = {
        "iv": "greeks:iv",
        "rsi": "indicators:rsi(length=3)",
        "vix": f"bars:{VIX}:close",
        "gone": "bars:NSE@NOWHERE@equity_spot:close",
    }
    joins = parse_joins(join, "join")
    frame = newest_frames([CALL], joins, timeframe="1m", as_of=LATER, bars=10)[CALL]
    answer = dry_run(client, source=EACH, join=join, **STORED)
    assert answer.status_code == 200, answer.content
    found, wanted = answer.json(), frame.data(session=False)
    assert found["result"].keys() == wanted.keys() and found["rows"] == 11
    for name, column in wanted.items():
        assert [math.nan if each is None else each for each in found["result"][name]] == pytest.approx(
            column.tolist(), nan_ok=True
        )
    assert found["missing"] == dict(frame.missing) and found["missing"].keys() == {"gone"}
    times = [instant(int(frame.bars.time[place])).isoformat() for place in (0, -1)]
    assert [found["first_bar"], found["last_bar"]] == times


def test_internal_functions_in_a_dry_run_on_a_stored_instrument(client_of_ann: tuple[User, APIClient]) -> None:
    _, client = client_of_ann
    join = {"delta": "greeks:delta", "underlying": "greeks:spot"}
    frame = newest_frames([CALL], parse_joins(join, "join"), timeframe="1m", as_of=LATER, bars=10)[CALL]
    for name in ("hedged_gain", "pivots"):
        (wanted,) = call_on_frames(INTERNAL[name], [frame], {})
        found = dry_run(client, internal=name, join=join, **STORED).json()["result"]
        assert {key: _last(value) for key, value in found.items()} == pytest.approx(newest_values(wanted), nan_ok=True)
    spot = {**STORED, "instrument_key": SPOT}
    error = dry_run(client, internal="hedged_gain", join=join, **spot).json()["error"]
    assert error["type"] == "NotJoined" and "delta" in error["message"]
    assert "'delta'" in dry_run(client, internal="hedged_gain", **STORED).json()["error"]["message"]


def _last(value: Any) -> float:
    last = value[-1] if isinstance(value, list) else value
    return math.nan if last is None else last


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"instrument_key": "NSE@NOWHERE@equity_spot"}, "instrument_key"),
        ({"instrument_key": "x\u0000y"}, "instrument_key"),
        ({"instrument_key": 5}, "instrument_key"),
        ({"instrument_key": CALL, "data": {"close": [1]}}, "instrument_key"),
        ({"instrument_key": CALL, "timeframe": "5min"}, "timeframe"),
        ({"instrument_key": CALL, "timeframe": "1mo", "anchor": "dice"}, "anchor"),
        ({"instrument_key": CALL, "bars": 5001}, "bars"),
        ({"instrument_key": CALL, "bars": 401, "join": {"iv": "greeks:iv"}}, "bars"),
        ({"instrument_key": CALL, "bars": 5000, "join": {f"x{n}": f"bars:NSE@S{n}:close" for n in range(20)}}, "bars"),
        ({"instrument_key": CALL, "as_of": "10000-01-01"}, "as_of"),
        ({"instrument_key": CALL, "as_of": "0001-01-01"}, "as_of"),
        ({"instrument_key": "NSE@X", "as_of": "2199-12-31", "timeframe": "3660d", "bars": 5000}, "instrument_key"),
        ({"timeframe": "5m"}, "timeframe"),
        ({"bars": 5}, "bars"),
        ({"as_of": "2024-01-10"}, "as_of"),
    ],
)
def test_a_dry_run_on_what_is_not_stored_or_too_much(
    client_of_ann: tuple[User, APIClient], body: dict[str, Any], field: str
) -> None:
    answer = dry_run(client_of_ann[1], source=EACH, **body)
    assert answer.status_code == 400, answer.content
    assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_a_dry_run_on_a_stored_instrument_needs_the_permission() -> None:
    client = APIClient(headers={"host": "localhost"})
    client.force_authenticate(User.objects.create_user("bob"))
    assert dry_run(client, internal="pivots", **STORED).status_code == 403


DRY_RUN = "/api/v2/signals/functions/dry_run"


@pytest.fixture
def client_of_ann() -> tuple[User, APIClient]:
    needs_filter()
    user = User.objects.create_user("ann")
    user.user_permissions.add(Permission.objects.get(codename="add_userfunction"))
    client = APIClient(headers={"host": "localhost"})
    client.force_authenticate(User.objects.get(pk=user.pk))
    return User.objects.get(pk=user.pk), client


@pytest.mark.parametrize(
    "join",
    [
        "",
        "[]",
        "{",
        "null",
        '{"x": 1}',
        '{"x": null}',
        '{"x": "greeks:\\u0000"}',
        '{"x\\n\\"": "greeks:iv"}',
        '{"x": "bars:NSE@NIFTY@equity_spot:close:close"}',
        '{"x": "indicators:sma(length=' + "9" * 400 + ')"}',
        '{"x": "indicators:sma(length=NaN)"}',
        '{"a":' * 1000 + "1" + "}" * 1000,
        "{" + '"x": "greeks:iv",' * 600 + '"y": "greeks:iv"}',
        7,
        {"iv": "greeks:iv"},
    ],
)
def test_a_hostile_join_is_one_clear_error(client_of_ann: tuple[User, APIClient], join: Any) -> None:
    body = {"items": [CALL], "params": {"function": "drawdown", "join": join}}
    answer = client_of_ann[1].post("/api/v2/signals/batch/functions", body, format="json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["field"].startswith("params.join"), answer.content
    assert len(answer.content) < 2000


def test_a_bad_item_costs_only_itself(client_of_ann: tuple[User, APIClient]) -> None:
    join = orjson.dumps({"iv": "greeks:iv", "rsi": "indicators:rsi(length=3)"}).decode()
    params = {"function": "iv_zscore", "join": join, "arguments": '{"history": 2}', "timeframe": "1m", "days": 0.2}
    items = [CALL, "what", {"instrument_key": PUT, "custom_id": 3}, SPOT, PUT]
    body = {"items": items, "params": params, "as_of": "2024-01-10T09:22:00+05:30"}
    answer = client_of_ann[1].post("/api/v2/signals/batch/functions", body, format="json")
    assert answer.status_code == 200, answer.content
    words = {row["position"]: row["status"] for row in answer.json()["data"]}
    assert words == {0: "ok", 1: "bad_input", 2: "bad_input", 3: "not_joined", 4: "ok"}


def test_newest_frames_are_the_tail_of_the_range() -> None:
    """The cheap door for many instruments gives what the computation gives."""
    join = {
        "iv": "greeks:iv",
        "delta": "greeks:delta",
        "underlying": f"bars:{SPOT}:close",
        "sma": "indicators:sma(length=3)",
    }
    joins = parse_joins(join, "join")
    keys = [CALL, SPOT, PUT, "NSE@NOWHERE@equity_spot", "what", option(EXPIRIES[1], "call", 5000)]
    frames = newest_frames(keys, joins, timeframe="1m", as_of=LATER, bars=3)
    assert list(frames) == keys
    assert [frame.word for frame in frames.values()][:3] == ["ok"] * 3
    assert all(frame.word != "ok" and frame.reason for frame in list(frames.values())[3:])
    for key in (CALL, PUT):
        frame = frames[key]
        assert len(frame.bars) == 4 and all(len(each) == 4 for each in frame.joined.values())
        greeks = answers(HistoricalGreeks(), [key], points=["close"])[-4:]
        assert frame.joined["delta"].tolist() == pytest.approx([row["delta"] for row in greeks])
        assert frame.joined["iv"].tolist() == pytest.approx([row["implied_volatility"] for row in greeks])
        own = answers(Indicators(), [key], indicators=["sma(length=3)"])[-4:]
        assert frame.joined["sma"].tolist() == pytest.approx([row["value"] for row in own])
    assert frames[SPOT].missing["iv"] and not frames[CALL].missing
    outcomes = call_on_frames(INTERNAL["hedged_gain"], [frames[CALL], frames[SPOT]], {})
    expected = {row["output"]: row["value"] for row in call([CALL], "hedged_gain", join)}
    assert newest_values(outcomes[0])["gain"] == pytest.approx(expected["gain"])
    assert outcomes[1].error == "NotJoined" and outcomes[1].reason
