"""When configurations are due: tables of known moments, and properties over all frequencies and exchanges."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from signals.configs.core.frequency import Every, Frequency, format_frequency, parse_frequency
from signals.configs.core.schedule import END, FIRST, clock_on, due_after, should_execute
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import KOLKATA, NEW_YORK

EXCHANGES = ("NSE", "NYSE", "BINANCE", "SIM")
INTERVALS = ("7m", "1m", "4h", "1d", "3d", "1w", "1mo", "90s")


def due(text: str, moment: str, exchange: str, interval: str | None = None, anchor: str | None = None) -> str:
    at = datetime.fromisoformat(moment).astimezone(UTC)
    found = due_after(parse_frequency(text), at, exchange=exchange, interval=interval, anchor=anchor)
    assert found is not None
    return found.strftime("%Y-%m-%d %H:%M:%S" if found.second else "%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("text", "exchange", "moment", "expected"),
    [
        ("5s", "NSE", "2026-06-11T10:00:04.999999Z", "2026-06-11 10:00:05"),
        ("5s", "NSE", "2026-06-11T10:00:05Z", "2026-06-11 10:00:10"),
        ("1h", "NSE", "2026-06-11T10:00Z", "2026-06-11 11:00"),
        ("hourly", "NSE", "2026-06-11T10:00Z", "2026-06-11 10:30"),  # India's hours are UTC's half hours
        ("hourly@15", "NYSE", "2026-06-11T10:20Z", "2026-06-11 11:15"),
        ("hourly@30", "NYSE", "2026-11-01T05:31Z", "2026-11-01 06:30"),  # shown twice: an hour is still an hour
        ("daily", "NSE", "2026-06-11T00:00Z", "2026-06-11 10:00"),
        ("daily", "NSE", "2026-06-12T10:00Z", "2026-06-15 10:00"),  # over the weekend
        ("daily@09:30", "NSE", "2025-10-01T12:00Z", "2025-10-03 04:00"),  # 2 October is a holiday
        ("daily", "NYSE", "2025-11-28T12:00Z", "2025-11-28 18:00"),  # a half day closes at 13:00
        ("daily", "BINANCE", "2026-06-13T23:59Z", "2026-06-14 00:00"),
        ("daily", "BINANCE", "2026-06-14T00:00Z", "2026-06-15 00:00"),
        ("daily@02:30", "NYSE", "2026-03-06T08:00Z", "2026-03-09 06:30"),  # after the change of 8 March
        ("weekly@thu,15:20", "NSE", "2026-06-11T00:00Z", "2026-06-11 09:50"),
        ("weekly@thu", "NYSE", "2025-11-26T23:00Z", "2025-11-28 18:00"),  # Thanksgiving moves to the half day
        ("weekly@sun", "NSE", "2026-06-13T00:00Z", "2026-06-15 10:00"),
        ("monthly@1", "NSE", "2026-07-31T12:00Z", "2026-08-03 10:10"),  # a Saturday; later hours since then
        ("monthly@31", "NYSE", "2026-02-01T00:00Z", "2026-02-02 21:00"),  # of January, a Saturday
        ("monthly@31", "NYSE", "2026-02-03T00:00Z", "2026-03-02 21:00"),  # February ends on a Saturday
        ("monthly@last", "NYSE", "2026-02-03T00:00Z", "2026-02-27 21:00"),
        ("monthly@last,12:00", "BINANCE", "2026-02-28T12:00Z", "2026-03-31 12:00"),
        ("open+15m", "NSE", "2026-06-11T00:00Z", "2026-06-11 04:00"),
        ("open+15m", "NSE", "2024-11-01T00:00Z", "2024-11-01 12:45"),  # Muhurat trading
        ("open", "NYSE", "2026-03-06T20:00Z", "2026-03-09 13:30"),  # summer time since the 8th
        ("close-5m", "NYSE", "2025-11-28T12:00Z", "2025-11-28 17:55"),
        ("close+23h", "NSE", "2026-06-12T09:30Z", "2026-06-13 09:00"),  # of Friday, on a Saturday
        ("close-5m", "BINANCE", "2026-06-13T23:56Z", "2026-06-14 23:55"),
        ("open+15m", "SIM", "2026-11-28T12:00Z", "2026-11-28 18:45"),  # Sunday's session begins at midnight in India
        ("daily", "SIM", "2026-11-28T12:00Z", "2026-11-28 18:30"),
        ("daily@09:30", "SIM", "2026-11-28T12:00Z", "2026-11-29 04:00"),
        ("weekly@sat,15:20", "SIM", "2026-11-27T12:00Z", "2026-11-28 09:50"),
        ("close-5m", "SIM", "2026-11-28T12:00Z", "2026-11-28 18:25"),
    ],
)
def test_moments(text: str, exchange: str, moment: str, expected: str) -> None:
    assert due(text, moment, exchange) == expected


@pytest.mark.parametrize(
    ("interval", "anchor", "exchange", "moment", "expected"),
    [
        ("7m", None, "NSE", "2026-06-11T00:00Z", "2026-06-11 03:52"),
        ("7m", None, "NSE", "2026-06-11T09:56Z", "2026-06-11 10:00"),  # the last bar has four minutes
        ("7m", None, "NSE", "2026-06-11T10:00Z", "2026-06-12 03:52"),
        ("7m", None, "NYSE", "2025-11-28T17:56Z", "2025-11-28 18:00"),
        ("7m", "epoch", "NSE", "2026-06-14T00:00Z", "2026-06-14 00:06"),
        ("1d", None, "NSE", "2026-06-12T10:00Z", "2026-06-15 10:00"),
        ("1w", None, "NYSE", "2025-04-14T00:00Z", "2025-04-17 20:00"),  # Good Friday: the week closes on Thursday
        ("1mo", None, "NSE", "2026-02-10T00:00Z", "2026-02-27 10:00"),
        ("1mo", None, "BINANCE", "2026-02-10T00:00Z", "2026-03-01 00:00"),
        ("1w", None, "BINANCE", "2026-06-10T00:00Z", "2026-06-15 00:00"),
        ("4h", None, "NSE", "2026-06-11T07:45Z", "2026-06-11 10:00"),
        ("5m", None, "SIM", "2026-11-28T18:26Z", "2026-11-28 18:30"),
        ("7m", None, "SIM", "2026-11-28T18:29Z", "2026-11-28 18:30"),  # the day's last bar has five minutes
        ("7m", None, "SIM", "2026-11-28T18:30Z", "2026-11-28 18:37"),
        ("1d", None, "SIM", "2026-11-28T12:00Z", "2026-11-28 18:30"),
    ],
)
def test_bars(interval: str, anchor: str | None, exchange: str, moment: str, expected: str) -> None:
    assert due("bar", moment, exchange, interval, anchor) == expected


def test_times_that_the_clocks_skip_or_show_twice() -> None:
    """On a calendar that trades on the Sundays of the changes: the clocks go at 02:00 local time."""
    skipped = clock_on("NYSE", date(2026, 3, 8), 2 * 60 + 30)
    assert skipped == datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert skipped.astimezone(NEW_YORK).hour == 3
    twice = clock_on("NYSE", date(2026, 11, 1), 90)
    assert twice == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


minutes = st.one_of(st.none(), st.integers(0, 1439))
frequencies = st.one_of(
    st.builds(Frequency, every=st.just(Every.SECONDS), seconds=st.integers(1, 31 * 86_400)),
    st.builds(Frequency, every=st.just(Every.BAR)),
    st.builds(Frequency, every=st.just(Every.HOUR), minute=st.integers(0, 59)),
    st.builds(Frequency, every=st.just(Every.DAY), minute=minutes),
    st.builds(Frequency, every=st.just(Every.WEEK), minute=minutes, day=st.integers(0, 6)),
    st.builds(Frequency, every=st.just(Every.MONTH), minute=minutes, day=st.sampled_from([-1, *range(1, 32)])),
    st.builds(Frequency, every=st.sampled_from([Every.OPEN, Every.CLOSE]), seconds=st.integers(-86_399, 86_399)),
)
zones = st.sampled_from([UTC, KOLKATA, NEW_YORK])
moments = st.datetimes(datetime.fromisoformat("1998-01-01"), datetime.fromisoformat("2055-01-01"), timezones=zones)
places = st.fixed_dictionaries(
    {
        "exchange": st.sampled_from(EXCHANGES),
        "interval": st.sampled_from(INTERVALS),
        "anchor": st.sampled_from([None, "epoch"]),
    }
)


@given(frequencies)
def test_one_text_of_each_frequency(frequency: Frequency) -> None:
    text = format_frequency(frequency)
    assert parse_frequency(text) == frequency
    assert parse_frequency(f" {text.upper()} ") == frequency


@settings(max_examples=300, deadline=None)
@given(frequencies, moments, places, st.lists(st.timedeltas(timedelta(0), timedelta(days=40)), min_size=1, max_size=4))
def test_cutting_an_interval_neither_loses_nor_doubles_a_moment(frequency, begin, place, lengths) -> None:  # type: ignore[no-untyped-def]
    begin = begin.astimezone(UTC)
    end = begin + sum(lengths, timedelta(0))
    inner = [begin, *(begin + sum(lengths[: place + 1], timedelta(0)) for place in range(len(lengths)))]

    def walk(first: datetime, last: datetime) -> list[datetime]:
        found, at = [], first
        while len(found) < 50 and (next_due := due_after(frequency, at, **place)) is not None and next_due <= last:
            assert next_due > at
            found.append(next_due)
            at = next_due
        return found

    whole = walk(begin, end)
    parts = [due for first, last in pairwise(inner) for due in walk(first, last)]
    if len(whole) < 50:
        assert parts == whole
    assert should_execute(frequency, begin, end, **place) == bool(whole)
    for due in whole:  # from just before it, it is the next one; from itself, it is not
        assert due_after(frequency, due - timedelta(microseconds=1), **place) == due
        assert not should_execute(frequency, due, due, **place)


@settings(max_examples=200, deadline=None)
@given(frequencies, st.datetimes(timezones=zones), st.datetimes(timezones=zones), places)
@example(
    Frequency(every=Every.DAY),
    datetime.min.replace(tzinfo=KOLKATA),
    datetime.max.replace(tzinfo=NEW_YORK),
    {"exchange": "NYSE", "interval": "1mo", "anchor": None},
)
def test_any_year(frequency, moment, other, place) -> None:  # type: ignore[no-untyped-def]
    due = due_after(frequency, moment, **place)
    assert due is None or (due > moment and FIRST <= due < END)
    assert due is not None or moment > END - timedelta(days=60)
    assert should_execute(frequency, moment, other, **place) == (due is not None and due <= other)


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "0s", "-5s", "1.5s", "5 parsecs", "32d", "hourly@60", "daily@24:00", "weekly", "weekly@thursday"),
        *(
            "monthly@0",
            "monthly@32",
            "open+24h",
            "open*5m",
            "bars",
            "5m\n",
            "\u0665s",
            "9" * 10_000 + "s",
            None,
            10**400,
        ),
    ],
)
def test_no_frequency(text: object) -> None:
    with pytest.raises(InvalidInput, match="is no frequency: write a period") as error:
        parse_frequency(text)  # type: ignore[arg-type]
    assert error.value.field == "frequency"
    assert len(str(error.value)) < 500


def test_bar_needs_an_interval() -> None:
    with pytest.raises(InvalidInput, match="bar needs an interval"):
        due_after(parse_frequency("bar"), FIRST, exchange="NSE", interval=None, anchor=None)
