"""Indicators on live bars equal those of a fold of all minutes, bar by bar, however minutes come."""

import random
from collections import defaultdict
from dataclasses import replace

import numpy as np
import orjson
import pytest

from realtime.core.bar_places import place_bar, refusal
from realtime.core.indicator_states import closes_indicators
from realtime.core.wanted_indicators import SeriesWanted, wanted_series
from realtime.ticks.core.indicator_book import IndicatorBook
from realtime.ticks.core.indicator_outbox import IndicatorOutbox
from realtime.ticks.core.live_series import LiveSeries
from realtime.ticks.core.loaded_series import Asked, Loaded
from realtime.ticks.core.resting_library import AFTER_A_SLOW_ONE, RestingLibrary
from realtime.ticks.core.series_book import PRICES
from signals.configs.core.document import Document
from signals.indicators.core.compute import compute_indicators
from signals.indicators.core.sessions import session_days
from signals.indicators.core.spec import parse_spec
from timeframes.core.bars import NUMBERS, BarColumns, join_folded
from timeframes.core.fold import fold
from timeframes.core.grid import SECOND, Anchor, default_anchor, instant, make_grid
from timeframes.core.keys import parse_key
from timeframes.core.minutes import NOWHERE
from timeframes.core.timeframe import Months, parse_timeframe

MINUTE = 60 * SECOND
OPENING = 1_704_253_500 * SECOND  # 2024-01-03 09:15 in India
SPECS = ("rsi(length=5)", "sma(length=3)", "macd(fast=3,slow=6,signal=3)", "vwap", "obv", "supertrend(length=4)")
KEYS = ("NSE@NIFTY@equity_spot", "NSE@BANKNIFTY@equity_spot", "NSE@FINNIFTY@equity_spot")


def minutes(chance: random.Random, begin: int, count: int, gaps: float) -> BarColumns:
    rows, price = [], 100.0
    for place in range(count):
        if chance.random() < gaps:
            continue
        price = max(price + chance.choice([-1.0, -0.25, 0.0, 0.5]), 1.0)
        more = chance.choice([0.0, 0.5])
        rows.append((begin + place * MINUTE, price, price + more, price - more, price, float(chance.randrange(9))))
    columns = dict(zip(("time", *PRICES), np.array(rows).T, strict=True))
    others = {name: np.full(len(rows), np.nan) for name in NUMBERS if name not in PRICES}
    return BarColumns(**{**columns, "time": columns["time"].astype(np.int64)}, **others)


def folded(key: str, timeframe: str, all_minutes: BarColumns):
    exchange, parsed = parse_key(key).exchange, parse_timeframe(timeframe)
    first, last = (instant(int(each)).date() for each in all_minutes.time[[0, -1]])
    return fold({60: all_minutes}, None, make_grid(exchange, parsed, default_anchor(exchange), first, last))


def expected(key: str, timeframe: str, all_minutes: BarColumns, texts) -> dict[int, dict]:
    """Return the values of each bar by its beginning, of all minutes so far."""
    bars = folded(key, timeframe, all_minutes)
    exchange = parse_key(key).exchange
    columns = {name: getattr(bars, name) for name in PRICES} | {
        "time": bars.time,
        "session": session_days(bars.time, exchange, default_anchor(exchange)),
    }
    made = compute_indicators(columns, [parse_spec(text, "x") for text in texts])
    return {
        time: {
            text: {name: None if values[place] != values[place] else values[place] for name, values in each.items()}
            for text, each in zip(texts, made, strict=True)
        }
        for place, time in enumerate(bars.time.tolist())
    }


class Feed:
    """A book with series, which are loaded at once with nothing before them."""

    def __init__(self, wanted, upto=OPENING, library=None):
        self.outbox = IndicatorOutbox()
        self.book = IndicatorBook(self.outbox, library or RestingLibrary(lambda: 0.0, lambda: 0.0))
        self.series = [LiveSeries(each) for each in wanted]
        for each in self.series:
            self.load(each, upto)
        self.states = defaultdict(list)

    def load(self, each: LiveSeries, upto: int, bars=None, time=None, prices=None, published=None):
        row = self.book.begin_row(each, upto)
        asked = Asked(
            row=row, key=each.wanted.instrument_key, exchange=each.exchange, timeframe=each.timeframe, specs=each.specs,
            texts=each.wanted.specs, upto=upto, opened=True, latest="", topic=each.topic,
        )  # fmt: skip
        day = place_bar(each.exchange, each.timeframe, OPENING).date_begin
        self.book.begin([Loaded(asked, join_folded([]) if bars is None else bars, time, prices, day, published)])

    def run(self):
        self.book.note_changes()
        while self.book.due:
            self.book.compute()
        rounds = self.outbox.take()
        for underlying in rounds.values():
            for some in underlying:
                for topic, state in some.items():
                    self.states[topic].append(orjson.loads(state))


def play(feed: Feed, given: dict[str, BarColumns], chance: random.Random, until: int):
    """Open each minute, change it, and close it, some instruments together and some later."""
    for time in range(OPENING, until, MINUTE):
        here = {key: each.take(each.time == time) for key, each in given.items()}
        here = {key: each for key, each in here.items() if len(each)}
        if here and chance.random() < 0.7:
            opened = [BarColumns(**{**vars(each), "close": each.open}) for each in here.values()]
            feed.book.series.open_minutes(list(here), stacked(opened))
            feed.run()
        for key, each in here.items():
            feed.book.series.close_minutes([key], each)
        if chance.random() < 0.5:
            feed.run()
    feed.book.series.close_ended(until)
    feed.run()


