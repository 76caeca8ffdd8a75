"""When configurations with a frequency are due in a back-test, by the ticks' own times, and what their bars take."""

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from realtime.ticks.core.configured_due import DueConfigurations
from realtime.ticks.core.configured_records import records_of, seconds_taken
from realtime.ticks.core.configured_units import Computed
from realtime.ticks.core.unfinished import Unfinished, Window, supersede
from signals.configs.core.results import ConfiguredResult, Source
from tests.core.test_configured import SPOT, plan

NIFTY, OTHER = "NSE@NIFTY", "NSE@RELIANCE"
BEGIN = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)


def due_of(**asked):
    due, made = DueConfigurations(), plan(indicators=("rsi",), **asked)
    due.set_plans({made.id: made})
    return due


def take(due, at, underlying=NIFTY, *, inclusive=True):
    return [moment for _, _, moment in due.take(at.timestamp(), [underlying], inclusive=inclusive)]


def slowly(due, begin, end, seconds):
    """Return the last due moment by asking at every step."""
    found = []
    while begin <= end:
        found += take(due, begin)
        begin += timedelta(seconds=seconds)
    return found[-1]


@pytest.mark.parametrize(
    "asked",
    [
        {"frequency": "7s", "interval": "1m"},
        {"frequency": "bar", "interval": "7m"},
        {"frequency": "daily", "interval": "1m"},
        {"frequency": "open+15m", "interval": "1m"},
        {"frequency": "weekly@thu", "interval": "1m"},
        {"frequency": "bar", "interval": "1m", "anchor": "session"},
    ],
)
def test_after_a_leap_the_last_due_moment_runs(asked):
    end = BEGIN + timedelta(days=12, hours=22, seconds=3)  # at night
    leaping, walking = due_of(**asked), due_of(**asked)
    take(leaping, BEGIN)
    assert take(leaping, end) == [slowly(walking, BEGIN, end, 3_600)]
    assert take(leaping, end) == []


def test_a_leap_over_decades_costs_no_step_for_each_moment():
    due = due_of(frequency="5s", interval="1m")
    take(due, datetime(1970, 1, 2, tzinfo=UTC))
    begun = time.process_time()
    assert take(due, BEGIN + timedelta(seconds=2)) == [BEGIN]
    assert take(due, BEGIN + timedelta(seconds=5), inclusive=False) == []
    assert take(due, BEGIN + timedelta(seconds=5)) == [BEGIN + timedelta(seconds=5)]
    assert time.process_time() - begun < 0.1


def test_ticks_of_another_underlying_do_not_tell_the_time():
    due = due_of(frequency="1m", interval="1m")
    assert take(due, BEGIN) == [BEGIN]
    assert take(due, BEGIN + timedelta(days=900), OTHER) == []
    assert take(due, BEGIN + timedelta(minutes=1)) == [BEGIN + timedelta(minutes=1)]


def test_another_version_counts_anew():
    due, made = DueConfigurations(), plan(indicators=("rsi",), frequency="1m", interval="1m")
    due.set_plans({made.id: made})
    take(due, BEGIN)
    due.set_plans({made.id: replace(made, version=2)})
    assert take(due, BEGIN + timedelta(seconds=1)) == []
    assert take(due, BEGIN + timedelta(seconds=60)) == [BEGIN + timedelta(seconds=60)]


def test_the_bars_that_wait_for_heavy_work_are_counted():
    made = plan(interval="1m", backtest=True, indicators=("obv",))
    window = Window(made.kind_of(SPOT), {"close": np.zeros(10), "open": np.zeros(10)})

    def waits(seconds, *, kept):
        at = BEGIN + timedelta(seconds=seconds)
        result = ConfiguredResult(
            configuration=uuid.UUID(int=1), name="a", version=1, owner_id=1, instrument_key=SPOT,
            interval="1m", frequency=None, time=at, source=Source.BACKTEST, values={}, reasons={},
        )  # fmt: skip
        return Unfinished(made, result, kept, window, {"other": window}, {})

    waiting, grown = {}, 0
    for seconds, kept in ((0, True), (1, False), (2, False), (3, True), (3, True)):
        grown += supersede(waiting, [waits(seconds, kept=kept)])
    assert len(waiting) == 2
    assert grown == sum(each.bytes for each in waiting.values()) == 2 * 2 * 2 * 10 * 8


def test_a_configurations_time_is_that_of_its_computations_on_all_series():
    made = plan(interval="1m", indicators=("rsi",))
    result = ConfiguredResult(
        configuration=made.id, name="a", version=1, owner_id=1, instrument_key=SPOT, interval="1m", frequency=None,
        time=BEGIN, source=Source.TICK, values={"indicators": {"rsi": {"RSI_14": 50.0}}},
    )  # fmt: skip
    name = str(next(iter(made.indicators.values()))[0])
    computed = {f"{name} on 1m": Computed(taken=0.25), f"{name} on 5m": Computed(taken=0.5), "other on 1m": Computed()}
    (kind,) = records_of(made, [result], seconds_taken(computed), {"indicators": "1"}).kinds
    assert (kind.milliseconds, kind.values, kind.missing) == (750.0, 1, 0)
