"""The forwards of a live chain against the true ones of a simulated feed, whose spots walk while quotes stand."""

from datetime import UTC, datetime, timedelta

import orjson

from realtime.ticks.core.book import Book, Terms
from realtime.ticks.core.cycle import Cycle
from realtime.ticks.core.pricing import take_snapshot
from realtime.ticks.core.sanity import Sanity
from signals.greeks.core.conventions import ForwardSource, GreeksParams
from signals.greeks.core.snapshot import find_markets
from signals.simulator.core.simulated_market import TICK, simulate_market
from signals.simulator.core.simulated_ticks import TickSource

CREDULOUS = Sanity(refuse_zero=False, max_jump=0, jump_seconds=0, max_late=0, max_expiry_years=0, max_new_contracts=0)
AT = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
SYMBOLS = ("NIFTY", "BANKNIFTY")
VIX = "SIM@INDIAVIX@equity_spot"


def test_the_truth_lies_within_the_live_forwards_bid_and_ask() -> None:
    """At 200 ticks a second each of 1,000 options ticks every six seconds, so no two quotes share a moment."""
    params = GreeksParams()
    off, count = [], 0
    for seed in range(4):
        market = simulate_market(seed=seed, at=AT, symbols=SYMBOLS, contracts=1_000, minutes=0)
        source = TickSource(market, seed=seed, at=AT)
        book = Book()
        for symbol in SYMBOLS:
            book.add_underlying(f"SIM@{symbol}", Terms(f"SIM@{symbol}@equity_spot", VIX, False, 0.0))
        book.add_underlying("SIM@INDIAVIX", Terms(VIX, "", False, 0.0))
        cycle = Cycle(
            book, params, reprice_interval=0.25, window=10, max_bytes=4_000, sanity=CREDULOUS, computations={}
        )
        number = 0
        for second in range(40):
            at = AT + timedelta(seconds=second)
            entries = []
            for underlying, fields in source.ticks(200, at):
                number += 1
                entries.append((f"tick_stream:{underlying}", f"{number}-0", ["data", orjson.dumps(fields).decode()]))
            now = at.timestamp()
            cycle.handle(cycle.decode(entries, now + 5.0).ticks, now)
            if second < 15 or second % 5:  # the first quotes are still arriving
                continue
            for group, found in zip(
                book.expiries, find_markets(take_snapshot(book, book.expiries, now), params), strict=True
            ):
                walk = source.walks[group.underlying]
                truth = walk.forwards[group.expiry] * walk.price
                assert found.forward.source is ForwardSource.PARITY and found.forward.parity is not None
                parity = found.forward.parity
                count += 1
                if not abs(parity.value - truth) <= 0.5 * (parity.ask - parity.bid) + TICK:
                    off.append((seed, second, group.underlying, group.expiry, parity, truth))
                assert parity.ask - parity.bid < 0.003 * truth
    assert count > 200
    assert len(off) <= 0.01 * count, off
