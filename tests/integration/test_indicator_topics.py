"""Topics of live indicators: which there are, and what a subscriber sees who is the first."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User

from realtime.core.topic_grammar import UnknownTopic
from realtime.sockets import indicators
from realtime.sockets.indicators import check_indicators, newest_indicators
from realtime.sockets.topics import type_of
from signals.configs.services import save
from signals.indicators.core.spec import parse_spec
from signals.indicators.selectors import read_newest
from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import Row
from timeframes.bars.requests import Asked
from timeframes.bars.services import record_bars
from timeframes.bars.stored import stored_of
from timeframes.core.grid import Anchor, instant

pytestmark = pytest.mark.django_db

KEY = "NSE@NIFTY@equity_spot"
BEGIN = datetime(2024, 1, 3, 3, 45, tzinfo=UTC)


@pytest.fixture(autouse=True)
def configured():
    indicators._kept.clear()
    owner = User.objects.create(username="trader")
    document = {"name": "n", "instruments": [KEY], "interval": "5m", "indicators": ["sma(length=2)", "rsi(length=3)"]}
    save(owner, document, origin="api", now=datetime.now(UTC))
    save(owner, {**document, "name": "m", "indicators": ["macd"]}, origin="api", now=datetime.now(UTC))
    save(owner, {**document, "name": "o", "interval": "1m", "active": False}, origin="api", now=datetime.now(UTC))
    yield
    indicators._kept.clear()


def check(topic: str) -> None:
    async_to_sync(check_indicators)(topic)


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        (f"indicators:{KEY}:1m", f"no active configuration names indicators of {KEY} on 1m bars; they do on 5m"),
        ("indicators:NSE@ABB@equity_spot:5m", "no active configuration names indicators of NSE@ABB@equity_spot on 5m"),
        (f"indicators:{KEY}:300s", "the timeframe 300s is written 5m"),
        (f"indicators:{KEY}:5M", "is no timeframe"),
        (f"indicators:{KEY}:{10**400}m", "is no timeframe"),
        (f"indicators:{KEY}", "indicators are indicators:INSTRUMENT_KEY:TIMEFRAME"),
        ("indicators:a b:5m", "not an instrument's indicators"),
    ],
)
def test_what_no_configuration_names_is_refused(topic: str, text: str) -> None:
    with pytest.raises(UnknownTopic, match=text):
        check(topic)


def test_the_stream_of_indicators_is_their_own() -> None:
    feed = type_of(f"indicators:{KEY}:5m").locate(f"indicators:{KEY}:5m")
    assert feed.stream == "indicators_output_stream:NSE@NIFTY"
    assert feed.hashes == ("latest_indicators:NSE@NIFTY", "latest_indicators_seq:NSE@NIFTY")


def test_the_first_subscriber_sees_the_newest_of_the_tables() -> None:
    topic = f"indicators:{KEY}:5m"
    check(topic)
    assert async_to_sync(newest_indicators)(topic) is None
    rows = [Row(BEGIN + timedelta(minutes=n), 9.0, 12.0, 8.0, 10.0 + n % 7, 5.0, None, None, None) for n in range(200)]
    record_bars(KEY, 60, bar_columns(rows), source="test")
    state = orjson.loads(async_to_sync(newest_indicators)(topic))
    assert list(state) == ["instrument_key", "timeframe", "anchor", "time", "values", "complete"]
    assert (state["instrument_key"], state["timeframe"], state["anchor"]) == (KEY, "5m", "session")
    assert state["time"] == (BEGIN + timedelta(minutes=195)).isoformat()
    assert state["complete"] is True
    assert set(state["values"]) == {"macd", "rsi(length=3)", "sma(length=2)"}
    wanted = Asked(KEY, "NSE", 300, Anchor.SESSION, instant(0), None).wanted(stored_of(KEY), now := datetime.now(UTC))
    read = read_newest(wanted, parse_spec("rsi(length=3)", "x"), bars=2, now=now)
    assert float(read.outputs["RSI_3"][-1]) == state["values"]["rsi(length=3)"]["RSI_3"]
