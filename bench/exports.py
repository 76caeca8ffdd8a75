"""Measure exports of the real service: rows per second by format and coding, time to first byte, memory.

python -m bench.exports. The peer is the same rows in JSON pages of 10,000. The client decodes neither.
"""

import statistics
import time
from typing import Any

import httpx

from bench.service import Service, finish, peak_memory, serving, simulated_market, submit

PAGE = 10_000
RUNS = 5
FORMATS = [
    ("ndjson", "identity"),
    ("ndjson", "gzip"),
    ("ndjson", "zstd"),
    ("csv", "identity"),
    ("csv", "gzip"),
    ("csv", "zstd"),
    ("parquet", "identity"),
    ("arrow", "identity"),
    ("arrow", "zstd"),
]


def run() -> dict[str, float]:
    with simulated_market() as market, serving(market) as service:
        return measure(service)


def measure(service: Service) -> dict[str, float]:
    client = service.client
    job = finish(client, submit(client, selector={"exchange": "SIM"}))
    rows = job["request_counts"]["total"]
    for format_, coding in FORMATS:  # warm
        read_export(client, job, format_, coding)
    print(f"\nexports of {rows} rows, 2 cores: {'rows/s':>9} {'worst':>9} {'first byte':>11} {'MB':>6} {'grew by':>9}")
    rates: dict[tuple[str, str], float] = {}
    growth = 0.0
    for each in FORMATS:
        with peak_memory(service.processes["web"]) as peak:
            taken = [read_export(client, job, *each) for _ in range(RUNS)]
        grew = peak[-1] - peak[0]
        growth = max(growth, grew)
        whole, first, size = zip(*taken, strict=True)
        rates[each] = rows / statistics.median(whole)
        print(
            f"{' '.join(each):>31} {rates[each]:>9.0f} {rows / max(whole):>9.0f} {max(first) * 1000:>8.0f} ms "
            f"{size[0] / 1e6:>6.1f} {grew:>5.1f} MiB"
        )
    pages = statistics.median(read_pages(client, job) for _ in range(RUNS))
    print(f"{f'JSON pages of {PAGE}':>31} {rows / pages:>9.0f}")
    return {
        "batch.export_rows_per_second": min(rates.values()),
        "batch.export_web_rss_growth_mib": growth,
        **{f"batch.export_{format_}_{coding}_rows_per_second": rate for (format_, coding), rate in rates.items()},
    }


def read_export(client: httpx.Client, job: dict[str, Any], format_: str, coding: str) -> tuple[float, float, int]:
    """Return the seconds to the last byte, the seconds to the first byte of the body, and the number of bytes."""
    begun, first, size = time.perf_counter(), 0.0, 0
    with client.stream(
        "GET", job["links"]["export"], params={"format": format_}, headers={"Accept-Encoding": coding}
    ) as answer:
        answer.raise_for_status()
        for part in answer.iter_raw():
            first = first or time.perf_counter() - begun
            size += len(part)
    return time.perf_counter() - begun, first, size


def read_pages(client: httpx.Client, job: dict[str, Any]) -> float:
    begun = time.perf_counter()
    link: str | None = f"{job['links']['results']}?limit={PAGE}"
    while link:
        answer = client.get(link).raise_for_status()
        link = answer.links.get("next", {}).get("url")
    return time.perf_counter() - begun


if __name__ == "__main__":
    run()
