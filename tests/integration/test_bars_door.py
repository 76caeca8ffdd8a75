"""Bars over HTTP: pages, ranges, anchors, what is still open, and what is refused."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import orjson
import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIRequestFactory, force_authenticate

from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import Row
from timeframes.bars import selectors, views
from timeframes.bars.selectors import read_all
from timeframes.bars.serializers import AvailableTimeframesSerializer, BarSerializer, BarsPageSerializer
from timeframes.bars.services import record_bars
from timeframes.bars.stored import Wanted, stored_of
from timeframes.core.grid import Anchor
from timeframes.core.sessions import session_close, session_open
from timeframes.models import Tick
from timeframes.ticks.store import record_ticks

pytestmark = pytest.mark.django_db

KEY, PAIR = "NSE@NIFTY@equity_spot", "BTC/USDT"
DAYS = (date(2024, 1, 19), date(2024, 1, 20), date(2024, 1, 23), date(2024, 1, 24))  # 20 is a Saturday with a session
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def stored() -> None:
    rows, price = [], 21_000.0
    for day in DAYS:
        time = session_open("NSE", day)
        while time < session_close("NSE", day):
            price += 1
            rows.append(Row(time, price, price + 2, price - 1, price + 1, 10.0, None, None, None))
            time += MINUTE
    record_bars(KEY, 60, bar_columns(rows), source="test")


def ask(key: str = KEY, view: Any = views.BarsView, **query: Any) -> tuple[int, Any, Any]:
    request = APIRequestFactory().get(f"/api/v2/signals/historical/bars/{key}", query)
    force_authenticate(request, User(username="alice", is_active=True))
    response = view.as_view()(request, instrument_key=key)
    response.render() if hasattr(response, "render") else None
    return response.status_code, orjson.loads(response.content), response


def walk(key: str = KEY, **query: Any) -> Iterator[dict[str, Any]]:
    while True:
        status, body, response = ask(key, **query)
        assert status == 200, body
        yield from body["data"]
        if body["next_cursor"] is None:
            assert "Link" not in response
            return
        link = parse_qs(urlsplit(response["Link"].split(">")[0][1:]).query)
        query = {name: value for name, (value,) in link.items()}


def test_a_page() -> None:
    status, body, _ = ask(timeframe="7m", start_time="2024-01-19", limit="2")
    assert status == 200
    assert body.keys() == BarsPageSerializer().fields.keys()
    assert (body["timeframe"], body["seconds"], body["anchor"]) == ("7m", 420, "session")
    first, second = body["data"]
    assert first.keys() == BarSerializer().fields.keys()
    assert first == {
        "time": "2024-01-19T03:45:00+00:00",
        "open": 21_001.0,
        "high": 21_009.0,
        "low": 21_000.0,
        "close": 21_008.0,
        "volume": 70.0,
        "vwap": pytest.approx(np.mean([3 * (21_001 + n) + 2 for n in range(7)]) / 3),
        "vwap_source": "typical",
        "open_interest": None,
        "trades": None,
        "complete": True,
    }
    assert second["time"] == body["next_cursor"] == "2024-01-19T03:52:00+00:00"


@pytest.mark.parametrize("limit", [1, 53, 54, 55, 1_000])
@pytest.mark.parametrize("anchor", ["session", "epoch"])
def test_pages_join_without_loss_or_doubles(limit: int, anchor: str) -> None:
    query = {"timeframe": "7m", "start_time": "2024-01-01", "end_time": "2024-02-01", "anchor": anchor}
    bars = list(walk(**query, limit=str(limit))) if limit > 1 else list(walk(**query, limit="1"))[:300]
    times = [bar["time"] for bar in bars]
    assert times == sorted(set(times))
    if anchor == "session":
        assert len(bars) == 4 * 54
        assert sum(bar["volume"] for bar in bars) == 4 * 375 * 10
        assert [bar["volume"] for bar in bars if bar["volume"] != 70] == [40.0] * 4  # the last bar of each session
    else:
        assert all(int(datetime.fromisoformat(time).timestamp()) % 420 == 0 for time in times)
        assert sum(bar["volume"] for bar in bars) == 4 * 375 * 10
    everything = list(walk(**query, limit="10000"))
    assert bars == everything


def test_a_range_takes_bars_by_their_beginning_in_the_exchanges_zone() -> None:
    def times(**query: str) -> list[str]:
        return [bar["time"] for bar in walk(timeframe="1m", **query)]

    assert times(start_time="2024-01-19T09:16", end_time="2024-01-19T09:18") == [
        "2024-01-19T03:46:00+00:00",
        "2024-01-19T03:47:00+00:00",
    ]
    assert times(start_time="2024-01-19T03:46Z", end_time="2024-01-19T03:47Z") == ["2024-01-19T03:46:00+00:00"]
    assert len(times(start_time="2024-01-19", end_time="2024-01-20")) == 750  # the end's date is included
    assert times(start_time="2024-01-20T15:30") == times(start_time="2024-01-21")


def test_days_weeks_and_months_are_the_exchanges() -> None:
    for timeframe, wanted in (
        ("1d", [("19", 3_750), ("20", 3_750), ("23", 3_750), ("24", 3_750)]),
        ("1w", [("15", 7_500), ("22", 7_500)]),
        ("1mo", [("01", 15_000)]),
    ):
        bars = list(walk(timeframe=timeframe, start_time="2024-01-01", limit="1"))
        assert [(bar["time"], bar["volume"]) for bar in bars] == [
            (f"2024-01-{day}T03:45:00+00:00", volume) for day, volume in wanted
        ]


@pytest.mark.parametrize(
    ("timeframe", "now", "open_bars"),
    [
        ("7m", "2024-01-24T15:29:59.999999+05:30", 1),  # the last bar ends with the session, not after its 7 minutes
        ("7m", "2024-01-24T15:30+05:30", 0),
        ("1d", "2024-01-24T15:29+05:30", 1),
        ("1d", "2024-01-24T15:30+05:30", 0),
        ("1w", "2024-01-25T16:00+05:30", 0),  # Friday 26 January 2024 is a holiday: the week closes on Thursday
        ("1w", "2024-01-25T15:29+05:30", 1),
        ("1mo", "2024-01-31T15:29+05:30", 1),
        ("1mo", "2024-01-31T15:30+05:30", 0),
    ],
)
def test_a_bar_that_is_still_open_says_so(
    timeframe: str, now: str, open_bars: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views.timezone, "now", lambda: datetime.fromisoformat(now).astimezone(UTC))
    bars = list(walk(timeframe=timeframe, start_time="2024-01-01"))
    assert [bar["complete"] for bar in bars] == [True] * (len(bars) - open_bars) + [False] * open_bars


def test_ticks_continue_the_stored_bars() -> None:
    opening = session_open("NSE", date(2024, 1, 25))
    nothing = (None,) * 8
    record_ticks(
        Tick,
        [
            (KEY, opening + timedelta(seconds=n), f"{n}-0", 100.0 + n, None, 10.0 * n, 5.0, *nothing, "")
            for n in range(120)
        ],
    )
    bars = list(walk(timeframe="5m", start_time="2024-01-24T15:25"))
    assert [(bar["time"][:16], bar["close"], bar["vwap_source"]) for bar in bars] == [
        ("2024-01-24T09:55", 22_501.0, "typical"),
        ("2024-01-25T03:45", 219.0, "trades"),
    ]
    assert bars[1] | {"open": 100.0, "volume": 1190.0, "open_interest": 5.0, "trades": 119} == bars[1]
    seconds = list(walk(timeframe="45s", start_time="2024-01-25"))  # of ticks alone: minutes do not fit
    assert [bar["close"] for bar in seconds] == [144.0, 189.0, 219.0]


def test_a_pair_trades_around_the_clock() -> None:
    rows = [Row(datetime(2024, 1, 6, 23, 58, tzinfo=UTC) + n * MINUTE, 1, 1, 1, 1, 1, 1, None, 1) for n in range(6)]
    record_bars(PAIR, 60, bar_columns(rows), source="test")
    status, body, _ = ask(PAIR, timeframe="1w", start_time="2024-01-01")
    assert (status, body["anchor"]) == (200, "epoch")
    assert [(bar["time"], bar["trades"]) for bar in body["data"]] == [  # weeks begin on Monday
        ("2024-01-01T00:00:00+00:00", 6)
    ]
    _, body, _ = ask(PAIR, timeframe="5m", start_time="2024-01-06", anchor="session")
    assert [bar["volume"] for bar in body["data"]] == [2, 4]


def test_a_client_that_has_the_page_gets_304() -> None:
    query = {"timeframe": "1d", "start_time": "2024-01-19"}
    _, _, response = ask(**query)
    request = APIRequestFactory().get(f"/x/{KEY}", query, headers={"If-None-Match": response["ETag"]})
    force_authenticate(request, User(username="alice", is_active=True))
    assert views.BarsView.as_view()(request, instrument_key=KEY).status_code == 304


def test_what_is_stored_and_what_can_be_made_of_it() -> None:
    record_bars(
        "NSE@X@equity_spot", 3600, bar_columns([Row(session_open("NSE", DAYS[0]), *[1] * 5, *[None] * 3)]), source="t"
    )
    status, body, _ = ask("X@equity_spot", views.AvailableTimeframesView)
    assert status == 200 and body.keys() == AvailableTimeframesSerializer().fields.keys()
    assert body["stored"] == [
        {"timeframe": "1h", "first": "2024-01-19T03:45:00+00:00", "last": "2024-01-19T03:45:00+00:00"}
    ]
    assert body["timeframes"] == ["1h", "4h", "1d"]
    status, body, _ = ask("X@equity_spot", timeframe="7m", start_time="2024-01-19")
    assert status == 400 and body["errors"][0]["field"] == "timeframe"
    assert "only 1h bars of it are stored" in body["detail"]


REFUSED = [
    ({"timeframe": "7x"}, "timeframe"),
    ({"timeframe": ""}, "timeframe"),
    ({"timeframe": " 7m"}, "timeframe"),
    ({"timeframe": "9" * 100_000 + "m"}, "timeframe"),
    ({"timeframe": "25h"}, "timeframe"),
    ({"timeframe": "15M"}, "timeframe"),
    ({"start_time": "yesterday"}, "start_time"),
    ({"start_time": "0001-01-01"}, "start_time"),
    ({"start_time": "9999-12-31"}, "start_time"),
    ({"start_time": "2024-02-30"}, "start_time"),
    ({"start_time": "2024-01-19\0"}, "start_time"),
    ({"start_time": "1e400"}, "start_time"),
    ({"end_time": "nan"}, "end_time"),
    ({"end_time": "2024-01-18T00:00Z"}, "end_time"),
    ({"anchor": "midnight"}, "anchor"),
    ({"limit": "0"}, "limit"),
    ({"limit": "10001"}, "limit"),
    ({"limit": "9" * 5_000}, "limit"),
    ({"cursor": "x"}, "cursor"),
    ({"cursor": "9999-12-31T23:59:59.999999+00:00"}, "cursor"),
    ({"from": "2024-01-19"}, "from"),
    ({"format": "csv"}, "format"),
]


@pytest.mark.parametrize(("query", "field"), REFUSED)
def test_a_bad_query_is_refused_by_its_field(query: dict[str, str], field: str) -> None:
    status, body, _ = ask(**{"timeframe": "7m", "start_time": "2024-01-19"} | query)
    assert status == 400, body
    assert [error["field"] for error in body["errors"]] == [field]


@pytest.mark.parametrize("key", [KEY, PAIR])
@pytest.mark.parametrize("limit", ["1", "1000", "10000"])
@pytest.mark.parametrize("days", [("1901-01-01", "2198-12-31"), ("2024-01-19", "2024-01-21")])
@pytest.mark.parametrize("timeframe", ["3660d", "366d", "522w", "53w", "120mo", "12mo"])
def test_the_longest_bars_of_the_longest_ranges(timeframe: str, days: tuple[str, str], limit: str, key: str) -> None:
    if key == PAIR:
        flat = Row(datetime(2024, 1, 20, tzinfo=UTC), 1.0, 1.0, 1.0, 1.0, 1.0, None, None, None)
        record_bars("BINANCE@BTC/USDT@crypto_spot", 60, bar_columns([flat]), source="test")
        key = "BINANCE@BTC/USDT@crypto_spot"
    found = list(walk(key, timeframe=timeframe, start_time=days[0], end_time=days[1], limit=limit))
    begins = [bar["time"] for bar in found]
    assert begins == sorted(set(begins))
    if days[0] == "1901-01-01":
        assert sum(bar["volume"] for bar in found) == (10.0 * 4 * 375 if key == KEY else 1.0)


@pytest.mark.parametrize("key", ["nse@x", "NSE@", "x" * 500, "NSE@NIFTY@equity_spot\0", "MOON@NIFTY@equity_spot", "'"])
def test_a_bad_key_is_refused(key: str) -> None:
    status, _, _ = ask(key, timeframe="7m", start_time="2024-01-19")
    assert status == 400


def test_an_instrument_without_data_is_not_found() -> None:
    status, body, _ = ask("NSE@NOTHING@equity_spot", timeframe="7m", start_time="2024-01-19")
    assert status == 404 and "NSE@NOTHING@equity_spot" in body["detail"]


def test_a_page_that_takes_long_ends_early_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = list(walk(timeframe="1d", start_time="2023-01-01", limit="10000"))
    monkeypatch.setattr(selectors, "PAGE_SECONDS", 0.0)
    pages, query = 0, {"timeframe": "1d", "start_time": "2024-01-19", "limit": "1"}
    found = []
    while True:
        _, body, _ = ask(**query)
        pages += 1
        found += body["data"]
        if body["next_cursor"] is None:
            break
        query["cursor"] = body["next_cursor"]
    assert found == everything and pages > 4


def test_all_bars_in_parts_are_those_of_the_pages() -> None:
    begin, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
    wanted = Wanted(
        key=KEY,
        exchange="NSE",
        timeframe=420,
        anchor=Anchor.SESSION,
        begin=begin,
        end=end,
        stored=stored_of(KEY),
    )
    parts = list(read_all(wanted, 50))
    times = np.concatenate([part.time for part in parts])
    assert len(times) == 4 * 54 and (np.diff(times) > 0).all()
    assert max(map(len, parts)) <= 2 * 54
