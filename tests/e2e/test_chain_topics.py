"""What a chain says, from the tick to the socket: the seeds' message, and each channel of evaluations."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.live_ticks import publish_ticks
from tests.e2e.sockets import Socket, Web, web_and_consumer

UNDERLYING = f"NSE@E{time.time_ns()}"  # one that no other test uses
EXPIRY = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()


@pytest.fixture(scope="module")
def web(tables: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web_and_consumer(tmp_path_factory.mktemp("chains"), UNDERLYING, "chains") as served:
        yield served


def state(socket: Socket, topic: str) -> Any:
    """Return the next state of a topic among those that have a forward."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        message = socket.next(timeout=30)
        data = message.get("data")
        if message.get("topic") == topic and data and (data.get("receipt") or {"forward": 1})["forward"]:
            return data
    raise AssertionError(f"no state of {topic}")


def acked(socket: Socket) -> dict[str, Any]:
    """Return the next acknowledgement: updates of earlier subscriptions may come before it."""
    while (message := socket.next())["type"] != "ack":
        pass
    return message


def test_each_channel_brings_what_the_chain_says(web: Web) -> None:
    greeks = {"channel": "moneyness", "instrument_key": "moneyness_greeks"}
    with web.connect() as socket:
        socket.send(type="subscribe", **greeks, params={"underlying": UNDERLYING, "moneyness_level": "ATM"})
        assert socket.next("ack")["items"] == [{"topic": f"moneyness:{UNDERLYING}:ATM", "ok": True, "cadence": "raw"}]
        publish_ticks(UNDERLYING)
        level = state(socket, f"moneyness:{UNDERLYING}:ATM")
        assert (level["expiry"], level["rule"], level["atm_strike"]) == (EXPIRY, "strikes", 100)
        assert level["call"]["strike"] == level["put"]["strike"] == 100
        assert level["both"]["options"] == 2 and level["both"]["open_interest"] == 20
        assert level["receipt"]["forward_source"] == "parity" and level["receipt"]["quotes_used"] == 6
        assert level["calls"]["delta"]["mean"] == level["call"]["delta"]
    dated = {"underlying": UNDERLYING, "expiry": EXPIRY}
    wanted: dict[str, dict[str, str]] = {"atm": dated, "analytics": dated, "smile": dated}
    wanted["term"] = {"underlying": UNDERLYING}
    with web.connect() as socket:
        socket.send(type="subscribe", **greeks, params={"underlying": UNDERLYING, "moneyness_level": "otm"})
        assert socket.next("ack")["items"][0]["ok"]
        assert state(socket, f"moneyness:{UNDERLYING}:OTM")["both"]["options"] == 2
        found = {}
        for channel, params in wanted.items():
            socket.send(type="subscribe", channel=channel, params=params)
            topic = acked(socket)["items"][0]["topic"]
            found[channel] = state(socket, topic)
        assert found["atm"]["atm_strike"] == 100 and found["atm"]["method"] == "interpolated"
        assert found["analytics"]["put_call_ratio_open_interest"] == 1
        assert found["analytics"]["receipt"] == found["atm"]["receipt"]
        assert found["smile"]["points"]["strike"] == [90, 100, 110] and found["smile"]["fit"]["status"]
        assert [each["expiry"] for each in found["term"]["expiries"]] == [EXPIRY]
        publish_ticks(UNDERLYING, higher=0.1)
        assert state(socket, f"atm:{UNDERLYING}:{EXPIRY}")["as_of"] > found["atm"]["as_of"]


def test_a_level_that_is_not_published_is_told_which_are(web: Web) -> None:
    with web.connect() as socket:
        for level in ("OTM11", "OTM_PCT_2_5", "OTM30D"):
            (item,) = socket.subscribe(f"moneyness:{UNDERLYING}:{level}")["items"]
            assert not item["ok"] and item["code"] == "unknown_topic"
            assert "ATM, ITM1 to ITM10, OTM1 to OTM10, ITM, OTM" in item["detail"]
        for level in ("ITM0", "OTM_PCT_5_2", "OTM1e400D", "ATM\n", "'", "", "A" * 10_000):
            (item,) = socket.subscribe(f"moneyness:{UNDERLYING}:{level}")["items"]
            assert not item["ok"] and "none of ATM, ITM, OTM" in item["detail"]
