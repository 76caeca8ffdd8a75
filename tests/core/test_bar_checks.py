"""What is wrong with bars: each kind of finding on bars that have it, and none on bars that do not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.core.bar_columns import bar_columns
from timeframes.core.bar_checks import Finding, check_bars
from timeframes.core.bar_compare import below_intrinsic, compare_bars
from timeframes.core.bars import NUMBERS, BarColumns
from timeframes.core.grid import SECOND, microseconds
from timeframes.core.keys import parse_key

NIFTY, BTC = parse_key("NSE@NIFTY@equity_spot"), parse_key("BINANCE@BTC/USDT@crypto_spot")
CALL = parse_key("NSE@NIFTY@equity_options@2024-01-11@call@21000")
MONDAY = datetime(2024, 1, 1, 3, 45, tzinfo=UTC)  # 09:15 in Kolkata


def minutes(begin: datetime, count: int, step: int = 60) -> BarColumns:
    """Bars that move, one after the other."""
    time = microseconds(begin) + np.arange(count) * step * SECOND
    close = 100.0 + np.arange(count) % 7
    numbers = dict.fromkeys(NUMBERS, np.full(count, np.nan)) | {
        "open": close - 0.5,
        "high": close + 1.0,
        "low": close - 1.0,
        "close": close,
        "volume": np.full(count, 5.0),
    }
    return BarColumns(time=time, **numbers)


def joined(*parts: BarColumns) -> BarColumns:
    return BarColumns(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in ("time", *NUMBERS)})


def days(count: int, shift: timedelta = timedelta()) -> BarColumns:
    """Whole sessions of NSE from Monday, 1 January 2024, without weekends."""
    begins = [MONDAY + timedelta(days=day) for day in range(count * 2) if (MONDAY + timedelta(days=day)).weekday() < 5]
    return joined(*(minutes(begin + shift, 375) for begin in begins[:count]))


def found(bars: BarColumns, key: object = NIFTY, seconds: int = 60) -> dict[str, Finding]:
    return {each.kind: each for each in check_bars(bars, key, seconds)}  # type: ignore[arg-type]


def test_whole_sessions_are_right_and_weekends_no_gaps() -> None:
    assert found(days(12)) == {}  # two weekends
    assert found(minutes(MONDAY, 3 * 1_440), BTC) == {}


def test_a_holiday_is_no_gap_and_a_missing_session_is() -> None:
    week = days(20)  # until 26 January, which is a holiday
    at = week.time < microseconds(datetime(2024, 1, 22, tzinfo=UTC))  # another: 22 January
    more = minutes(datetime(2024, 1, 23, 3, 45, tzinfo=UTC), 375)
    saturday = minutes(datetime(2024, 1, 20, 3, 45, tzinfo=UTC), 375)  # a session at the week's end
    assert found(joined(week.take(at), saturday, more)) == {}
    without = found(joined(week.take(at), more))["gap"]
    assert without.count == 375 and "1 gaps" in without.detail
    assert (
        found(joined(week.take(at), saturday, minutes(datetime(2024, 1, 21, 3, 45, tzinfo=UTC), 5)))["closed"].count
        == 5
    )


def test_gaps_of_an_exchange_that_never_closes() -> None:
    bars = minutes(MONDAY, 100)
    gap = found(bars.take(np.r_[0:10, 40:60, 61:100]), BTC)["gap"]
    assert (gap.count, gap.detail) == (31, "missing bars in 2 gaps, of which the longest has 30")
    assert gap.examples[0] == "2024-01-01T03:55:00+00:00 to 2024-01-01T04:24:00+00:00 (30)"
    assert gap.examples[1] == "2024-01-01T04:45:00+00:00"


def test_doubles_that_are_equal_and_that_differ() -> None:
    bars = minutes(MONDAY, 375)
    twice = joined(bars, bars.take(slice(3, 5)), replace(bars.take(slice(7, 8)), close=np.array([100.2])))
    double = found(twice)["double"]
    assert double.count == 3 and "1 differ" in double.detail
    assert double.examples[0] == "2024-01-01T03:48:00+00:00" and set(found(twice)) == {"double"}


def test_times_off_the_grid() -> None:
    bars = minutes(MONDAY, 375)
    assert found(joined(bars, minutes(MONDAY + timedelta(seconds=30), 2)))["off_grid"].count == 2
    assert found(minutes(MONDAY + timedelta(minutes=1), 30, step=300), NIFTY, 300)["off_grid"].count == 30


@pytest.mark.parametrize(
    ("shift", "said"),
    [(timedelta(hours=5, minutes=30), "5:30 h earlier"), (timedelta(hours=-5, minutes=-30), "5:30 h later")],
)
def test_a_clock_in_another_zone(shift: timedelta, said: str) -> None:
    clock = found(days(5, shift))["clock"]
    assert said in clock.detail and "12% of the bars are in their sessions" in clock.detail


def test_bars_that_are_named_by_their_ends() -> None:
    assert "named by their ends" in found(days(5, timedelta(minutes=1)))["clock"].detail


def test_bars_outside_the_session_and_a_flat_tail() -> None:
    tail = minutes(MONDAY + timedelta(minutes=375), 30)
    flat = replace(tail, **dict.fromkeys(("open", "high", "low", "close"), np.full(30, 104.0)))
    seen = found(joined(minutes(MONDAY, 375), flat))
    assert set(seen) == {"outside", "flat_tail"} and seen["outside"].count == 30
    assert seen["flat_tail"].count in (29, 30) and "1 dates" in seen["flat_tail"].detail


def test_fills_without_volume() -> None:
    bars = minutes(MONDAY, 375)
    at = np.arange(375) % 3 == 1
    before = np.roll(bars.close, 1)
    prices = {n: np.where(at, before, getattr(bars, n)) for n in ("open", "high", "low", "close")}
    filled = replace(bars, **prices, volume=np.where(at, 0.0, bars.volume))
    assert found(filled)["fill"].count == 125 and "33% of all" in found(filled)["fill"].detail
    assert "fill" not in found(replace(filled, volume=np.zeros(375)))  # an index


def test_splits_and_jumps() -> None:
    bars = days(3)
    prices = ("open", "high", "low", "close")
    day = np.arange(len(bars)) // 375
    halved = replace(bars, **{n: getattr(bars, n) / np.where(day == 0, 1.0, 2.0) for n in prices})
    split = found(halved)["split"]
    assert split.count == 1 and split.examples[0].startswith("2024-01-02T03:45:00+00:00 x 0.")
    moved = replace(bars, **{n: getattr(bars, n) / np.where(day == 0, 1.0, 1.75) for n in prices})
    assert set(found(moved)) == {"jump"}
    within = replace(bars, **{n: getattr(bars, n) / np.where(np.arange(len(bars)) < 100, 1.0, 2.0) for n in prices})
    assert set(found(within)) == {"jump"}  # no split comes within a session
    assert found(halved, CALL) == {}  # an option moves by any ratio


def test_shapes() -> None:
    bars = minutes(MONDAY, 375)
    low = bars.low.copy()
    low[5], low[9] = 150.0, -1.0
    assert found(replace(bars, low=low))["shape"].count == 2


def test_nothing_and_one_bar() -> None:
    assert found(minutes(MONDAY, 0)) == {} and found(minutes(MONDAY, 1)) == {}
    assert found(bar_columns([]), BTC) == {}


def folded(bars: BarColumns, parts: int) -> BarColumns:
    """A fold of its own: no gaps, whole parts."""
    shape = (-1, parts)
    numbers = dict.fromkeys(NUMBERS, np.full(len(bars) // parts, np.nan)) | {
        "open": bars.open.reshape(shape)[:, 0],
        "high": bars.high.reshape(shape).max(1),
        "low": bars.low.reshape(shape).min(1),
        "close": bars.close.reshape(shape)[:, -1],
        "volume": bars.volume.reshape(shape).sum(1),
    }
    return BarColumns(time=bars.time[::parts], **numbers)


def test_two_timeframes_that_agree_and_that_differ() -> None:
    fine = days(4)
    coarse = folded(fine, 5)
    assert compare_bars(fine, 60, coarse, 300, NIFTY) == (300, [])
    high, volume = coarse.high.copy(), coarse.volume.copy()
    high[7] += 0.05
    volume[7] += 1
    volume[9] += 1
    compared, (differs,) = compare_bars(fine, 60, replace(coarse, high=high, volume=volume), 300, NIFTY)
    assert (compared, differs.kind, differs.count) == (300, "differs", 2)
    assert "high of 1, volume of 2" in differs.detail
    assert "high 107 and 107.05" in differs.examples[0] or "high" in differs.examples[0]


def test_a_bar_that_lacks_a_part_is_not_compared() -> None:
    fine = days(2)
    coarse = folded(fine, 5)
    assert compare_bars(fine.take(np.arange(750) != 3), 60, coarse, 300, NIFTY) == (149, [])
    assert compare_bars(fine.take(slice(0, 0)), 60, coarse, 300, NIFTY) == (0, [])
    days_of = BarColumns(**{n: getattr(folded(fine, 375), n) for n in ("time", *NUMBERS)})
    assert compare_bars(fine, 60, days_of, 86_400, NIFTY) == (2, [])


def test_a_clock_that_is_hours_ahead_of_another_timeframe() -> None:
    rng = np.random.default_rng(3)
    fine = minutes(MONDAY - timedelta(minutes=45), 60 * 100)
    close = 100 + np.cumsum(rng.normal(0, 0.1, len(fine)))
    fine = replace(fine, open=close, close=close, high=close + 1, low=close - 1)
    coarse = folded(fine, 60)
    assert compare_bars(fine, 60, coarse, 3_600, BTC) == (100, [])
    late = replace(coarse, time=coarse.time + 8 * 3_600 * SECOND)
    kinds = {each.kind: each for each in compare_bars(fine, 60, late, 3_600, BTC)[1]}
    assert "8 h ahead of" in kinds["clock"].detail and kinds["differs"].count > 50


def test_an_option_below_its_intrinsic_value() -> None:
    spot = minutes(MONDAY, 20)
    level = replace(spot, **{n: getattr(spot, n) + 21_000 for n in ("open", "high", "low", "close")})  # 21,100 and more
    option = minutes(MONDAY, 20)
    assert below_intrinsic(option, CALL, level) == []
    cheap = replace(option, close=np.where(np.arange(20) < 4, 50.0, option.close))
    (finding,) = below_intrinsic(cheap, CALL, level)
    assert (finding.kind, finding.count) == ("intrinsic", 4)
    assert below_intrinsic(cheap, NIFTY, level) == []
