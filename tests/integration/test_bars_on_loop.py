"""Checks on the event loop: shared, bounded in time, and loud when the database is away."""

import asyncio
import threading
from typing import Any

import pytest

from timeframes.bars import lookup, on_loop
from timeframes.bars.changes import Basis, Moment
from timeframes.bars.check_connection import ChecksFailed
from timeframes.bars.on_loop import BarsOnLoop, Checks
from timeframes.bars.pages import BarsPage

MOMENT = Moment("c", "1:1:", 1)
BASIS = Basis("NSE@X@equity_spot", 0, 1, MOMENT)
QUERY = {"timeframe": "7m", "start_time": "2024-01-23", "end_time": "2024-01-23"}


class Statements:
    """Stands for PostgreSQL: counts the statements, and answers when it is allowed to."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.go = threading.Event()
        self.error: Exception | None = None

    def __call__(self, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        self.sizes.append(len(parameters["keys"]))
        self.go.wait(10)
        if self.error is not None:
            raise self.error
        return [("c", "5:5:", 5, [])]


def checks_with(statements: Statements) -> Checks:
    checks = Checks()
    checks._rows = statements  # type: ignore[method-assign, assignment]
    return checks


def test_requests_that_arrive_during_a_check_share_the_next_one() -> None:
    async def run() -> None:
        statements = Statements()
        checks = checks_with(statements)
        first = asyncio.create_task(checks.check(BASIS))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(checks.check(BASIS)) for _ in range(40)]
        await asyncio.sleep(0.05)
        statements.go.set()
        assert set(await asyncio.gather(first, *others)) == {Moment("c", "5:5:", 5)}
        assert statements.sizes == [1, 40]

    asyncio.run(run())


def test_a_failure_reaches_all_who_wait_and_nobody_after_them() -> None:
    async def run() -> None:
        statements = Statements()
        statements.go.set()
        statements.error = ChecksFailed("away")
        checks = checks_with(statements)
        found = await asyncio.gather(*(checks.check(BASIS) for _ in range(5)), return_exceptions=True)
        assert [type(each) for each in found] == [ChecksFailed] * 5
        statements.error = None
        assert await checks.check(BASIS) is not None

    asyncio.run(run())


def test_a_database_that_hangs_costs_each_request_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_loop, "CHECK_SECONDS", 0.1)

    async def run() -> None:
        statements = Statements()
        checks = checks_with(statements)
        found = await asyncio.gather(*(checks.check(BASIS) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in found] == [ChecksFailed] * 3
        statements.go.set()
        await asyncio.sleep(0.05)
        assert await checks.check(BASIS) is not None

    asyncio.run(run())


def test_many_who_want_a_page_that_nobody_has_make_it_once() -> None:
    made: list[str] = []

    async def make(call: Any, name: str, *arguments: Any) -> BarsPage:
        made.append(name)
        await asyncio.sleep(0.05)
        return BarsPage(b"{}", None, BASIS)

    async def run() -> None:
        statements = Statements()
        statements.go.set()
        bars = BarsOnLoop()
        bars._checks = checks_with(statements)
        found = await asyncio.gather(*(bars("NSE@ONCE@equity_spot", QUERY, make) for _ in range(40)))
        assert {page.body for page in found if page} == {b"{}"} and len(found) == 40
        assert len(made) == 1
        assert bars._making == {}

    lookup.MEMORY.clear()
    asyncio.run(run())


@pytest.mark.parametrize("change", [{"timeframe": "7x"}, {"more": "1"}, {"start_time": "x" * 600}, {"limit": "0"}])
def test_refusals_are_left_to_the_view(change: dict[str, str]) -> None:
    async def never(*arguments: Any) -> BarsPage:
        raise AssertionError("nothing is made")

    assert asyncio.run(BarsOnLoop()("NSE@ONCE@equity_spot", {**QUERY, **change}, never)) is None
