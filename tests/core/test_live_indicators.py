"""Indicators on live bars equal those of a fold of all minutes, bar by bar, however minutes come."""

import random
from dataclasses import replace

import numpy as np
import orjson
import pytest

from realtime.core.bar_places import place_bar
from realtime.core.indicator_states import closes_indicators
from realtime.core.wanted_indicators import SeriesWanted, wanted_series
from realtime.ticks.core.indicator_outbox import IndicatorOutbox
from realtime.ticks.core.live_series import LiveSeries
from realtime.ticks.core.loaded_series import Asked, Loaded
from realtime.ticks.core.series_book import PRICES
from signals.configs.core.document import Document
from tests.core.indicator_feed import KEYS, MINUTE, OPENING, SPECS, Feed, expected, folded, minutes, play, stacked
from timeframes.core.bars import BarColumns
from timeframes.core.grid import instant


@pytest.mark.parametrize("timeframe", ["1m", "5m", "7m", "1h", "1d"])
@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_each_closed_bar_has_the_values_of_all_minutes_folded_at_once(timeframe, gaps):
    chance = random.Random(f"{timeframe}{gaps}")
    given = {key: minutes(chance, OPENING, 375, gaps) for key in KEYS}
    feed = Feed([SeriesWanted(instrument_key=key, timeframe=timeframe, specs=SPECS) for key in KEYS])
    play(feed, given, chance, OPENING + 375 * MINUTE)
    for key in KEYS:
        wanted = expected(key, timeframe, given[key], SPECS)
        found = [each for each in feed.states[f"indicators:{key}:{timeframe}"] if each["complete"]]
        assert [each["time"] for each in found] == [instant(time).isoformat() for time in wanted]
        assert [each["values"] for each in found] == list(wanted.values())


def test_the_forming_bar_has_the_values_of_what_there_is_so_far():
    chance = random.Random(3)
    given = {key: minutes(chance, OPENING, 40, 0.1) for key in KEYS}
    feed = Feed([SeriesWanted(instrument_key=key, timeframe="7m", specs=SPECS) for key in KEYS])
    for time in range(OPENING, OPENING + 40 * MINUTE, MINUTE):
        for key, each in given.items():
            if len(now := each.take(each.time == time)):
                feed.book.series.open_minutes([key], now)
                feed.run()
                newest = feed.states[f"indicators:{key}:7m"][-1]
                wanted = expected(key, "7m", each.take(each.time <= time), SPECS)
                assert newest["values"] == wanted[max(wanted)]
                assert newest["complete"] is False
                feed.book.series.close_minutes([key], now)


def test_loading_in_the_middle_of_a_bar_changes_nothing():
    chance = random.Random(5)
    all_minutes = minutes(chance, OPENING, 60, 0.0)
    at = OPENING + 32 * MINUTE  # in the fifth bar of 7 minutes
    before = folded(KEYS[0], "7m", all_minutes.take(all_minutes.time < at))
    feed = Feed([])
    series = LiveSeries(SeriesWanted(instrument_key=KEYS[0], timeframe="7m", specs=SPECS))
    feed.series.append(series)
    prices = np.array([getattr(before, name)[-1] for name in PRICES])
    row = feed.book.begin_row(series, at)
    late = all_minutes.take(all_minutes.time >= at)
    for place in range(len(late)):  # half of them before the history is there
        if place == 10:
            asked = Asked(
                row=row, key=KEYS[0], exchange="NSE", timeframe=420, specs=series.specs, texts=SPECS, upto=at,
                opened=True, latest="", topic=series.topic,
            )  # fmt: skip
            day = place_bar("NSE", 420, OPENING).date_begin
            feed.book.begin([Loaded(asked, before.take(slice(-1)), int(before.time[-1]), prices, day, None)])
        feed.book.series.close_minutes([KEYS[0]], late.take(np.array([place])))
        feed.run()
    feed.book.series.close_ended(OPENING + 63 * MINUTE)
    feed.run()
    wanted = expected(KEYS[0], "7m", all_minutes, SPECS)
    complete = [each for each in feed.states[series.topic] if each["complete"]]
    assert {each["time"]: each["values"] for each in complete} == {
        instant(time).isoformat(): values for time, values in list(wanted.items())[3:]
    }


