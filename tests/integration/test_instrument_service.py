"""The instrument service: from our own tables, and from an external server that may answer anything."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from django.conf import settings as site

from moneyness.instrument_service import external
from moneyness.instrument_service.chosen import instrument_service
from moneyness.instrument_service.contract import (
    InstrumentServiceClient,
    InstrumentServiceError,
    NothingKnown,
    get_moneyness_mapping,
    get_strikes_by_moneyness,
)
from moneyness.instrument_service.core.answers import MoneynessMapping
from moneyness.instrument_service.mapping_cache import CachedMappings
from signalsite.foundation.outside_service import FAILURES
from signalsite.foundation.redis import client

NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
NAME, EXPIRY, LATER = "NSE@INSTRSVC", "2026-12-29", "2027-01-26"
GOOD = {
    "underlying": NAME,
    "expiry": EXPIRY,
    "as_of": NOW.isoformat(),
    "atm_strike": 24_000.0,
    "levels": {"ATM": [24_000], "OTM1": [23_950, 24_050.5]},
}
Answer = Callable[[BaseHTTPRequestHandler], None]


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


class Server:
    """Answers with `answer`, and counts the requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.tokens: list[str | None] = []
        self.answer: Answer = lambda handler: send(handler, orjson.dumps(GOOD))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                outer.asked.append((parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()}))
                outer.tokens.append(self.headers.get("Authorization"))
                try:
                    outer.answer(self)
                except OSError:  # the client has gone
                    self.close_connection = True

            def log_message(self, *arguments: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    found, cache = Server(), client(site.CACHE_URL)
    settings.INSTRUMENT_SERVICE_URL = f"http://127.0.0.1:{found.http.server_port}"
    settings.INSTRUMENT_SERVICE_TOKEN = "secret"
    settings.INSTRUMENT_SERVICE_SECONDS = 0.5
    external.service.breaker.close()
    yield found
    found.http.shutdown()
    found.http.server_close()
    external.service.breaker.close()
    for name in cache.scan_iter("instrument_mapping:*"):
        cache.delete(name)


def mapping() -> MoneynessMapping:
    return instrument_service().mapping(NAME)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def cached(clock: Clock, service: InstrumentServiceClient | None = None) -> CachedMappings:
    return CachedMappings(service or instrument_service(), site.INSTRUMENT_SERVICE_URL, clock)


class TestOfAnExternalServer:
    def test_the_contract_of_the_seeds(self, server: Server) -> None:
        assert get_moneyness_mapping(instrument_service(), NAME) == {"ATM": [24_000], "OTM1": [23_950, 24_050.5]}
        assert server.asked == [("/mapping", {"underlying": NAME})] and server.tokens == ["Bearer secret"]
        level = {**GOOD, "level": "OTM1", "strikes": [23_950, 24_050.5], "instruments": []}
        server.answer = lambda handler: send(handler, orjson.dumps(level))
        assert get_strikes_by_moneyness(instrument_service(), NAME, "OTM1") == ["23950", "24050.5"]

    @pytest.mark.parametrize(
        "answer",
        [
            lambda handler: send(handler, b"[]"),
            lambda handler: send(handler, b"null"),
            lambda handler: send(handler, b""),
            lambda handler: send(handler, b"{" * 100_000),
            lambda handler: send(handler, b"[" * 100_000 + b"]" * 100_000),
            lambda handler: send(handler, b"\xff\xfe"),
            lambda handler: send(handler, orjson.dumps({**GOOD, "atm_strike": "24000"})),
            lambda handler: send(handler, orjson.dumps({**GOOD, "levels": {"ATM": 24_000}})),
            lambda handler: send(handler, orjson.dumps({**GOOD, "levels": {"ATM": [-1]}})),
            lambda handler: send(handler, orjson.dumps({**GOOD, "levels": {"ATM": [1.0] * 10_001}})),
            lambda handler: send(handler, orjson.dumps({**GOOD, "underlying": "x" * 121})),
            lambda handler: send(handler, orjson.dumps(GOOD).replace(b"24000.0", b"NaN")),
            lambda handler: send(handler, orjson.dumps(GOOD).replace(b"24000.0", b"1" + b"0" * 400)),
            lambda handler: send(handler, orjson.dumps(GOOD).replace(b"24000.0", b"1e999")),
            lambda handler: send(handler, orjson.dumps(GOOD), 500),
            lambda handler: send(handler, orjson.dumps(GOOD), 403),
            lambda handler: send(handler, b"", 302, Location="http://127.0.0.1:1/elsewhere"),
            lambda handler: send(handler, orjson.dumps(GOOD), Content_Type="text/html"),
            lambda handler: send(handler, orjson.dumps(GOOD), Content_Encoding="gzip"),
            lambda handler: send(handler, orjson.dumps(GOOD), Content_Length="100000"),
            lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"),
            lambda handler: huge(handler),
            lambda handler: time.sleep(0.7),
            lambda handler: drip(handler),
        ],
    )
    def test_a_bad_answer_is_an_error_in_time(self, server: Server, answer: Answer) -> None:
        server.answer = answer
        begun = time.monotonic()
        with pytest.raises(InstrumentServiceError):
            mapping()
        assert time.monotonic() - begun < 1.5

    def test_a_hundred_megabytes_are_not_read(self, server: Server) -> None:
        sent: list[int] = []
        server.answer = lambda handler: huge(handler, sent)
        with pytest.raises(InstrumentServiceError, match=r"more than 4 MiB|no answer"):
            mapping()
        assert sum(sent) < 40 << 20

    def test_what_it_does_not_know(self, server: Server) -> None:
        server.answer = lambda handler: send(handler, b"", 404)
        for _ in range(FAILURES + 1):
            with pytest.raises(NothingKnown):
                mapping()
        server.answer = lambda handler: send(handler, b"", 400)
        for _ in range(FAILURES + 1):
            with pytest.raises(InstrumentServiceError, match="status 400"):
                mapping()
        server.answer = lambda handler: send(handler, orjson.dumps(GOOD))
        assert mapping().atm_strike == 24_000.0, "the breaker has not counted what it refused"

    @pytest.mark.parametrize("answer", [lambda handler: send(handler, b"", 500), lambda handler: time.sleep(0.7)])
    def test_after_failures_it_is_left_alone_and_ready_says_so(self, server: Server, answer: Answer) -> None:
        server.answer = answer
        for _ in range(FAILURES):
            with pytest.raises(InstrumentServiceError):
                mapping()
        asked = len(server.asked)
        begun = time.monotonic()
        with pytest.raises(InstrumentServiceError, match="left alone"):
            mapping()
        assert len(server.asked) == asked and time.monotonic() - begun < 0.1
        from signalsite.health import _optional

        assert _optional() == {"optional": {"instrument_service": "left alone after failures"}}

    def test_requests_run_beside_each_other(self, server: Server, settings: Any) -> None:
        settings.INSTRUMENT_SERVICE_SECONDS = 5.0  # of which connecting takes the most on a busy machine

        def slow(handler: BaseHTTPRequestHandler) -> None:
            together.wait(4.0)
            send(handler, orjson.dumps(GOOD))

        together = threading.Barrier(4)  # none is answered before all have asked
        server.answer = slow
        with ThreadPoolExecutor(4) as threads:
            assert len(list(threads.map(lambda _: mapping(), range(4)))) == 4

    def test_a_passing_failure_is_tried_again(self, server: Server) -> None:
        def once(handler: BaseHTTPRequestHandler) -> None:
            server.answer = lambda handler: send(handler, orjson.dumps(GOOD))
            send(handler, b"", 503)

        server.answer = once
        assert mapping().levels["ATM"] == [24_000.0] and len(server.asked) == 2


def huge(handler: BaseHTTPRequestHandler, sent: list[int] | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" " * (1 << 20))
        if sent is not None:
            sent.append(1 << 20)


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(8):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


class TestOfMappings:
    def test_a_young_one_is_not_asked_for_again(self, server: Server) -> None:
        clock = Clock()
        first = cached(clock).get(NAME)
        assert (first.stale, first.age_seconds) == (False, 0.0)
        clock.now += timedelta(seconds=2)
        assert cached(clock).get(NAME).age_seconds == 2.0 and len(server.asked) == 1
        cached(clock).get(NAME, date(2027, 1, 26))
        assert len(server.asked) == 2

    def test_it_is_refreshed_ahead_without_waiting(self, server: Server) -> None:
        clock = Clock()
        cached(clock).get(NAME)
        clock.now += timedelta(seconds=4)
        server.answer = lambda handler: (time.sleep(0.2), send(handler, orjson.dumps({**GOOD, "atm_strike": 1.0})))[1]
        begun = time.monotonic()
        assert [cached(clock).get(NAME).atm_strike for _ in range(5)] == [24_000.0] * 5
        assert time.monotonic() - begun < 0.2
        until = time.monotonic() + 3
        while cached(clock).get(NAME).atm_strike != 1.0:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert cached(clock).get(NAME).age_seconds == 0.0

    def test_an_old_one_is_answered_and_marked_while_the_service_is_away(self, server: Server) -> None:
        clock = Clock()
        cached(clock).get(NAME)
        clock.now += timedelta(seconds=60)
        server.answer = lambda handler: send(handler, b"", 500)
        found = cached(clock).get(NAME)
        assert (found.stale, found.age_seconds, found.atm_strike) == (True, 60.0, 24_000.0)
        server.answer = lambda handler: send(handler, orjson.dumps({**GOOD, "stale": True, "age_seconds": 7.5}))
        found = cached(clock).get(NAME)
        assert (found.stale, found.age_seconds) == (True, 7.5), "as the service says itself"

    def test_what_nobody_can_read_is_asked_for_again(self, server: Server) -> None:
        clock = Clock()
        cached(clock).get(NAME)
        cache = client(site.CACHE_URL)
        (name,) = list(cache.scan_iter("instrument_mapping:*"))
        naive = cache.get(name).replace(b"+00:00", b"").replace(b'Z"', b'"')
        ahead = cache.get(name).replace(b"2026-12-01T", b"2027-12-01T")
        for body in (b"", b"{}", b"\xff", b"[" * 100_000, b'{"x":' + b"[" * 100_000, b'{"x":"\xff"}', naive, ahead):
            cache.set(name, body)
            assert cached(clock).get(NAME).stale is False
        assert len(server.asked) == 9 and 0 < cache.ttl(name) <= 3600

    def test_without_redis_it_is_asked_each_time(self, server: Server, settings: Any) -> None:
        settings.CACHE_URL = "redis://127.0.0.1:1/0"
        clock = Clock()
        assert cached(clock).get(NAME).atm_strike == cached(clock).get(NAME).atm_strike == 24_000.0
        assert len(server.asked) == 2
