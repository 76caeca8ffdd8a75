"""Stalled processes are restarted; processes that wait for a server are not."""

import os
import random
import signal
import time
from contextlib import ExitStack

import psutil
import pytest

from tests.faults.site import Site, hanging, until

RECOVERY = 30.0  # seconds


@pytest.mark.faults
@pytest.mark.parametrize("name", ["worker", "beat", "consume_ticks"])
def test_who_stands_still_is_started_anew(site: Site, measured: dict[str, float], name: str) -> None:
    process = "consumer" if name == "consume_ticks" else name
    job = site.submit(40_000)
    site.begun(job, 0.1)
    before = site.restarts()
    old = site.process(name).pid
    begun = time.monotonic()
    os.kill(old, signal.SIGSTOP)
    until(lambda: site.process(name).pid != old, RECOVERY, f"another {process}")
    measured[f"SIGSTOP of {process}: another runs"] = time.monotonic() - begun
    until(lambda: site.restarts()[process, "stalled"] == before[process, "stalled"] + 1, 10, "the metric")
    assert site.logged(f"{process} shows no sign of life though the servers answer; killing it")
    assert site.finish(job)["status"] == "completed"
    swept = site.count("swept")
    until(lambda: site.count("swept") > swept, RECOVERY, "the next sweep")


@pytest.mark.faults
@pytest.mark.parametrize("server", ["postgres", "valkey"])
def test_nobody_is_blamed_for_a_server_that_hangs_for_a_minute(site: Site, server: str) -> None:
    before = site.restarts()
    main = psutil.Process(site.server(server))
    with ExitStack() as stopped:
        for process in (main, *main.children()):
            stopped.enter_context(hanging(process.pid))
        time.sleep(60)
    swept = site.count("swept")
    until(lambda: site.count("swept") > swept, RECOVERY, "the next sweep")
    assert site.restarts() == before


@pytest.mark.faults
def test_beat_ends_when_told_to_whenever_postgres_hangs(site: Site, measured: dict[str, float]) -> None:
    longest = 0.0
    for _ in range(4):  # each restart is delayed longer than the previous
        beat = site.process("beat")
        until((site.state / "heartbeats" / "beat").exists, 60, "it beats")
        main = psutil.Process(site.server("postgres"))
        with ExitStack() as stopped:
            for process in (main, *main.children()):
                stopped.enter_context(hanging(process.pid))
            time.sleep(random.uniform(0, 2))
            begun = time.monotonic()
            beat.terminate()
            if random.random() < 0.5:
                beat.wait(8)
        beat.wait(8)
        longest = max(longest, time.monotonic() - begun)
    measured["SIGTERM to beat while PostgreSQL hangs, longest of four: it has ended"] = longest
    swept = site.count("swept")
    until(lambda: site.count("swept") > swept, RECOVERY, "the next sweep")