def test_a_minute_that_changes_after_it_closed_makes_the_series_doubtful_and_is_told_again():
    given = minutes(random.Random(1), OPENING, 12, 0.0)
    feed = Feed([SeriesWanted(instrument_key=KEYS[0], timeframe="5m", specs=("sma(length=2)",))])
    (series,) = feed.series
    book = feed.book.series
    book.close_minutes([KEYS[0]] * 12, given)
    feed.run()
    book.close_minutes([KEYS[0]], given.take(slice(-1, None)))  # the same once more
    assert feed.book.is_sure(series)
    changed = BarColumns(**{**vars(given.take(slice(3, 4))), "close": np.array([7.0])})
    book.close_minutes([KEYS[0]], changed)
    assert not feed.book.is_sure(series)
    bars = folded(KEYS[0], "5m", given)
    feed.states.clear()
    feed.load(series, OPENING + 12 * MINUTE, bars.take(slice(-1)), int(bars.time[-1]),
              np.array([getattr(bars, name)[-1] for name in PRICES]), published=OPENING + 5 * MINUTE)  # fmt: skip
    feed.run()
    assert feed.book.is_sure(series)
    told = feed.states[series.topic]
    assert [each["time"][14:16] for each in told] == ["45", "50", "55"]  # from the bar of the changed minute on
    assert [each["complete"] for each in told] == [True, True, False]


def test_a_minute_that_the_clock_closed_and_that_goes_on_makes_the_series_doubtful():
    given = minutes(random.Random(1), OPENING, 5, 0.0)
    feed = Feed([SeriesWanted(instrument_key=KEYS[0], timeframe="5m", specs=("sma(length=1)",))])
    feed.book.series.close_minutes([KEYS[0]] * 5, given)
    feed.book.series.close_ended(OPENING + 5 * MINUTE)
    feed.run()
    feed.book.series.open_minutes([KEYS[0]], given.take(slice(-1, None)))
    assert not feed.book.is_sure(feed.series[0])


def test_series_of_other_instruments_do_not_matter_and_rows_are_used_again():
    feed = Feed([SeriesWanted(instrument_key=key, timeframe="1m", specs=("sma(length=1)",)) for key in KEYS])
    for each in feed.series:
        feed.book.remove(each)
    assert feed.book.series.closed == {}
    feed.book.series.close_minutes(list(KEYS), stacked([minutes(random.Random(2), OPENING, 1, 0.0)] * 3))
    feed.run()
    assert not feed.states
    feed.load(feed.series[0], OPENING)
    assert feed.series[0].row is not None


def test_no_newer_state_takes_the_place_of_one_of_a_complete_bar():
    outbox, series = IndicatorOutbox(), LiveSeries(SeriesWanted(instrument_key=KEYS[0], timeframe="1m", specs=("obv",)))
    for place, complete in enumerate([False, False, True, False, False, True]):
        outbox.add(series, OPENING + place * MINUTE, {"obv": {"OBV": float("nan")}}, {}, complete=complete)
    (rounds,) = outbox.take().values()
    states = [orjson.loads(each[series.topic]) for each in rounds]
    assert [state["time"][14:16] for state in states] == ["47", "50"]
    assert states[0]["values"] == {"obv": {"OBV": None}}
    assert all(closes_indicators(series.topic.encode(), each[series.topic]) for each in rounds)
    assert not closes_indicators(b"bars:x:1m", rounds[0][series.topic])


def test_series_are_those_that_active_configurations_name():
    document = Document(name="a", instruments=(KEYS[0], KEYS[1]), interval="5m", indicators=("rsi", "macd"))
    others = [
        replace(document, instruments=(KEYS[0],), indicators=("rsi", "sma")),
        replace(document, interval="1m", active=False),
        replace(document, interval="7m", indicators=()),
        replace(document, interval="15m", anchor="epoch"),
        replace(document, interval="90s"),
        replace(document, interval=None),
    ]
    found = {
        (each.instrument_key, each.timeframe): each.specs for each in wanted_series([document, *others], ["NSE@NIFTY"])
    }
    assert found == {(KEYS[0], "5m"): ("macd", "rsi", "sma")}


def test_a_series_that_has_raised_is_computed_and_removed_alone():
    wanted = [SeriesWanted(instrument_key=key, timeframe="5m", specs=("rsi(length=5)",)) for key in KEYS]
    feed = Feed(wanted)
    first, second, third = feed.series
    first.failed(0.0, 2.0)
    assert feed.book.is_apart(first.row) and not feed.book.is_apart(second.row)
    feed.book._due = {first.row: None, second.row: None}
    feed.book.compute()
    assert feed.book.remove_working() == [first]
    assert first.row is None and second.row is not None and third.row is not None
    assert first.failed(0.0, 2.0) == 4.0
    first.forgive(1e6)
    assert first.failures == 0
