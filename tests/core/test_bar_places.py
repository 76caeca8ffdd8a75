"""A bar of live minutes is placed as the grid places it; what cannot be folded of minutes is refused."""

import random

import numpy as np
import pytest

from realtime.core.bar_places import place_bar, refusal
from tests.core.indicator_feed import MINUTE, OPENING
from timeframes.core.grid import SECOND, Anchor, default_anchor, instant, make_grid
from timeframes.core.minutes import NOWHERE
from timeframes.core.timeframe import Months, parse_timeframe


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
