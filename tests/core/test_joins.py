"""The grammar of joined columns: one text for one join, and errors that say what would be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.computations.historical_greeks import HistoricalGreeks
from signals.functions.core.joins import (
    GREEK_ALIASES,
    GREEK_COLUMNS,
    MOST_JOINS,
    Kind,
    check_column_name,
    other_keys,
    parse_join,
    parse_joins,
    read_joins,
)
from signalsite.foundation.errors import InvalidInput

SPOT = "NSE@NIFTY@equity_spot"


@pytest.mark.parametrize(
    ("text", "kind", "column", "written"),
    [
        ("indicators:rsi", Kind.INDICATORS, "RSI_14", "indicators:rsi"),
        ("indicators:rsi( length = 14 )", Kind.INDICATORS, "RSI_14", "indicators:rsi"),
        ("indicators:rsi(length=21)", Kind.INDICATORS, "RSI_21", "indicators:rsi(length=21)"),
        ("indicators:rsi#RSI_14", Kind.INDICATORS, "RSI_14", "indicators:rsi"),
        ("indicators:macd#MACDs_12_26_9", Kind.INDICATORS, "MACDs_12_26_9", "indicators:macd#MACDs_12_26_9"),
        ("greeks:delta", Kind.GREEKS, "delta", "greeks:delta"),
        ("greeks:iv", Kind.GREEKS, "implied_volatility", "greeks:implied_volatility"),
        (f"bars:{SPOT}:close", Kind.BARS, "close", f"bars:{SPOT}:close"),
        ("bars:BTC/USDT:volume", Kind.BARS, "volume", "bars:BTC/USDT:volume"),
    ],
)
def test_reads_a_join_and_writes_its_one_text(text: str, kind: Kind, column: str, written: str) -> None:
    join = parse_join(text, "join.x")
    assert (join.kind, join.column, str(join)) == (kind, column, written)
    assert parse_join(written, "join.x") == join


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "must be a text"),
        (["greeks:iv"], "must be a text"),
        (10**400, "must be a text"),
        ("", "no source"),
        ("rsi", "indicators:SPEC"),
        ("quotes:bid", "no source"),
        ("greeks:", "there are"),
        ("greeks:dleta", "the nearest are delta"),
        ("greeks:status", "none of the Greeks"),
        ("greeks:delta ", "none of the Greeks"),
        ("indicators:", "no indicator"),
        ("indicators:rsii", "nearest"),
        ("indicators:rsi(length=0)", "must be"),
        ("indicators:rsi#", "none of the outputs"),
        ("indicators:macd", "add one: #MACD_12_26_9 or #"),
        ("indicators:macd#MACD", "none of the outputs of macd"),
        ("indicators:macd#MACD_12_26_9#x", "none of the outputs"),
        ("bars:", "bars:INSTRUMENT_KEY:COLUMN"),
        (f"bars:{SPOT}", "bars:INSTRUMENT_KEY:COLUMN"),
        (f"bars:{SPOT}:vwap", "none of the columns of bars"),
        ("bars:nifty:close", "a key is"),
        ("bars:" + "A" * 200 + ":close", "at most 120"),
        ("bars:" + "A" * 10**6, "over 300 characters"),
        ("bars:NSE@NIFTY\0@equity_spot:close", "symbol"),
        ("greeks:\n'\"", "none of the Greeks"),
    ],
)
def test_says_what_would_be_right(text: object, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_join(text, "join.x")
    assert says in str(caught.value)
    assert caught.value.field.startswith("join.x")
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("name", ["close", "timestamp", "session", "session_begin", "benchmark"])
def test_a_join_hides_no_column_of_the_bars(name: str) -> None:
    with pytest.raises(InvalidInput, match="taken") as caught:
        check_column_name(name, "join")
    assert caught.value.field == f"join.{name}"


@pytest.mark.parametrize("name", ["", "Rsi", "1x", "a" * 65, "a b", "a\0", "ä", "x\n", 3, None])
def test_a_name_is_a_name(name: object) -> None:
    with pytest.raises(InvalidInput, match="1 to 64 characters"):
        check_column_name(name, "join")


def test_reads_many_in_order() -> None:
    joins = parse_joins({"b": f"bars:{SPOT}:close", "a": "greeks:iv", "c": f"bars:{SPOT}:volume"}, "join")
    assert [name for name, _ in joins] == ["b", "a", "c"]
    assert other_keys(joins) == (SPOT,)
    assert parse_joins({}, "join") == ()


def test_the_error_names_the_column() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_joins({"a": "greeks:iv", "b": "greeks:what"}, "join")
    assert caught.value.field == "join.b"


@pytest.mark.parametrize("given_", [None, [], "x", 3, {f"c{at}": "greeks:iv" for at in range(MOST_JOINS + 1)}])
def test_refuses_what_is_no_object_of_few(given_: object) -> None:
    with pytest.raises(InvalidInput):
        parse_joins(given_, "join")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "join"),
        ("[]", "join"),
        ("3", "join"),
        ("null", "join"),
        ('{"a": "greeks:iv", "a": "greeks:delta"}', "join.a"),
        ('{"a": {"b": {}}}', "join.a"),
        ("[" * 8000, "join"),
        ("{" + " " * 9000 + "}", "join"),
    ],
)
def test_reads_a_text_with_care(text: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_joins(text, "join")
    assert caught.value.field == field


def test_every_column_of_greeks_is_one_of_historical_greeks() -> None:
    numbers = [each.name for each in HistoricalGreeks().columns if each.type is float]
    assert set(GREEK_COLUMNS) <= set(numbers)
    assert set(GREEK_ALIASES.values()) <= set(GREEK_COLUMNS)
    assert not set(GREEK_ALIASES) & set(GREEK_COLUMNS)


@given(st.text(max_size=60), st.sampled_from(["", "indicators:", "greeks:", "bars:", "indicators:macd(", "bars:NSE@"]))
def test_any_text_is_a_join_or_an_error_that_names_the_field(text: str, prefix: str) -> None:
    try:
        join = parse_join(prefix + text, "join.x")
    except InvalidInput as error:
        assert error.field.startswith("join.x")
    else:
        assert parse_join(str(join), "join.x") == join
