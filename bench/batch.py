"""Measure jobs in the real service: HTTP, Celery workers, PostgreSQL. python -m bench.batch

The time runs from the first byte of the POST to the last result read. The market is simulated, all instruments differ,
and no job reuses an earlier one. The peer is py_vollib in a loop over the same options. The tables have the format of
docs/performance.md.
"""

import statistics
import time
from datetime import datetime
from typing import Any

import httpx
import orjson

from bench.service import (
    Market,
    Service,
    finish,
    job_table_bytes,
    peak_memory,
    processor_seconds,
    serving,
    simulated_market,
    submit_keys,
)
from signals.greeks.core.py_vollib_reference import py_vollib_greeks

SIZES = {1_000: 9, 10_000: 3, 100_000: 3}  # items: runs
NAMES = {1_000: "1k", 10_000: "10k", 100_000: "100k"}
LARGEST = max(SIZES)
CHUNK_SIZES = (500, 1_000, 2_500, 5_000, 10_000)
SWEEP_RUNS = 3
PAGE = 10_000
MILLION = 1_000_000


def run() -> dict[str, float]:
    with simulated_market() as market:
        with serving(market, workers=1) as service:
            one, _ = measure(service, market)
        with serving(market, workers=2) as service:
            two, growth = measure(service, market)
            py_vollib_seconds = loop_py_vollib(run_job(service.client, market.keys[:1000])[1]) / 1000
            show_jobs(one, two, py_vollib_seconds)
            show_costs(service, market)
        print(f"web process: at most {growth:.1f} MiB over its idle size, with jobs of up to {LARGEST:,} items")
        sweep = {size: measure_chunk_size(market, size) for size in CHUNK_SIZES}
    show_sweep(sweep)
    return {
        **measure_million(),
        **{f"batch.job_{NAMES[size]}_seconds": statistics.median(taken) for size, taken in two.items()},
        **{f"batch.job_{NAMES[size]}_seconds_1_worker": statistics.median(taken) for size, taken in one.items()},
        **{f"batch.chunk_{size}_seconds": statistics.median(taken) for size, taken in sweep.items()},
        "batch.web_rss_growth_mib_100k": growth,
    }


def measure(service: Service, market: Market) -> tuple[dict[int, list[float]], float]:
    """Return the seconds of each run by number of items, and the highest growth of the web process in MiB."""
    run_job(service.client, market.keys[:1000])  # warm
    seconds: dict[int, list[float]] = {}
    growth = 0.0
    for size, runs in SIZES.items():
        with peak_memory(service.processes["web"]) as peak:
            seconds[size] = [run_job(service.client, market.keys[:size])[0] for _ in range(runs)]
        growth = max(growth, peak[-1] - peak[0])
    return seconds, growth


def measure_million() -> dict[str, float]:
    """Measure one job of a million distinct contracts."""
    with simulated_market(MILLION) as market, serving(market, workers=2) as service:
        run_job(service.client, market.keys[:100_000])  # warm
        before = job_table_bytes()
        with peak_memory(service.processes["web"]) as peak:
            seconds, _ = run_job(service.client, market.keys)
        growth, kept = peak[-1] - peak[0], (job_table_bytes() - before) / MILLION
        print(f"\n{MILLION:,} items, 2 workers: {seconds:.1f} s from POST to last result read; the web process grew by")
        print(f"at most {growth:.0f} MiB; PostgreSQL stores {kept:.0f} bytes per item: heap, TOAST and indexes")
    return {
        "batch.job_1m_seconds": seconds,
        "batch.web_rss_growth_mib": growth,
        "batch.postgres_bytes_per_item": kept,
    }


def measure_chunk_size(market: Market, size: int) -> list[float]:
    with serving(market, workers=2, BATCH_CHUNK_SIZE=str(size)) as service:
        run_job(service.client, market.keys[:1000])  # warm
        return [run_job(service.client, market.keys[:LARGEST])[0] for _ in range(SWEEP_RUNS)]


