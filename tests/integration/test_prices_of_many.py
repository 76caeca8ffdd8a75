"""Many instruments in one fold: each has the prices and volumes that the fold gives it alone."""

import random
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from tests.core.slow_fold import random_market
from tests.integration.test_fold_in_database import store
from timeframes.bars.many import load_prices
from timeframes.bars.parts import load_parts
from timeframes.bars.stored import stored_of
from timeframes.core.fold import fold
from timeframes.core.grid import Anchor, make_grid
from timeframes.core.sessions import session_open
from timeframes.core.timeframe import parse_timeframe

pytestmark = pytest.mark.django_db
DAYS = (date(2024, 1, 18), date(2024, 1, 20), date(2024, 1, 22), date(2024, 1, 24))


@pytest.mark.parametrize("exchange", ["NSE", "BINANCE"])
def test_many_have_what_each_has_alone(exchange: str) -> None:
    keys = [f"{exchange}@MANY{number}@equity_spot" for number in range(5)]
    for number, key in enumerate(keys):
        bars, ticks = random_market(random.Random(key), exchange, DAYS, ticks_a_day=60)
        if number == 1:
            bars, ticks = {60: bars[60]}, []
        if number == 2:
            bars = {}
        if number == 3:
            continue
        store(key, bars, ticks)
    moments = (datetime(2024, 2, 1, tzinfo=UTC), session_open(exchange, DAYS[1]) + timedelta(minutes=100, seconds=17))
    for timeframe in ("45s", "1m", "7m", "1h", "1d", "1w", "1mo"):
        for anchor in Anchor:
            grid = make_grid(exchange, parse_timeframe(timeframe), anchor, DAYS[0], DAYS[-1])
            for until in moments:
                found = load_prices([*keys, keys[0]], grid, until)
                for key, many in zip([*keys, keys[0]], found, strict=True):
                    stored = stored_of(key)
                    alone = fold(*load_parts(key, grid, sorted(stored.bars), ticks=True, until=until), grid)
                    np.testing.assert_array_equal(many.time, alone.time, err_msg=f"{key} {timeframe} {anchor} {until}")
                    for name in ("open", "high", "low", "close", "volume"):
                        np.testing.assert_allclose(getattr(many, name), getattr(alone, name), rtol=1e-12, err_msg=name)
    assert load_prices([], grid, moments[0]) == []
