"""Indicators over HTTP: the list, the newest values, pages of history, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIRequestFactory, force_authenticate

from signals.indicators import views
from signals.indicators.core.compute import compute_indicators
from signals.indicators.core.library import example_bars
from signals.indicators.core.spec import parse_spec
from signals.indicators.serializers import IndicatorPageSerializer, IndicatorsSerializer, NewestIndicatorSerializer
from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import Row
from timeframes.bars.services import record_bars

pytestmark = pytest.mark.django_db

PAIR = "BTC/USDT"
BARS = 900
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def stored() -> dict[str, np.ndarray]:
    columns, _ = example_bars(BARS)
    prices = zip(*(columns[name].tolist() for name in ("open", "high", "low", "close", "volume")), strict=True)
    rows = [Row(BEGIN + place * MINUTE, *bar, None, None, None) for place, bar in enumerate(prices)]
    record_bars(key(), 60, bar_columns(rows), source="test")
    return columns


def key() -> str:
    from timeframes.bars.requests import read_key

    return read_key(PAIR)[0]


def ask(view: Any, name: str = "", **query: str) -> tuple[int, Any, Any]:
    request = APIRequestFactory().get("/api/v2/signals/indicators", query)
    force_authenticate(request, User(username="alice", is_active=True))
    named = {"instrument_key": PAIR, "indicator": name} if name else {}
    response = view.as_view()(request, **named)
    response.render() if hasattr(response, "render") else None
    return response.status_code, orjson.loads(response.content), response


def history(name: str, **query: str) -> Any:
    status, body, _ = ask(views.IndicatorHistoryView, name, timeframe="1m", start_time=BEGIN.isoformat(), **query)
    assert status == 200, body
    return body


def test_the_list_has_all_and_is_conditional() -> None:
    status, body, response = ask(views.IndicatorsView)
    assert status == 200 and response["ETag"]
    assert body.keys() == IndicatorsSerializer().fields.keys()
    rows = {row["name"]: row for row in body["data"]}
    assert len(rows) == 193 and rows["rsi"]["outputs"] == ["RSI_14"]
    assert {"name": "length", "type": "int", "default": 14, "allowed": "a whole number from 1 to 1000"} in rows["rsi"][
        "parameters"
    ]
    assert rows["tos_stdevall"]["available"] is False and "looks ahead" in rows["tos_stdevall"]["reason"]


@pytest.mark.parametrize("name", ["rsi", "macd", "supertrend", "bbands", "vwap", "hilo", "obv"])
def test_pages_equal_one_computation_of_everything(name: str, stored: dict[str, np.ndarray]) -> None:
    whole = compute_indicators({**stored, "time": np.arange(BARS) * 60_000_000}, [parse_spec(name, "x")])[0]
    rows, cursor = list[Any](), dict[str, str]()
    while True:
        body = history(name, limit="350", **cursor)
        assert body.keys() == IndicatorPageSerializer().fields.keys()
        rows += body["data"]
        if body["next_cursor"] is None:
            break
        cursor = {"cursor": body["next_cursor"]}
    assert len(rows) == BARS and body["warm_up"]["whole"] is True
    for output, values in whole.items():
        mine = np.array([np.nan if row["values"][output] is None else row["values"][output] for row in rows])
        np.testing.assert_allclose(mine, values, rtol=1e-9, atol=1e-9 * np.nanmax(np.abs(values)))


def test_parameters_of_the_query() -> None:
    assert history("rsi", length="21", limit="2")["indicator"] == "rsi(length=21)"
    assert history("vwap", indicator_anchor="W", limit="2")["outputs"] == ["VWAP_W"]
    assert history("sma", length="5", close="volume", offset="2", limit="9")["parameters"]["offset"] == 2


def test_the_newest_bars(stored: dict[str, np.ndarray]) -> None:
    status, body, _ = ask(views.NewestIndicatorView, "rsi", bars="3")
    assert status == 200, body
    assert body.keys() == NewestIndicatorSerializer().fields.keys()
    whole = compute_indicators(stored, [parse_spec("rsi", "x")])[0]["RSI_14"]
    assert [row["values"]["RSI_14"] for row in body["data"]] == pytest.approx(whole[-3:].tolist(), rel=1e-9)
    assert [row["complete"] for row in body["data"]] == [True] * 3


@pytest.mark.parametrize(
    ("name", "query", "field", "text"),
    [
        ("rsj", {}, "indicator", "rsi"),
        ("x" * 5000, {}, "indicator", "no indicator"),
        ("rsi", {"lenght": "3"}, "indicator.lenght", "length"),
        ("rsi", {"length": "1" + "0" * 190}, "indicator.length", "from 1 to 1000"),
        ("rsi", {"length": "nan"}, "indicator.length", "from 1 to 1000"),
        ("rsi", {"length": "1e2"}, "indicator.length", "from 1 to 1000"),
        ("rsi", {"scalar": "inf"}, "indicator.scalar", "above 0"),
        ("rsi", {"length": "\0"}, "indicator.length", "from 1 to 1000"),
        ("rsi", {"length": "2", "indicator_length": "3"}, "indicator.length", "twice"),
        ("beta", {}, "indicator", "benchmark"),
        ("macd", {"close": "high; drop"}, "indicator.close", "one of open"),
        ("stdev", {"length": "5", "ddof": "5"}, "indicator.ddof", "below length"),
    ],
)
def test_what_is_refused(name: str, query: dict[str, str], field: str, text: str) -> None:
    for view, more in (
        (views.IndicatorHistoryView, {"timeframe": "1m", "start_time": "2024-01-01"}),
        (views.NewestIndicatorView, {}),
    ):
        status, body, _ = ask(view, name, **more, **query)
        assert status == 400, body
        assert any(each["field"] == field and text in each["detail"] for each in body["errors"]), body
