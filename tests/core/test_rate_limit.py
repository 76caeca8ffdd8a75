"""The limit on requests a minute: by caller, over processes, with and without Redis."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from redis.exceptions import ConnectionError as NoRedis

from signalsite.front import rate
from signalsite.front.rate import RateLimit
from signalsite.front.refusals import Refused


class Counts:
    """The counts that processes share."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, str], int] = {}

    def exchange(self, minute: int, sent: Mapping[str, int]) -> Mapping[str, int]:
        for name, count in sent.items():
            self.found[minute, name] = self.found.get((minute, name), 0) + count
        return {name: self.found[minute, name] for name in sent}


def allowed(limit: RateLimit, name: str, tries: int) -> int:
    done = 0
    for _ in range(tries):
        try:
            limit.take(name)
        except Refused as refusal:
            assert refusal.status == 429
            continue
        done += 1
    return done


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "SYNC_SECONDS", 0.01)


def run(test: Callable[[], object]) -> None:
    async def inside() -> None:
        await test()  # type: ignore[misc]

    asyncio.run(inside())


def test_each_caller_has_so_many_in_a_minute() -> None:
    now = [90.0]

    async def flow() -> None:
        limit = RateLimit(5, Counts().exchange, lambda: now[0])
        assert (allowed(limit, "a", 8), allowed(limit, "b", 2)) == (5, 2)
        with pytest.raises(Refused) as refused:
            limit.take("a")
        assert (b"retry-after", b"30") in refused.value.headers
        now[0] = 120.0
        assert allowed(limit, "a", 8) == 5

    run(flow)


def test_processes_share_their_counts() -> None:
    async def flow() -> None:
        counts = Counts()
        one, other = (RateLimit(10, counts.exchange, lambda: 90.0) for _ in range(2))
        assert allowed(one, "a", 7) == 7
        await asyncio.sleep(0.1)
        assert allowed(other, "a", 1) == 1
        await asyncio.sleep(0.1)
        assert allowed(other, "a", 9) == 2, "eight were counted"
        await asyncio.sleep(0.1)
        assert counts.found == {(1, "a"): 10}

    run(flow)


def test_without_redis_each_process_counts_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    def away(minute: int, sent: Mapping[str, int]) -> Mapping[str, int]:
        raise NoRedis("away")

    async def flow() -> None:
        limit = RateLimit(3, away, lambda: 90.0)
        assert allowed(limit, "a", 2) == 2
        await asyncio.sleep(0.1)
        assert allowed(limit, "a", 2) == 1

    run(flow)
    assert "were not exchanged: away" in caplog.text


def test_the_callers_of_a_minute_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "MOST_CALLERS", 3)

    async def flow() -> None:
        limit = RateLimit(1, Counts().exchange, lambda: 90.0)
        assert [allowed(limit, name, 2) for name in "abcde"] == [1, 1, 1, 2, 2]

    run(flow)
