"""Answers kept by digests of their states."""

import gc
import tracemalloc

import pytest

from realtime.snapshot import chain_reads
from realtime.snapshot.kept_answers import kept_by_digest


def test_the_newest_read_are_kept() -> None:
    asked: list[bytes] = []

    @kept_by_digest(2)
    def length(state: bytes) -> int:
        asked.append(state)
        if not state:
            raise ValueError("empty")
        return len(state)

    assert [length(each) for each in (b"a", b"bb", b"a", b"ccc", b"a", b"bb")] == [1, 2, 1, 3, 1, 2]
    assert asked == [b"a", b"bb", b"ccc", b"bb"]
    for _ in range(2):
        with pytest.raises(ValueError, match="empty"):
            length(b"")
    assert asked[-2:] == [b"", b""]


def test_many_large_states_leave_little_behind() -> None:
    """3,000 states of 50 kB: kept whole they would be 100 MB."""
    gc.collect()
    tracemalloc.start()
    for number in range(3_000):
        state = b'{"as_of":"2026-08-20T10:00:00+05:30","pad":"%d%s"}' % (number, b"x" * 50_000)
        chain_reads._checked(state)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2_000_000
