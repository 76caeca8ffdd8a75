"""A bar of live minutes is placed as the grid places it; what cannot be folded of minutes is refused."""

import random
from datetime import UTC, date, datetime

import numpy as np
import pytest

from realtime.core.bar_places import place_bar, refusal
from tests.core.indicator_feed import MINUTE, OPENING
from timeframes.core.grid import SECOND, Anchor, dates_of, default_anchor, instant, make_grid
from timeframes.core.minutes import NOWHERE, place_minutes
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
        ("SIM", "5m", "session", False),
        ("SIM", "5m", "epoch", True),
    ],
)
def test_what_cannot_be_folded_of_minutes_is_refused(exchange, timeframe, anchor, refused):
    assert bool(refusal(exchange, parse_timeframe(timeframe), anchor)) is refused


@pytest.mark.parametrize("timeframe", [60, 300, 420, 3600, 86_400, 7 * 86_400, Months(1)])
@pytest.mark.parametrize("exchange", ["NSE", "BINANCE", "SIM"])
def test_a_bar_is_placed_as_the_grid_places_it(exchange, timeframe):
    chance = random.Random(1)
    for _ in range(40):
        time = OPENING + chance.randrange(3_000) * MINUTE
        place = place_bar(exchange, timeframe, time)
        if place is None:
            continue
        anchor = default_anchor(exchange)
        grid = make_grid(exchange, timeframe, anchor, *dates_of(exchange, anchor, instant(time), instant(time)))
        at = np.array([time])
        assert grid.bar(at, grid.place(at)).tolist() == [place.begin]
        assert place.begin <= time < place.end
        assert place.date_begin <= place.begin
        if anchor is Anchor.EPOCH and isinstance(timeframe, int) and timeframe < 86_400:
            assert place.date_begin % (86_400 * SECOND) == 0
    assert place_bar("NSE", 300, OPENING - MINUTE) is None
    assert NOWHERE < 0


def test_bars_of_the_simulated_market_meet_at_midnight_in_india():
    """Its days are sessions side by side: midnight begins one and is not the last moment of the one before."""
    midnight = int(datetime(2026, 11, 28, 18, 30, tzinfo=UTC).timestamp()) * SECOND  # a Saturday's end
    for timeframe in (60, 300, 420, 3600, 86_400):
        before, after = place_bar("SIM", timeframe, midnight - MINUTE), place_bar("SIM", timeframe, midnight)
        assert before.end == after.begin == after.date_begin == midnight
        assert before.date_begin == midnight - 24 * 60 * MINUTE
    ticks = place_minutes("SIM", np.array([midnight - 1, midnight, midnight + 1]))
    assert ticks.session.tolist() == [midnight - 24 * 60 * MINUTE, midnight, midnight]
    assert ticks.begin.tolist() == [midnight - MINUTE, midnight, midnight]
    alone = make_grid("SIM", 60, Anchor.SESSION, date(2026, 11, 28), date(2026, 11, 28))
    assert alone.place(np.array([midnight - 1, midnight]), ticks=True).tolist() == [0, -1]
