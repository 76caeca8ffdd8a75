"""`make demo`, then `make up`: the feed continues the stored market, and jobs read one market."""

import csv
import math
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
import pytest
from py_vollib.black import black

from signals.simulator.core.simulated_listing import list_underlyings
from signals.simulator.core.simulated_market import RATE, TICK
from signalsite.embedded.service import running_service
from tests.e2e.conftest import address_of, succeed
from tests.integration.processes import environment, fresh_state, running_on, servers_of, until
from timeframes.core.keys import Right, parse_key
from timeframes.core.sessions import local_date

STEPS = """
SELECT time FROM timeframes_quote WHERE source = 'stream' GROUP BY time HAVING count(*) > 2000 ORDER BY time OFFSET 1
"""


def test_a_job_over_the_demos_chain_lies_on_the_surface_while_the_feed_runs(tmp_path: Path) -> None:
    with fresh_state() as state:
        own = environment(state)
        with ExitStack() as service:
            with servers_of(state):  # until the service needs them
                succeed("migrate", "-v0", **own)
                demo = succeed("simulate_market", **own)
                assert "2,400 options" in demo
                begun = datetime.now(UTC)
                service.enter_context(
                    running_service(tmp_path / "up.log", "--simulate", "--workers", "1", environment=own)
                )
            with psycopg.connect(address_of(state), autocommit=True) as database:
                steps = until(lambda: database.execute(STEPS).fetchall(), 90, "a second step", step=0.5)
            at = steps[-1][0] + timedelta(seconds=3)
            time.sleep(5.0)
            out = tmp_path / "chain.csv"
            succeed("batch_greeks", "--exchange", "SIM", "--at", at.isoformat(), "--out", str(out), **own)
        until(lambda: not running_on(state), 20, "all servers have stopped")
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 2_400
    good = [row for row in rows if row["status"] == "ok"]
    assert len(good) > 0.9 * len(rows), {row["reason"] for row in rows if row["status"] != "ok"}
    levels = {
        listing.symbol: listing
        for listing in list_underlyings(["NIFTY", "BANKNIFTY"], local_date("SIM", begun), np.random.default_rng(1))
    }
    outliers = []
    for row in good:
        key = parse_key(row["instrument_key"])
        lowest, highest = surface(levels[key.symbol].volatility, float(key.strike or 0), row)
        inputs = float(row["forward"]), float(key.strike or 0), float(row["expiry_years"]), RATE
        flag, price = ("c" if key.right is Right.CALL else "p"), float(row["price_used"])
        # Far from the forward a volatility is as coarse as the ticks of the price.
        if not black(flag, *inputs, lowest) - 2 * TICK <= price <= black(flag, *inputs, highest) + 2 * TICK:
            outliers.append((row["instrument_key"], row["implied_volatility"], lowest, highest))
    assert not outliers, f"{len(outliers)} of {len(good)}: {outliers[:10]}"
    forwards = {row["instrument_key"].rsplit("@", 2)[0]: float(row["forward"]) for row in good}
    for group, forward in forwards.items():
        listing = levels[parse_key(f"{group}@call@1").symbol]
        years = next(float(row["expiry_years"]) for row in good if row["instrument_key"].startswith(group))
        carried = listing.spot * math.exp((RATE - listing.dividend_yield) * years)
        assert forward == pytest.approx(carried, rel=0.005)


def surface(now: float, strike: float, row: dict[str, str]) -> tuple[float, float]:
    """Return the lowest and the highest simulated volatility: the tilt of a smile is drawn from a range."""
    years, forward = float(row["expiry_years"]), float(row["forward"])
    level = now * (1.1 - 0.1 * math.exp(-2 * years))
    x = min(max(math.log(strike / forward) / (level * math.sqrt(years)), -3), 3)
    at_tilt = [level * (1 + tilt * x + 0.025 * x * x) for tilt in (-0.06, -0.02)]
    return min(at_tilt) - 0.004, max(at_tilt) + 0.004
