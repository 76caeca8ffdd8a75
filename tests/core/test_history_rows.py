"""Bodies of the Subscription Manager are bounded before they are parsed."""

import tracemalloc
from datetime import UTC, datetime

import pytest

from timeframes.core.grid import instant
from timeframes.core.history_rows import MOST_ROWS, NotAnAnswer, read_history

BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize("each", [b"{},", b"[],", b"1.5,"], ids=["objects", "arrays", "numbers"])
def test_a_body_of_many_small_things_takes_no_memory(each: bytes) -> None:
    body = b"[" + each * (4_000_001 if each == b"1.5," else MOST_ROWS) + each[:-1] + b"]"
    tracemalloc.start()
    try:
        with pytest.raises(NotAnAnswer, match="at most 200,000 rows"):
            read_history(body, "NSE", 60, BEGIN, END)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_row_too_many_is_refused() -> None:
    with pytest.raises(NotAnAnswer, match="at most 200,000 rows"):
        read_history(b"[" + b"0," * MOST_ROWS + b"0]", "NSE", 60, BEGIN, END)


def test_as_many_rows_as_are_allowed_are_read() -> None:
    found = read_history(b"[" + b"{}," * (MOST_ROWS - 1) + b"{}]", "NSE", 60, BEGIN, END)
    assert found.rejected == {"no datetime": MOST_ROWS}


@pytest.mark.parametrize(
    ("exchange", "text", "begins"),
    [
        ("NSE", "2024-01-10", "2024-01-10T03:45:00+00:00"),
        ("SIM", "2024-01-13", "2024-01-12T18:30:00+00:00"),  # a Saturday, from midnight in India
        ("SIM", "2024-01-13T15:30:00", "2024-01-12T18:30:00+00:00"),
        ("BINANCE", "2024-01-13", "2024-01-13T00:00:00+00:00"),
    ],
)
def test_a_day_begins_where_the_days_bars_begin(exchange: str, text: str, begins: str) -> None:
    body = b'[{"datetime": "%s", "open": 1, "high": 1, "low": 1, "close": 1}]' % text.encode()
    found = read_history(body, exchange, 86_400, BEGIN, END)
    assert [instant(time).isoformat() for time in found.bars.time.tolist()] == [begins]
