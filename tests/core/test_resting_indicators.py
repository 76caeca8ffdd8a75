"""An indicator that takes too long on live bars rests, and ticks wait for none of the others."""

import random

import numpy as np
import pytest

from realtime.core.wanted_indicators import SeriesWanted
from realtime.ticks.core.resting_library import AFTER_A_SLOW_ONE, RestingLibrary
from realtime.ticks.core.series_book import PRICES
from signals.indicators.core.spec import parse_spec
from tests.core.indicator_feed import KEYS, OPENING, Feed, expected, minutes


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
