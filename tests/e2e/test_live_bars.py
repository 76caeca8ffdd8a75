"""Live bars from the tick to the socket: the open bar as it changes, and every closing one."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.sockets import Socket, Web, redis_client, web_and_consumer

UNDERLYING = f"BINANCE@B{time.time_ns()}"  # one that no other test uses
KEY = f"{UNDERLYING}@crypto_spot"
TOPIC = f"bars:{KEY}:1m"
BEGIN = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=2)


@pytest.fixture(scope="module")
def web(tables: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web_and_consumer(tmp_path_factory.mktemp("bars"), UNDERLYING, "bars") as served:
        yield served


def tick(minute: int, price: float, volume: float, *, second: float = 1.0) -> None:
    """Publish a tick of a minute after BEGIN. A later minute closes the one before, whatever the clock says."""
    at = BEGIN + timedelta(minutes=minute, seconds=second)
    fields = {"instrument_key": KEY, "ltt": at.isoformat(), "ltp": f"{price:g}", "volume": f"{volume:g}"}
    with redis_client() as client:
        client.xadd(f"tick_stream:{UNDERLYING}", fields)


def bar(socket: Socket, minute: int, close: float, *, complete: bool) -> dict[str, Any]:
    """Return the next state of this minute with this close, among those that the test did not wait for."""
    moment = (BEGIN + timedelta(minutes=minute)).isoformat()
    seen: list[Any] = []
    while True:
        try:
            message = socket.next(timeout=10)
        except TimeoutError as error:
            raise AssertionError(f"no such bar among {seen}") from error
        seen.append(message)
        data = message.get("data")
        if data and (data["time"], data["close"], data["complete"]) == (moment, close, complete):
            return message


def test_bars_open_close_and_are_mended(web: Web) -> None:
    with web.connect() as early, web.connect() as slow:
        assert early.subscribe(TOPIC)["items"] == [{"topic": TOPIC, "ok": True, "cadence": "raw"}]
        assert early.next("snapshot")["data"] is None
        tick(0, 100, 10)
        assert bar(early, 0, 100, complete=True)["type"] == "update"  # its time is long over: the clock closes it
        slow.subscribe(TOPIC, cadence="1s")
        assert slow.next("snapshot")["data"] == {
            "instrument_key": KEY,
            "timeframe": "1m",
            "time": BEGIN.isoformat(),
            "open": 100.0,
            "high": 100.0,
            "low": 100.0,
            "close": 100.0,
            "volume": 10.0,
            "vwap": 100.0,
            "vwap_source": "trades",
            "open_interest": None,
            "trades": 1,
            "complete": True,
        }
        for minute in range(1, 6):
            tick(minute, 100 + minute, 10 + minute)
            tick(minute, 110 + minute, 20 + minute, second=2)
        tick(0, 99, 10, second=3)  # late
        for socket in (early, slow):
            for minute in range(1, 5):
                assert bar(socket, minute, 110 + minute, complete=True)["data"]["high"] == 110 + minute
        assert bar(early, 0, 99, complete=True)["data"]["low"] == 99
        with web.connect() as newcomer:
            newcomer.subscribe(TOPIC)
            assert newcomer.next("snapshot")["data"]["time"] >= (BEGIN + timedelta(minutes=4)).isoformat()


def test_another_timeframe_is_refused_with_those_that_are_live(web: Web) -> None:
    with web.connect() as socket:
        (item,) = socket.subscribe(f"bars:{KEY}:7m")["items"]
        assert (item["code"], item["detail"]) == ("unknown_topic", "'7m' is no timeframe of live bars: 1m")
        socket.send(type="subscribe", channel="bars", instrument_key=KEY)
        assert socket.next("ack")["items"][0]["topic"] == TOPIC


def test_a_subscriber_gets_what_is_stored_where_the_stream_has_nothing(web: Web) -> None:
    tick(20, 500, 1_000)
    with web.connect() as socket:
        socket.subscribe(TOPIC)
        newest = bar(socket, 20, 500, complete=True)["data"]
    with redis_client() as client:
        client.delete(*(f"{name}:{UNDERLYING}" for name in ("bars_output_stream", "latest_bars", "latest_bars_seq")))
    with web.connect() as socket:
        socket.subscribe(TOPIC)
        assert socket.next("snapshot")["data"] == newest
