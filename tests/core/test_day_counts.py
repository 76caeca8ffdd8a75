"""T under each day count, down to the last day and past the moment of expiry."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from signals.greeks.core.conventions import DayCount, GreeksParams, expiry_years
from signals.greeks.core.evaluate import evaluate
from signals.greeks.core.py_vollib_reference import py_vollib_greeks
from signals.greeks.core.status import Status
from signals.greeks.core.years_after import years_after
from tests.core.test_evaluate import LIQUID, columns

DAY = 86_400.0
YEAR = 365 * DAY
CLOSE = datetime(2026, 6, 30, 10, 0, tzinfo=UTC)  # 15:30 in Kolkata, the last moment of NSE's June contracts
OPEN = CLOSE - timedelta(hours=6, minutes=15)


def years(day_count: DayCount, seconds: float, days: float) -> float:
    return float(expiry_years(day_count, np.array([seconds]), np.array([days]))[0])


@pytest.mark.parametrize(
    ("seconds", "days", "exact", "calendar"),
    [
        (20.2 * DAY, 20.0, 20.2 * DAY / YEAR, 20 / 365),
        (1.26 * DAY, 1.0, 1.26 * DAY / YEAR, 1 / 365),
        (0.66 * DAY, 1.0, 0.66 * DAY / YEAR, 1 / 365),  # after midnight would be the last day
        (22_500.0, 0.0, 22_500.0 / YEAR, 22_500.0 / YEAR),  # the opening of the last day
        (1.0, 0.0, 1.0 / YEAR, 1.0 / YEAR),
        (0.0, 0.0, 0.0, 0.0),
        (-1.0, 0.0, -1.0 / YEAR, -1.0 / YEAR),
        (-DAY, -1.0, -1 / 365, -1 / 365),  # years, not seconds
        (-DAY, 0.0, -1 / 365, -1 / 365),
    ],
)
def test_t(seconds: float, days: float, exact: float, calendar: float) -> None:
    assert years(DayCount.EXACT, seconds, days) == pytest.approx(exact, rel=1e-15)
    assert years(DayCount.CALENDAR_DAYS, seconds, days) == pytest.approx(calendar, rel=1e-15)


def test_calendar_days_never_rise_as_time_passes_and_reach_zero_at_expiry() -> None:
    seconds = np.arange(3 * DAY, -DAY, -60.0)
    last = datetime(2026, 6, 30, tzinfo=UTC).toordinal()
    local = [CLOSE - timedelta(seconds=each) + timedelta(hours=5, minutes=30) for each in seconds.tolist()]
    days = np.array([last - each.toordinal() for each in local], float)
    found = expiry_years(DayCount.CALENDAR_DAYS, seconds, days)
    assert (np.diff(found) <= 0).all()
    assert ((found > 0) == (seconds > 0)).all()


@pytest.mark.parametrize("day_count", list(DayCount))
def test_an_option_is_alive_until_its_last_second(day_count: DayCount) -> None:
    options = [
        {**LIQUID, "spot": 24_000.0, "forward": 24_400.0, "seconds_to_expiry": seconds, "days_to_expiry": 0.0}
        for seconds in (22_500.0, 3_600.0, 1.0, 0.0, -1.0)
    ]
    found = evaluate(columns(*options), GreeksParams(day_count=day_count))
    assert found.status.tolist() == [Status.OK] * 3 + [Status.EXPIRED] * 2
    for place, seconds in enumerate((22_500.0, 3_600.0)):
        theirs = py_vollib_greeks(
            price=421.0,
            underlying=float(found.underlying_used[place]),
            strike=24_000.0,
            expiry_years=seconds / YEAR,
            rate=0.065,
            dividend_yield=0.01,
            sign=1.0,
            black76=False,
        )
        assert isinstance(theirs, dict)
        assert found.implied_volatility[place] == pytest.approx(theirs["implied_volatility"], rel=1e-9)


def test_a_grid_reaches_the_last_day_alive() -> None:
    """Two days before, at the opening, two days forward is the opening of the last day."""
    found = years_after(
        DayCount.CALENDAR_DAYS,
        as_of=OPEN - timedelta(days=2),
        days_forward=np.array([0.0, 0.5, 1.0, 2.0, 2.2, 2.3]),
        expires_at=np.full(6, CLOSE.timestamp()),
        expiry=[date(2026, 6, 30)] * 6,
        exchange=["NSE"] * 6,
        base_years=np.full(6, 2 / 365),
    )
    assert found * 365 == pytest.approx([2.0, 2.0, 1.0, 22_500 / DAY, 22_500 / DAY - 0.2, 0.0], abs=1e-9)


def test_a_grid_of_exact_time_shortens_evenly() -> None:
    found = years_after(
        DayCount.EXACT,
        as_of=OPEN,
        days_forward=np.array([0.0, 0.1, 0.3]),
        expires_at=np.full(3, CLOSE.timestamp()),
        expiry=[date(2026, 6, 30)] * 3,
        exchange=["NSE"] * 3,
        base_years=np.full(3, 22_500 / YEAR),
    )
    assert found * 365 == pytest.approx([22_500 / DAY, 22_500 / DAY - 0.1, 0.0], abs=1e-12)
