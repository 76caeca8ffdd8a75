"""What becomes of due moments that have passed: each one is run or missed, once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.configs.core import misfires
from batch.configs.core.misfires import Passed, passed

BEGIN = datetime(2026, 6, 11, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def every(period: timedelta, now: datetime, *, patience: timedelta = MINUTE, counted: bool = False) -> Passed:
    return passed(BEGIN, now, lambda moment: moment + period, period=None if counted else period, patience=patience)


@pytest.mark.parametrize("counted", [True, False])
def test_the_newest_runs_and_the_others_are_missed(counted: bool) -> None:
    on_time = every(MINUTE, BEGIN + timedelta(seconds=1), counted=counted)
    assert on_time == Passed(runs=BEGIN, missed=None, missed_before=0, following=BEGIN + MINUTE)
    after = every(MINUTE, BEGIN + 10.5 * MINUTE, counted=counted)
    assert after == Passed(
        runs=BEGIN + 10 * MINUTE, missed=BEGIN + 9 * MINUTE, missed_before=9, following=BEGIN + 11 * MINUTE
    )
    too_late = every(timedelta(days=1), BEGIN + timedelta(hours=1), counted=counted)
    assert too_late == Passed(runs=None, missed=BEGIN, missed_before=0, following=BEGIN + timedelta(days=1))


def test_a_schedule_that_ends() -> None:
    found = passed(BEGIN, BEGIN, lambda _: None, period=None, patience=MINUTE)
    assert found == Passed(runs=BEGIN, missed=None, missed_before=0, following=None)


@given(st.integers(1, 500), st.integers(0, 20_000), st.integers(0, 1000), st.booleans())
def test_each_moment_is_run_or_missed_once(period: int, late: int, patience: int, counted: bool) -> None:
    now, step = BEGIN + timedelta(seconds=late), timedelta(seconds=period)
    first, accounted, looks = BEGIN, 0, 0
    while first <= now:
        found = passed(
            first,
            now,
            lambda moment: moment + step,
            period=None if counted else step,
            patience=timedelta(seconds=patience),
        )
        accounted += (found.runs is not None) + (0 if found.missed is None else 1 + found.missed_before)
        assert found.runs is None or (now - found.runs <= timedelta(seconds=patience) and now - found.runs < step)
        assert found.following is not None
        first, looks = found.following, looks + 1
    assert accounted == late // period + 1
    assert looks == 1 if not counted else looks <= accounted // misfires.MOST_AT_ONCE + 1