def stacked(parts):
    return BarColumns(**{name: np.concatenate([getattr(each, name) for each in parts]) for name in ("time", *NUMBERS)})


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


class SlowLibrary(RestingLibrary):
    """Whose clocks say that each indicator takes `taken` seconds. `now`: when it is, after them."""

    def __init__(self, taken):
        self.taken, self.now, self._worked, self._ends = taken, 0.0, 0.0, False
        super().__init__(self._work, lambda: self.now, allowed=0.05)

    def _work(self):
        self._worked += self.taken if self._ends else 0.0
        self._ends = not self._ends
        return self._worked


def test_an_indicator_that_takes_too_long_rests_with_a_reason_and_the_others_go_on():
    library = SlowLibrary(taken=0.0)
    slow, mixed = "median(length=3)", ("median(length=3)", "sma(length=3)")
    feed = Feed(
        [
            SeriesWanted(instrument_key=KEYS[0], timeframe="1m", specs=mixed),
            SeriesWanted(instrument_key=KEYS[1], timeframe="1m", specs=mixed),
            SeriesWanted(instrument_key=KEYS[2], timeframe="1m", specs=("sma(length=3)",)),
        ],
        library=library,
    )
    given = minutes(random.Random(4), OPENING, 6, 0.0)
    library.taken, states = 0.2, []
    for place in range(5):
        for key in KEYS:
            feed.book.series.close_minutes([key], given.take(np.array([place])))
        feed.run()
        states.append([feed.states[f"indicators:{key}:1m"][-1] for key in KEYS])
    assert all("reasons" not in state for state in states[0][::2])  # its first value counts, however long it took
    assert list(library.slow) == [parse_spec(slow, "x")]
    why = "took longer than 50 ms; it is computed again after 1 s"
    for first, second, plain in states[1:]:
        for state in (first, second):  # it rests on every instrument
            assert state["reasons"] == {slow: why} and list(state["values"][slow].values()) == [None]
            assert list(state)[-1] == "complete"
        assert "reasons" not in plain
    assert all(None not in state["values"]["sma(length=3)"].values() for state in states[-1])
    assert library.slow_seconds == pytest.approx(0.2)
    library.now, library.taken = 1.5, 0.01
    feed.book.series.close_minutes([KEYS[0]], given.take(np.array([5])))
    feed.run()
    state = feed.states[f"indicators:{KEYS[0]}:1m"][-1]
    expected_values = expected(KEYS[0], "1m", given, mixed)
    assert state["values"] == expected_values[max(expected_values)] and "reasons" not in state


def test_ticks_wait_for_one_slow_indicator_at_a_time():
    library, specs = SlowLibrary(taken=0.2), [parse_spec(text, "x") for text in ("median(length=3)", "skew(length=4)")]
    columns = {name: np.arange(1.0, 9.0) for name in PRICES}
    found = library(columns, specs)
    assert np.isfinite(found[0]["MEDIAN_3"][-1]) and np.isnan(found[1]["SKEW_4"]).all()
    assert library.reasons == {specs[1]: AFTER_A_SLOW_ONE}
    library(columns, specs)  # the first one rests, and the second one has its turn
    assert list(library.reasons) == specs[:1] and list(library.slow) == specs
    library({name: np.arange(1.0, 9_999.0) for name in PRICES}, specs[:1])  # which rests on series of as many bars
    assert not library.reasons


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


@pytest.mark.parametrize(
    ("exchange", "timeframe", "anchor", "refused"),
    [
        ("NSE", "5m", None, False),
        ("NSE", "5m", "session", False),
        ("NSE", "5m", "epoch", True),
        ("BINANCE", "7m", "epoch", False),
        ("NSE", "90s", None, True),
        ("NSE", "1d", None, False),
        ("NSE", "36h", None, True),
        ("BINANCE", "36h", None, False),
        ("NSE", "3mo", None, False),
    ],
)
def test_what_cannot_be_folded_of_minutes_is_refused(exchange, timeframe, anchor, refused):
    assert bool(refusal(exchange, parse_timeframe(timeframe), anchor)) is refused


@pytest.mark.parametrize("timeframe", [60, 300, 420, 3600, 86_400, 7 * 86_400, Months(1)])
@pytest.mark.parametrize("exchange", ["NSE", "BINANCE"])
def test_a_bar_is_placed_as_the_grid_places_it(exchange, timeframe):
    chance = random.Random(1)
    for _ in range(40):
        time = OPENING + chance.randrange(3_000) * MINUTE
        place = place_bar(exchange, timeframe, time)
        if place is None:
            continue
        anchor = default_anchor(exchange)
        day = instant(time).date()
        grid = make_grid(exchange, timeframe, anchor, day, day)
        at = np.array([time])
        assert grid.bar(at, grid.place(at)).tolist() == [place.begin]
        assert place.begin <= time < place.end
        assert place.date_begin <= place.begin
        if anchor is Anchor.EPOCH and isinstance(timeframe, int) and timeframe < 86_400:
            assert place.date_begin % (86_400 * SECOND) == 0
    assert place_bar("NSE", 300, OPENING - MINUTE) is None
    assert NOWHERE < 0


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
