"""The Subscription Manager is asked for the days that are not stored, once, and whatever it answers harms nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import orjson
import pytest
from django.conf import settings as site
from django.db import close_old_connections, connection
from rest_framework.exceptions import NotFound

from signalsite.foundation.outside_service import FAILURES
from signalsite.foundation.redis import client
from timeframes.bars import lookup
from timeframes.bars import subscription_manager as manager
from timeframes.bars.lookup import HistoryAway
from timeframes.core.grid import instant, microseconds
from timeframes.core.sessions import session_open
from timeframes.core.simulated_history import simulated_bars
from timeframes.management.commands.simulate_history import history_server
from timeframes.models import Bar

pytestmark = pytest.mark.django_db(transaction=True)

KEY, DAY = "NSE@FETCHED@equity_spot", date(2024, 1, 23)
NOW = datetime(2024, 3, 1, tzinfo=UTC)
Answer = Callable[[BaseHTTPRequestHandler, dict[str, str]], None]


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


class Server:
    """Answers with `answer`, and counts the requests."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.tokens: list[str | None] = []
        self.answer: Answer = simulated
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
                outer.asked.append(query)
                outer.tokens.append(self.headers.get("Authorization"))
                try:
                    outer.answer(self, query)
                except OSError:  # the client has gone
                    self.close_connection = True

            def log_message(self, *arguments: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def simulated(handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
    begin, end = (datetime.fromisoformat(query[name]) for name in ("start_time", "end_time"))
    seconds = {"1m": 60, "1d": 86_400}[query["interval"]]
    send(handler, orjson.dumps(list(simulated_bars(query["instrument_key"], seconds, begin, end))))


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    found = Server()
    settings.SUBSCRIPTION_MANAGER_URL = f"http://127.0.0.1:{found.http.server_port}"
    settings.SUBSCRIPTION_MANAGER_TOKEN = "secret"
    manager.breaker.close()
    lookup.MEMORY.clear()
    cache = client(site.CACHE_URL)
    for name in [*cache.scan_iter("history_*FETCHED*"), *cache.scan_iter("agg_data:*FETCHED*")]:
        cache.delete(name)
    yield found
    found.http.shutdown()
    found.http.server_close()
    manager.breaker.close()


def ask(timeframe: str = "7m", start: str = "2024-01-23", end: str = "2024-01-23", key: str = KEY) -> Any:
    query = lookup.read_query(key, (("timeframe", timeframe), ("start_time", start), ("end_time", end)))
    return orjson.loads(lookup.look_up(*query, NOW).body)["data"]


def test_a_day_that_is_not_stored_is_fetched_once_and_kept_with_its_source(server: Server) -> None:
    bars = ask()
    assert len(bars) == 54
    assert ask() == bars and len(ask("13m")) == 29
    assert server.asked == [
        {
            "instrument_key": KEY,
            "start_time": "2024-01-23T03:45:00+00:00",
            "end_time": "2024-01-23T10:00:00+00:00",
            "interval": "1m",
        }
    ]
    assert server.tokens == ["Bearer secret"]
    assert set(Bar.objects.values_list("interval", "source")) == {("1m", "subscription_manager")}
    assert Bar.objects.count() == 375


def test_only_the_missing_days_are_asked_for_and_no_holiday(server: Server) -> None:
    ask()
    ask(start="2024-01-22", end="2024-01-29")  # 22 and 26 are holidays, 27 and 28 a weekend
    assert [(each["start_time"][:10], each["end_time"][:10]) for each in server.asked[1:]] == [
        ("2024-01-24", "2024-01-29")
    ]
    assert set(Bar.objects.dates("time", "day")) == {date(2024, 1, day) for day in (23, 24, 25, 29)}


def test_bars_of_days_are_asked_for_as_days(server: Server) -> None:
    bars = ask("1d")
    assert [bar["time"] for bar in bars] == ["2024-01-23T03:45:00+00:00"]
    assert server.asked[0]["interval"] == "1d"


def test_what_it_lacks_is_not_asked_for_again_at_once(server: Server) -> None:
    server.answer = lambda handler, query: send(handler, b"[]")
    for _ in range(3):
        with pytest.raises(NotFound):
            ask()
    assert len(server.asked) == 1
    server.answer = lambda handler, query: send(handler, b"no such instrument", 404)
    with pytest.raises(NotFound):
        ask(key="NSE@FETCHED2@equity_spot")


def test_many_at_once_make_one_request(server: Server, settings: Any) -> None:
    def slow(handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        time.sleep(0.3)
        simulated(handler, query)

    server.answer = slow

    def one(number: int) -> int:
        try:
            return len(ask(f"{7 + number}m"))
        except HistoryAway:  # one of those for whom no place was free
            return -1
        finally:
            connection.close()
            close_old_connections()

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(one, range(8)))
    assert len(server.asked) == 1
    places = max(site.WEB_THREADS // 3, 1)
    assert sum(count > 0 for count in counts) >= places
    assert client(site.CACHE_URL).keys("history_lock*FETCHED*") == []


def drip(handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
    send(handler, b"[", Content_Length="1000000")
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.02)


def drip_headers(handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(200):
        handler.wfile.write(b"X-%d: 1\r\n" % number)
        handler.wfile.flush()
        time.sleep(0.02)


def endless(handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
    send(handler, b"[", Content_Length="99999999999")
    while True:
        handler.wfile.write(b" " * (1 << 20))


BAD: dict[str, Answer] = {
    "500": lambda handler, query: send(handler, b"{}", 500),
    "redirect": lambda handler, query: send(handler, b"[]", 302, Location="http://127.0.0.1:1/"),
    "html": lambda handler, query: send(handler, b"<html>", Content_Type="text/html"),
    "packed": lambda handler, query: send(handler, b"\x1f\x8b", Content_Encoding="gzip"),
    "no JSON": lambda handler, query: send(handler, b"[{"),
    "an object": lambda handler, query: send(handler, b'{"data": []}'),
    "10**400": lambda handler, query: send(handler, b'[{"datetime":"2024-01-23","open":1' + b"0" * 400 + b"}]"),
    "deep": lambda handler, query: send(handler, b"[" * 100_000),
    "too many rows": lambda handler, query: send(handler, b"[" + b"0," * 200_000 + b"0]"),
    "cut": lambda handler, query: send(handler, b"[", Content_Length="10"),
    "drip": drip,
    "drip of headers": drip_headers,
    "endless": endless,
}


@pytest.mark.parametrize("answer", BAD.values(), ids=list(BAD))
def test_a_bad_answer_harms_nothing_and_takes_no_longer(server: Server, settings: Any, answer: Answer) -> None:
    settings.SUBSCRIPTION_MANAGER_SECONDS = 0.8
    server.answer = answer
    begun = time.monotonic()
    with pytest.raises(HistoryAway):
        ask()
    assert time.monotonic() - begun < 2.5
    assert not Bar.objects.exists()
    server.answer = simulated
    manager.breaker.close()
    assert len(ask()) == 54  # nothing of the failure was kept


def test_after_three_failures_it_is_left_alone(server: Server) -> None:
    server.answer = BAD["html"]
    for _ in range(6):
        with pytest.raises(HistoryAway):
            ask()
    assert len(server.asked) == FAILURES


def test_a_passing_failure_is_tried_again(server: Server) -> None:
    answers = iter([BAD["500"], simulated])
    server.answer = lambda handler, query: next(answers)(handler, query)
    assert len(ask()) == 54
    assert len(server.asked) == 2


def test_a_failure_leaves_what_is_stored_and_its_page_is_not_kept(server: Server) -> None:
    ask()
    server.answer = BAD["html"]
    assert len(ask(end="2024-01-24")) == 54
    server.answer = simulated
    manager.breaker.close()
    assert len(ask(end="2024-01-24")) == 108


GOOD = {"datetime": "2024-01-23T09:15:00", "open": 10, "high": 12, "low": 9, "close": 11.5, "volume": 3, "oi": None}
ROWS: list[Any] = [
    GOOD,
    *(GOOD | {"datetime": text} for text in (None, 5, "", "0001-01-01T00:00:00", "9999-12-31T00:00:00", "x" * 10_000)),
    *(GOOD | {"datetime": text} for text in ("2024-01-23T09:15:30", "2024-01-24T09:15:00", "2024-01-23T09:15:00\0")),
    *(GOOD | {"datetime": "2024-01-23T09:16:00", "open": value} for value in (None, "10", True, -1, 0, 1e300, [])),
    *(GOOD | {"datetime": "2024-01-23T09:17:00", **change} for change in ({"high": 9}, {"low": 11}, {"volume": -1})),
    *(7, None, [], "row", {}),
    GOOD | {"datetime": "2024-01-23T03:48:00Z", "volume": None},
]  # fmt: skip


def test_each_row_is_checked(server: Server) -> None:
    server.answer = lambda handler, query: send(handler, orjson.dumps(ROWS))
    assert [(bar["time"], bar["volume"]) for bar in ask("1m")] == [
        ("2024-01-23T03:45:00+00:00", 3.0),
        ("2024-01-23T03:48:00+00:00", None),
    ]


def test_without_redis_nothing_is_asked(server: Server, settings: Any) -> None:
    settings.CACHE_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(HistoryAway):
        ask()
    assert server.asked == []


def test_without_the_setting_nothing_is_asked(server: Server, settings: Any) -> None:
    settings.SUBSCRIPTION_MANAGER_URL = ""
    with pytest.raises(NotFound):
        ask()
    assert server.asked == []


def test_the_stand_in_of_the_project_serves_the_contract(settings: Any, server: Server) -> None:
    with history_server(0) as stand_in:
        threading.Thread(target=stand_in.serve_forever, daemon=True).start()
        settings.SUBSCRIPTION_MANAGER_URL = f"http://127.0.0.1:{stand_in.server_port}"
        bars = ask("1m")
        assert [bar["time"] for bar in bars][:1] == ["2024-01-23T03:45:00+00:00"] and len(bars) == 375
        wrong = {"instrument_key": KEY, "start_time": "2024-01-23", "end_time": "2024-01-23", "interval": "7s"}
        refused = httpx.get(f"{settings.SUBSCRIPTION_MANAGER_URL}/historical_data", params=wrong)
        assert refused.status_code == 400 and "interval" in refused.json()["detail"]
        stand_in.shutdown()


def test_simulated_minutes_fold_to_simulated_hours() -> None:
    opens = session_open("NSE", DAY)
    end = instant(microseconds(opens) + 86_400_000_000)
    minutes, hours = (list(simulated_bars(KEY, seconds, opens, end)) for seconds in (60, 3600))
    assert max(float(each["high"]) for each in minutes[:60]) == hours[0]["high"]
    assert np.isclose(sum(float(each["volume"]) for each in minutes[:60]), float(hours[0]["volume"]))
