"""Workers, beat and PostgreSQL are killed while a thousand schedules run: each due moment has its one row."""

import os
import random
import signal
import time

import pytest

from tests.faults.schedules import SCHEDULES, check_schedules, done, make_schedules
from tests.faults.site import Site, until


def strike(site: Site, name: str, dice: random.Random) -> None:
    """Kill a process by its name: a child of the pool, the worker, beat, or a server."""
    if name == "pool":
        victims = site.process("worker").children(recursive=True)
        os.kill(dice.choice(victims).pid, signal.SIGKILL)
    elif name in ("postgres", "valkey"):
        os.kill(site.server(name), signal.SIGKILL)
    else:
        site.process(name).kill()


def round_of(site: Site, names: list[str], dice: random.Random) -> None:
    prefix = make_schedules(site)
    until(lambda: done(site, prefix) >= SCHEDULES, 60, "the first round of all schedules")
    for name in names:
        time.sleep(dice.uniform(0.5, 8.5))
        strike(site, name, dice)
    found = check_schedules(site, prefix)
    print(f"{found} runs of {SCHEDULES} schedules, once each, after kills of {', '.join(names)}")


def test_each_due_moment_has_its_one_row(site: Site) -> None:
    round_of(site, ["pool", "beat", "postgres", "worker"], random.Random(35))


@pytest.mark.faults
def test_random_kills(site: Site) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    for _ in range(3):
        round_of(site, dice.choices(["pool", "beat", "postgres", "worker", "valkey"], k=6), dice)
