"""Live indicators equal what is computed of the tables, to the last digit, whatever comes late."""

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest
from django.conf import settings

from realtime.consumer_groups import connect
from realtime.core.names import Names
from realtime.core.wanted_indicators import SeriesWanted
from realtime.ticks import metrics
from realtime.ticks.live_bars import LiveBars
from realtime.ticks.live_indicators import LiveIndicators
from signals.indicators.core.spec import parse_spec
from signals.indicators.selectors import read_newest_of
from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import Row, random_market
from tests.core.slow_fold import Tick as PlainTick
from tests.integration.test_live_minutes import DAYS, KEYS, as_tick, consumer, handle
from timeframes.bars.services import record_bars
from timeframes.bars.stored import Wanted, stored_of
from timeframes.core.grid import default_anchor, instant, microseconds
from timeframes.core.keys import parse_key
from timeframes.core.timeframe import parse_timeframe

pytestmark = pytest.mark.django_db(transaction=True)

SPECS = ("atr(length=3)", "ema(length=4)", "obv", "rsi(length=3)", "sma(length=5)", "vwap")
SECOND = 1_000_000


class Live:
    """A consumer's bars and indicators. `newest`: states by topic, `complete`: those of complete bars by time."""

    def __init__(self, timeframes, *keys):
        self.client = connect(settings.REDIS_URL)
        self.wanted = [
            SeriesWanted(instrument_key=key, timeframe=timeframe, specs=SPECS)
            for key in keys
            for timeframe in timeframes
        ]
        self.newest: dict[str, dict] = {}
        self.complete: dict[str, dict] = {}
        self.bars: LiveBars
        self.begin(*keys)

    def begin(self, *keys):
        self.bars = consumer(*keys)
        self.bars.indicators = self.indicators = LiveIndicators(
            self.client, Names("test_live_indicators:"), self.bars.not_closed
        )
        self.indicators.want(self.wanted)

    def settle(self, until: int) -> None:
        for _ in range(2):  # the second begins what the first could not yet load
            self.bars.settle(until)
            self.indicators.run_all()
        for underlying in self.indicators.outbox.take().values():
            for states in underlying:
                for topic, text in states.items():
                    state = self.newest[topic] = orjson.loads(text)
                    if state["complete"]:
                        self.complete.setdefault(topic, {})[state["time"]] = state["values"]

    def check(self, until: int) -> int:
        """Compare each newest state with the tables. Return how many there were."""
        found = 0
        for each in self.wanted:
            state = self.newest.get(f"indicators:{each.instrument_key}:{each.timeframe}")
            read = newest_of(each.instrument_key, each.timeframe, until)
            if read is None:
                assert state is None
                continue
            assert state is not None, (each, instant(read.time))
            assert state["time"] == instant(read.time).isoformat()
            assert state["values"] == plain(read.outputs)
            found += 1
        return found


def newest_of(key: str, timeframe: str, until: int):
    exchange = parse_key(key).exchange
    wanted = Wanted(
        key=key, exchange=exchange, timeframe=parse_timeframe(timeframe), anchor=default_anchor(exchange),
        begin=instant(0), end=instant(until), stored=stored_of(key),
    )  # fmt: skip
    return read_newest_of(wanted, [parse_spec(text, "x") for text in SPECS], now=instant(until))


def plain(outputs) -> dict:
    return {
        text: {name: None if np.isnan(values[-1]) else float(values[-1]) for name, values in each.items()}
        for text, each in zip(SPECS, outputs, strict=True)
    }


