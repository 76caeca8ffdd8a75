"""The past of a simulated market: whole minutes that end where the market stands."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from signals.simulator.core.simulated_bars import past_bars
from signals.simulator.core.simulated_market import simulate_market
from timeframes.core.grid import SECOND, microseconds

AT = datetime(2026, 11, 28, 18, 20, tzinfo=UTC)
BEGIN = AT - timedelta(hours=50)


def test_each_spot_and_future_has_every_minute_and_ends_at_its_price() -> None:
    market = simulate_market(seed=1, at=AT, symbols=["NIFTY", "ACME"], contracts=100, minutes=0)
    found = past_bars(market, BEGIN, AT + timedelta(seconds=40), seed=1)
    assert {key.rsplit("@", 1)[0] for key in found.keys if "futures" in key} == {
        "SIM@NIFTY@equity_futures",
        "SIM@ACME@equity_futures",
    }
    assert {"SIM@NIFTY@equity_spot", "SIM@ACME@equity_spot", "SIM@INDIAVIX@equity_spot"} < set(found.keys)
    numbers, rows = market.quotes.numbers, market.quotes.instrument_key
    closes = {}
    for number, key in enumerate(found.keys):
        bars = found.bars.take(found.place == number)
        assert bars.time.tolist() == list(range(microseconds(BEGIN), microseconds(AT), 60 * SECOND))
        np.testing.assert_array_equal(bars.high, np.max([bars.open, bars.high, bars.close], axis=0))
        np.testing.assert_array_equal(bars.low, np.min([bars.open, bars.low, bars.close], axis=0))
        assert bars.low.min() > 0 and (bars.high > np.maximum(bars.open, bars.close)).any()
        np.testing.assert_array_equal(bars.open[1:], bars.close[:-1])
        row, future = rows.index(key), "futures" in key
        last = 0.5 * (numbers["bid"][row] + numbers["ask"][row]) if future else numbers["last"][row]
        assert bars.close[-1] == pytest.approx(last, abs=0.05 if future else 0.005)
        assert np.isfinite(bars.volume).all() == future == np.isfinite(bars.open_interest).all()
        closes[key] = bars.close / bars.close[-1]
    future = next(key for key in found.keys if key.startswith("SIM@NIFTY@equity_futures"))
    np.testing.assert_allclose(closes[future], closes["SIM@NIFTY@equity_spot"], atol=1e-5)


def test_a_year_of_minutes_has_the_volatility_of_the_feed() -> None:
    market = simulate_market(seed=1, at=AT, symbols=["NIFTY"], contracts=10, minutes=0)
    found = past_bars(market, AT - timedelta(days=30), AT, seed=2)
    close = found.bars.close[found.place == found.keys.index("SIM@NIFTY@equity_spot")]
    assert np.diff(np.log(close)).std() * np.sqrt(365 * 1440) == pytest.approx(0.15, rel=0.02)


def test_a_seed_gives_one_past() -> None:
    market = simulate_market(seed=1, at=AT, symbols=["NIFTY"], contracts=10, minutes=0)
    one, same, other = (past_bars(market, BEGIN, AT, seed=seed).bars.close for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
