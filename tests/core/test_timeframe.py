"""The grammar of timeframes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalsite.foundation.errors import InvalidInput
from timeframes.core.timeframe import STANDARD, InvalidTimeframe, Months, format_timeframe, parse_timeframe


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1s", 1),
        ("90s", 90),
        ("1m", 60),
        ("7m", 420),
        ("13m", 780),
        ("60m", 3600),
        ("1h", 3600),
        ("4h", 14_400),
        ("1d", 86_400),
        ("24h", 86_400),
        ("1w", 604_800),
        ("3660d", 316_224_000),
        ("1mo", Months(1)),
        ("120mo", Months(120)),
    ],
)
def test_a_timeframe_is_its_seconds_or_its_months(text: str, value: int | Months) -> None:
    assert parse_timeframe(text) == value
    assert type(parse_timeframe(text)) is type(value)
    assert parse_timeframe(format_timeframe(value)) == value


def test_the_standard_list() -> None:
    assert STANDARD == ("1m", "5m", "15m", "30m", "1h", "4h", "1d")
    assert [format_timeframe(parse_timeframe(text)) for text in STANDARD] == list(STANDARD)


@given(st.integers(1, 99_999), st.sampled_from("smh"))
def test_any_whole_number_of_a_unit(count: int, unit: str) -> None:
    seconds = count * {"s": 1, "m": 60, "h": 3600}[unit]
    if seconds > 3660 * 86_400:
        with pytest.raises(InvalidTimeframe):
            parse_timeframe(f"{count}{unit}")
    else:
        assert parse_timeframe(f"{count}{unit}") == seconds


BAD = [
    *(
        "",
        " ",
        "m",
        "7",
        "0m",
        "07m",
        "-7m",
        "+7m",
        "7.5m",
        "7 m",
        " 7m",
        "7m ",
        "7m\n",
        "7M",
        "1MO",
        "7min",
        "1hr",
        "1y",
    ),
    *("1e3m", "1_0m", "\u0667m", "7\uff4d", "7m\0", "\ud800", "nan", "inf", "3661d", "523w", "121mo", "999999999h"),
    *("9" * 5000 + "m", "m" * 5000, "1" * 20 + "s", "1d1h", "1m,5m", "'", '"7m"', "=1m"),
]


@pytest.mark.parametrize("text", BAD)
def test_a_bad_timeframe_is_told_what_is_allowed(text: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_timeframe(text)
    assert raised.value.field == "timeframe"
    assert "s, m, h, d, w, mo" in str(raised.value) and "1m, 5m, 15m" in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("value", [None, 7, 7.0, True, b"7m", ["7m"], {"m": 7}, float("nan")])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(InvalidTimeframe, match="is no timeframe"):
        parse_timeframe(value)  # type: ignore[arg-type]


def test_a_capital_m_is_asked_back() -> None:
    with pytest.raises(InvalidTimeframe, match="a month is mo, a minute m"):
        parse_timeframe("15M")


@pytest.mark.parametrize("text", ["9" * 10_000_000, "1" * 9_999_999 + "m", "m" * 10_000_000, "(" * 10_000_000])
def test_hostile_text_of_any_size_takes_no_time(text: str) -> None:
    fastest = 1.0
    for _ in range(5):  # the best of five: the machine may be busy
        begun = time.perf_counter()
        with pytest.raises(InvalidTimeframe):
            parse_timeframe(text)
        fastest = min(fastest, time.perf_counter() - begun)
    assert fastest < 0.001