def run_job(client: httpx.Client, keys: list[str]) -> tuple[float, list[dict[str, Any]]]:
    """Return the seconds from POST to last result read, and the last page's rows. Every item must have an answer."""
    begun = time.perf_counter()
    job = submit_keys(client, keys)
    following: str | None = f"{job['links']['results']}?limit={PAGE}"
    read, page = 0, b""
    while following:
        answer = client.get(following).raise_for_status()
        following = answer.links.get("next", {}).get("url")
        if count := answer.content.count(b'"position":'):
            read, page = read + count, answer.content
        else:
            time.sleep(0.01)
    taken = time.perf_counter() - begun
    if read != len(keys):
        raise SystemExit(f"{read} of {len(keys)} answers came back")
    return taken, orjson.loads(page)["data"]


def loop_py_vollib(rows: list[dict[str, Any]]) -> float:
    """Return the seconds that py_vollib takes for the same options, with the inputs of their receipts."""
    options = []
    for row in rows:
        if row["status"] == "ok":
            *_, right, strike = row["instrument_key"].split("@")
            options.append((row, float(strike), 1.0 if right == "call" else -1.0))

    def run(some: list[tuple[dict[str, Any], float, float]]) -> None:
        for row, strike, sign in some:
            py_vollib_greeks(
                price=row["price_used"],
                underlying=row["underlying_used"],
                strike=strike,
                expiry_years=row["expiry_years"],
                rate=row["rate"],
                dividend_yield=row["dividend_yield"],
                sign=sign,
                black76=row["model"] == "black76",
            )

    run(options[:1])  # the first call imports py_vollib, which takes half a second
    begun = time.perf_counter()
    run(options)
    return (time.perf_counter() - begun) / len(options) * len(rows)


# --- tables -----------------------------------------------------------------------------------------------------------


def show_jobs(one: dict[int, list[float]], two: dict[int, list[float]], py_vollib_seconds: float) -> None:
    """`py_vollib_seconds`: for one option."""
    print("\n| jobs, POST to last result read | 1 worker | 2 workers (worst) | items/s | py_vollib in a loop |")
    print("| --- | --- | --- | --- | --- |")
    for size in SIZES:
        median = statistics.median(two[size])
        print(
            f"| {size:,} | {statistics.median(one[size]):.2f} s | {median:.2f} s ({max(two[size]):.2f}) "
            f"| {size / median:,.0f} | {py_vollib_seconds * size:.1f} s |"
        )


def show_sweep(sweep: dict[int, list[float]]) -> None:
    print(f"\n| {LARGEST:,} items in chunks of | {' | '.join(f'{size:,}' for size in sweep)} |")
    print(f"| --- |{' --- |' * len(sweep)}")
    print(f"| 2 workers, s | {' | '.join(f'{statistics.median(taken):.1f}' for taken in sweep.values())} |")
    print(f"| worst | {' | '.join(f'{max(taken):.1f}' for taken in sweep.values())} |")


def show_costs(service: Service, market: Market) -> None:
    """Show where the time of a large job goes: by phase, without a reader, and by process."""
    busy = {name: processor_seconds(process) for name, process in service.processes.items()}
    begun = time.perf_counter()
    job = submit_keys(service.client, market.keys[:LARGEST])
    posted = time.perf_counter() - begun
    job = finish(service.client, job)
    busy = {name: processor_seconds(process) - busy[name] for name, process in service.processes.items()}
    read_begun = time.perf_counter()
    cursor: int | None = -1
    while cursor is not None:
        query = {"cursor": cursor, "limit": PAGE}
        cursor = service.client.get(job["links"]["results"], params=query).raise_for_status().json()["next_cursor"]
    read = time.perf_counter() - read_begun
    created, started, finished = (
        datetime.fromisoformat(job[name]) for name in ("created_at", "started_at", "finished_at")
    )
    phases = {
        "POST": posted,
        "prepared after": (started - created).total_seconds(),
        "computed and stored in": (finished - started).total_seconds(),
        "read in": read,
    }
    print(f"\n{LARGEST:,} items, 2 workers, read after the end: ", end="")
    print(", ".join(f"{name} {seconds:.2f} s" for name, seconds in phases.items()))
    print("processor seconds until the end: ", end="")
    print(", ".join(f"{name} {seconds:.1f}" for name, seconds in busy.items()))


if __name__ == "__main__":
    run()
