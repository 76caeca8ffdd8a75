"""Minutes that reach a book of live indicators, and the values of a fold of all of them."""

import random
from collections import defaultdict

import numpy as np
import orjson

from realtime.core.bar_places import place_bar
from realtime.ticks.core.indicator_book import IndicatorBook
from realtime.ticks.core.indicator_outbox import IndicatorOutbox
from realtime.ticks.core.live_series import LiveSeries
from realtime.ticks.core.loaded_series import Asked, Loaded
from realtime.ticks.core.resting_library import RestingLibrary
from realtime.ticks.core.series_book import PRICES
from signals.indicators.core.compute import compute_indicators
from signals.indicators.core.sessions import session_days
from signals.indicators.core.spec import parse_spec
from timeframes.core.bars import NUMBERS, BarColumns, join_folded
from timeframes.core.fold import fold
from timeframes.core.grid import SECOND, default_anchor, instant, make_grid
from timeframes.core.keys import parse_key
from timeframes.core.timeframe import parse_timeframe

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
