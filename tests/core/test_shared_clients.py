"""Clients of Redis that threads share."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from signalsite.foundation.redis import client

THREADS, ROUNDS = 16, 30


@pytest.fixture
def eager_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_that_begin_together_get_the_same(eager_threads: None) -> None:
    """One too many would be closed with its connections, while the thread that it was made for reads from one."""
    together = Barrier(THREADS)

    def ask(url: str) -> int:
        together.wait()
        return id(client(url))

    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(ROUNDS):
            found = list(pool.map(ask, [f"redis://redis.invalid:6379/{number}"] * THREADS))
            assert len(set(found)) == 1