@pytest.mark.parametrize(("exchange", "seed"), [("NSE", 1), ("BINANCE", 2)])
def test_states_equal_the_tables_whatever_comes_late_and_wherever_one_begins(exchange, seed):
    chance = random.Random(f"{exchange} {seed}")
    ticks = {key: random_market(chance, exchange, DAYS, ticks_a_day=60)[1] for key in KEYS[exchange]}
    queue = [as_tick(key, tick) for key, some in ticks.items() for tick in some]
    queue.sort(key=lambda tick: [*map(int, tick.entry_id.split("-"))])
    live, begin, newest, found = Live(("1m", "7m", "1h", "1d"), *ticks), 0, 0, 0
    while begin < len(queue):
        batch = queue[begin : begin + chance.choice([1, 5, 20])]
        handle(live.bars, batch)
        begin += len(batch)
        newest = max(newest, *(microseconds(tick.time) for tick in batch))
        fate = chance.random()
        if fate < 0.05:
            live.begin(*ticks)  # killed in the middle of a bar
        elif fate < 0.1:
            live.bars.doubt_all()
        if chance.random() < 0.4:
            live.settle(newest)
            found += live.check(newest)
    live.settle(newest + 90 * SECOND)
    assert live.check(newest + 90 * SECOND) == 4 * len(ticks)
    assert found > 20


def minute_ticks(begin: datetime, count: int, *, first: int = 1):
    chance = random.Random(9)
    return [
        as_tick(
            KEYS["BINANCE"][0],
            PlainTick(
                begin + timedelta(seconds=20 * n), (first + n, 0), 100.0 + chance.randrange(40) / 8, 5.0 * n, None
            ),
        )
        for n in range(count)
    ]


def test_a_restart_in_the_middle_of_a_bar_changes_no_digit_and_loses_no_closing_state():
    key, begin = KEYS["BINANCE"][0], datetime(2024, 1, 19, 5, tzinfo=UTC)
    ticks = minute_ticks(begin, 400)
    live, topic = Live(("5m",), key), f"indicators:{key}:5m"
    for tick in ticks[:200]:
        handle(live.bars, [tick])
    live.settle(microseconds(ticks[199].time))
    before = live.newest[topic]
    assert before["complete"] is False
    live.begin(key)
    live.newest.clear()
    live.settle(microseconds(ticks[199].time))
    assert live.newest[topic] == before
    client, names = live.client, Names("test_live_indicators:")
    client.hset(names.latest_indicators("BINANCE@BTC"), topic, orjson.dumps(before))
    handle(live.bars, ticks[200:300])  # stored, and the consumer dies before anything is published
    live.begin(key)
    live.complete.clear()
    live.settle(microseconds(ticks[299].time))
    assert list(live.complete[topic]) == [
        (begin + timedelta(minutes=minute)).isoformat() for minute in range(65, 95, 5)
    ]
    client.delete(names.latest_indicators("BINANCE@BTC"))


@pytest.mark.parametrize("spoilt", ["{", '{"time": 5}', '{"strange": ' + "[" * 100_000])
def test_a_newest_state_that_cannot_be_read_keeps_no_series_from_being_computed(spoilt):
    key, begin = KEYS["BINANCE"][0], datetime(2024, 1, 19, 5, tzinfo=UTC)
    live, topic, latest = Live(("5m",), key), f"indicators:{key}:5m", "test_live_indicators:"
    live.client.hset(Names(latest).latest_indicators("BINANCE@BTC"), topic, spoilt)
    handle(live.bars, ticks := minute_ticks(begin, 30))
    live.settle(microseconds(ticks[-1].time))
    live.client.delete(Names(latest).latest_indicators("BINANCE@BTC"))
    assert live.check(microseconds(ticks[-1].time)) == 1


def test_a_late_tick_in_a_closed_minute_is_told_in_the_states_of_its_bar_and_of_those_after_it():
    key, begin = KEYS["BINANCE"][0], datetime(2024, 1, 19, 5, tzinfo=UTC)
    ticks = minute_ticks(begin, 120)
    live, topic = Live(("5m",), key), f"indicators:{key}:5m"
    handle(live.bars, ticks)
    live.settle(microseconds(ticks[-1].time))
    live.complete.clear()
    late = PlainTick(begin + timedelta(minutes=21, seconds=59), (10_000, 0), 90.0, None, None)
    handle(live.bars, [as_tick(key, late)])
    live.settle(microseconds(ticks[-1].time))
    live.check(microseconds(ticks[-1].time))
    times = [(begin + timedelta(minutes=minute)).isoformat() for minute in (20, 25, 30)]
    assert list(live.complete[topic]) == times
    assert live.complete[topic][times[0]]["sma(length=5)"] != live.complete[topic][times[1]]["sma(length=5)"]


