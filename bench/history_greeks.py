"""Measure historical Greeks over HTTP: a chain of 1,000 contracts at a past instant, a job of a million rows, files.

python -m bench.history_greeks. The market is a day of minutes of one expiry: 1,000 options, the spot, no quotes. Both
take the forward from put-call parity of the whole chain.
"""

import statistics
import time
from typing import Any

from bench.service import Service, finish, manage, peak_memory, processor_seconds, serving, simulated_market, submit

NAME, DAY = "NSE@BENCH", "2024-01-10"
STRIKES = 500
ROWS = 1_000_000
RUNS = 20
_STORE = """
from bench.history_greeks import store_market
store_market()
"""


def run() -> dict[str, float]:
    with simulated_market(contracts=100) as market:
        manage("shell", "-v0", "-c", _STORE)
        with serving(market) as service:
            return measure(service)


def measure(service: Service) -> dict[str, float]:
    client = service.client
    address = f"/api/v2/signals/realtime/chain/{NAME}"
    taken = []
    for minute in range(RUNS + 1):  # the first warms the kernels
        begun = time.perf_counter()
        answer = client.get(address, params={"as_of": f"{DAY}T12:{minute:02}:00", "strikes": "all"}).raise_for_status()
        taken.append((time.perf_counter() - begun) * 1000)
        assert len(answer.json()["strikes"]) == STRIKES
    chain, worst = statistics.median(taken[1:]), max(taken[1:])
    print(f"\n{2 * STRIKES} contracts at a past instant: {chain:.0f} ms, worst {worst:.0f} ms, {len(answer.content)} B")

    body: dict[str, Any] = {"params": {"timeframe": "1m", "days": 0.5}, "as_of": DAY}
    items = keys()[: -(-ROWS // 1500)]
    seconds, used = [], 0.0
    for _ in range(2):
        used = sum(map(processor_seconds, service.processes.values()))
        begun = time.perf_counter()
        finish(client, submit(client, kind="historical_greeks", items=items, **body))
        seconds.append(time.perf_counter() - begun)
        used = sum(map(processor_seconds, service.processes.values())) - used
    rows = len(items) * 1500
    print(f"a job of {rows} rows on 2 workers: {seconds[0]:.1f} s, again {seconds[1]:.1f} s")
    print(f"the second took {used:.1f} s of processors' time, in all processes")

    query = {"timeframe": "1m", "start_time": DAY, "end_time": DAY}
    page = []
    for key in items[:RUNS]:
        begun = time.perf_counter()
        client.get(f"/api/v2/signals/historical/greeks/{key}", params={**query, "limit": 375}).raise_for_status()
        page.append((time.perf_counter() - begun) * 1000)
    print(f"a page of 1,500 rows of one option: {statistics.median(page):.0f} ms, worst {max(page):.0f} ms")
    with peak_memory(service.processes["web"]) as peak:
        begun = time.perf_counter()
        for key in items[:RUNS]:
            address = f"/api/v2/signals/historical/greeks/{key}/export"
            client.get(address, params={**query, "format": "ndjson"}).raise_for_status()
        rate = RUNS * 1500 / (time.perf_counter() - begun)
    print(f"files of one option's day: {rate:.0f} rows/s, the web process grew by {peak[-1] - peak[0]:.0f} MiB")
    return {
        "history.chain_at_instant_ms": chain,
        "history.job_million_rows_seconds": max(seconds) * ROWS / rows,
        "history.job_million_rows_processor_seconds": used * ROWS / rows,
        "history.greeks_page_ms": statistics.median(page),
        "history.greeks_export_rows_per_second": rate,
    }


def keys() -> list[str]:
    middle = 20_000 - STRIKES // 2 * 20
    strikes = [middle + 20 * number for number in range(STRIKES)]
    return [f"{NAME}@equity_options@2024-01-25@{right}@{strike}" for strike in strikes for right in ("call", "put")]


def store_market() -> None:
    """Store the bars, in this process."""
    from datetime import date, timedelta

    import numpy as np

    from signals.greeks.core.engine import model_greeks
    from signals.instruments.services import register_instruments
    from timeframes.bars.services import record_bars
    from timeframes.core.bars import BarColumns
    from timeframes.core.grid import SECOND, microseconds
    from timeframes.core.keys import parse_key
    from timeframes.core.sessions import session_close, session_open

    minutes = 375
    chance = np.random.default_rng(7)
    begins = microseconds(session_open("NSE", date.fromisoformat(DAY))) + np.arange(minutes) * 60 * SECOND
    path = 20_000 * np.exp(np.cumsum(chance.normal(0, 0.0004, minutes + 1)))
    left = (
        microseconds(session_close("NSE", date(2024, 1, 25))) - np.append(begins, begins[-1] + 60 * SECOND)
    ) / SECOND
    years = left / timedelta(days=365).total_seconds()
    nothing = np.full(minutes, np.nan)

    def bars(prices: np.ndarray, spread: float) -> BarColumns:
        opens, closes = prices[:-1], prices[1:]
        return BarColumns(
            time=begins,
            open=opens,
            high=np.maximum(opens, closes) + spread,
            low=np.maximum(np.minimum(opens, closes) - spread, 0.05),
            close=closes,
            volume=np.full(minutes, 75.0),
            **dict.fromkeys(("vwap", "open_interest", "trades"), nothing),
        )

    listed = {key: parse_key(key) for key in (*keys(), f"{NAME}@equity_spot")}
    register_instruments(listed)
    record_bars(f"{NAME}@equity_spot", 60, bars(path, 3.0), source="bench")
    for key in keys():
        strike = float(listed[key].strike or 0)
        found = model_greeks(
            volatility=0.13 + 2.0 * (strike / 20_000 - 1.0) ** 2,
            underlying=path * np.exp(0.06 * years),
            strike=strike,
            expiry_years=years,
            rate=0.065,
            dividend_yield=0.0,
            sign=1.0 if listed[key].right == "call" else -1.0,
            black76=True,
        )
        record_bars(key, 60, bars(np.maximum(found.price, 0.05), 0.3), source="bench")


if __name__ == "__main__":
    run()
