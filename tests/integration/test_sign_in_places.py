"""Sign-ins leave threads to other requests, with any settings."""

from contextlib import ExitStack
from typing import Any

import pytest

from signalsite.accounts.backend import Places, SignInUnavailable


@pytest.mark.parametrize("threads", [3, 4, 10])
@pytest.mark.parametrize("concurrency", [1, 64])
def test_strangers_and_known_together_leave_a_thread(settings: Any, threads: int, concurrency: int) -> None:
    settings.WEB_THREADS, settings.SIGN_IN_CONCURRENCY = threads, concurrency
    with ExitStack() as held:
        taken = [_taken(Places(), held) for _ in ("strangers", "known")]
    assert all(taken) and sum(taken) < threads


def _taken(places: Places, held: ExitStack) -> int:
    """Return how many threads may hash or wait for a hash."""
    taken = 0
    while places._places.acquire(blocking=False):
        held.callback(places._places.release)
        taken += 1
    with pytest.raises(SignInUnavailable), places.one():
        pass
    return taken