def test_an_import_of_earlier_bars_counts_soon():
    key, begin = KEYS["BINANCE"][0], datetime(2024, 1, 19, 5, tzinfo=UTC)
    ticks = minute_ticks(begin, 30)
    live, topic = Live(("5m",), key), f"indicators:{key}:5m"
    handle(live.bars, ticks)
    now = microseconds(ticks[-1].time)
    live.settle(now)
    before = live.newest[topic]["values"]
    rows = [
        Row(begin - timedelta(days=1, minutes=n), 50.0, 60.0, 40.0, 50.0 + n, 10.0, None, None, None) for n in range(90)
    ]
    record_bars(key, 60, bar_columns(sorted(rows)), source="import-plain")
    live.indicators.loading._checked = -1e9  # as if CHECK_SECONDS had passed
    live.settle(now)
    live.settle(now)
    assert live.newest[topic]["values"] != before
    assert live.check(now) == 1


def test_an_instrument_that_does_not_tick_has_the_values_of_its_last_bar():
    key, begin = KEYS["BINANCE"][0], datetime(2024, 1, 19, 5, tzinfo=UTC)
    live = Live(("5m",), key)
    handle(live.bars, minute_ticks(begin, 90))
    live.bars.settle(microseconds(begin) + 3_600 * SECOND)
    live.begin()
    now = microseconds(begin) + 7_200 * SECOND
    live.settle(now)
    state = live.newest[f"indicators:{key}:5m"]
    assert state["complete"] is True
    assert live.check(now) == 1


def test_a_series_that_is_wanted_no_more_is_gone_and_one_with_other_indicators_is_loaded_anew():
    key, begin = KEYS["BINANCE"][0], datetime(2024, 1, 19, 5, tzinfo=UTC)
    live, topic = Live(("5m",), key), f"indicators:{key}:5m"
    ticks = minute_ticks(begin, 60)
    handle(live.bars, ticks[:30])
    live.settle(microseconds(ticks[29].time))
    live.indicators.want([SeriesWanted(instrument_key=key, timeframe="5m", specs=("sma(length=2)",))])
    handle(live.bars, ticks[30:40])
    live.settle(microseconds(ticks[39].time))
    assert list(live.newest[topic]["values"]) == ["sma(length=2)"]
    live.indicators.want([])
    live.newest.clear()
    handle(live.bars, ticks[40:])
    live.settle(microseconds(ticks[-1].time))
    assert not live.newest
    assert not live.indicators.waits


def test_an_indicator_that_cannot_be_read_costs_other_series_nothing():
    key, begin = KEYS["BINANCE"][0], datetime(2024, 1, 19, 5, tzinfo=UTC)
    live = Live(("5m",), key)
    broken = SeriesWanted(instrument_key=key, timeframe="1m", specs=("gone(length=3)",))
    live.indicators.want([broken, *live.wanted])
    handle(live.bars, ticks := minute_ticks(begin, 60))
    live.settle(microseconds(ticks[-1].time))
    assert list(live.newest) == [f"indicators:{key}:5m"]


def test_a_slow_indicator_is_named_in_the_log_and_counted_and_the_others_of_its_series_go_on(caplog):
    key, begin = KEYS["BINANCE"][0], datetime(2024, 1, 19, 5, tzinfo=UTC)
    live = Live(("5m",), key)
    slow, counted = "median(length=3)", metrics.indicator_rests.labels("median")
    live.wanted = [SeriesWanted(instrument_key=key, timeframe="5m", specs=(slow, "sma(length=2)"))]
    live.indicators.want(live.wanted)
    live.indicators.library.allowed = 0.0  # the library cannot be as quick as that
    before = counted._value.get()
    handle(live.bars, ticks := minute_ticks(begin, 60))
    live.settle(microseconds(ticks[-1].time))
    state = live.newest[f"indicators:{key}:5m"]
    assert state["values"][slow] == {"MEDIAN_3": None}
    assert state["values"]["sma(length=2)"]["SMA_2"] is not None
    assert list(state["reasons"]) == [slow] and "it is computed again after" in state["reasons"][slow]
    assert counted._value.get() > before
    assert f"the live indicator {slow} took longer than" in caplog.text
