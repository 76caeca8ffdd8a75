"""The tests' own Valkey, to be stopped or killed."""

import os
import signal

import pytest

from signalsite.embedded import state as places
from signalsite.foundation.process import living_in


def valkey_pids() -> list[int]:
    pids = living_in(places.state_dir() / "valkey")
    if not pids:
        pytest.skip("Redis is not ours to stop (TEST_REDIS_URL)")
    return pids


def kill_valkey() -> None:
    for pid in valkey_pids():
        os.kill(pid, signal.SIGKILL)
