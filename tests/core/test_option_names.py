"""An option named by its terms gets the key that the grammar gives it, or an error that names the wrong term."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalsite.foundation.computations.option_fields import OPTION_FIELDS
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import MAX_KEY_LENGTH, parse_key
from timeframes.core.option_names import option_key

TERMS: dict[str, Any] = {"underlying": "NIFTY", "expiry": "2026-12-29", "strike": 24125, "option_type": "call"}


@pytest.mark.parametrize(
    ("terms", "key"),
    [
        ({}, "NSE@NIFTY@equity_options@2026-12-29@call@24125"),
        ({"underlying": "SIM@NIFTY"}, "SIM@NIFTY@equity_options@2026-12-29@call@24125"),
        ({"underlying": "SIM@NIFTY", "exchange": "SIM"}, "SIM@NIFTY@equity_options@2026-12-29@call@24125"),
        ({"exchange": "SIM"}, "SIM@NIFTY@equity_options@2026-12-29@call@24125"),
        ({"exchange": None, "option_type": "put"}, "NSE@NIFTY@equity_options@2026-12-29@put@24125"),
        ({"underlying": "BTC", "exchange": "DERIBIT"}, "DERIBIT@BTC@crypto_options@2026-12-29@call@24125"),
        ({"underlying": "BINANCE@BTC/USDT"}, "BINANCE@BTC/USDT@crypto_options@2026-12-29@call@24125"),
        ({"underlying": "XETRA@DAX"}, "XETRA@DAX@equity_options@2026-12-29@call@24125"),
        ({"strike": 102.5}, "NSE@NIFTY@equity_options@2026-12-29@call@102.5"),
        ({"strike": 24125.0}, "NSE@NIFTY@equity_options@2026-12-29@call@24125"),
        ({"strike": 1e11}, "NSE@NIFTY@equity_options@2026-12-29@call@100000000000"),
        ({"strike": 1e-6}, "NSE@NIFTY@equity_options@2026-12-29@call@0.000001"),
        ({"strike": 999_999_999_999}, "NSE@NIFTY@equity_options@2026-12-29@call@999999999999"),
        ({"expiry": "1970-01-01"}, "NSE@NIFTY@equity_options@1970-01-01@call@24125"),
        ({"instrument_key": None, "volatility": 0.2}, "NSE@NIFTY@equity_options@2026-12-29@call@24125"),
    ],
)
def test_terms_are_a_key(terms: dict[str, Any], key: str) -> None:
    assert option_key({**TERMS, **terms}, "NSE") == key


HOSTILE: list[tuple[str, Any]] = [
    *(
        ("underlying", text)
        for text in ("", " ", "nifty", "NSE@", "@NIFTY", "NSE@NIFTY@equity_spot", "A\0", "A\nB", "'")
    ),
    *(
        ("underlying", odd)
        for odd in ("X" * 121, "X" * 10**6, "NSE@" + "X" * 100, "\ud800", 7, True, [], {"a": 1}, b"X")
    ),
    *(("exchange", odd) for odd in ("", "nse", "N S E", "NSE@", "É", "X" * 10**6, 7, False, [], {})),
    *(
        ("expiry", odd)
        for odd in ("", "29-12-2026", "2026-02-30", "1969-12-31", "2200-01-01", "0001-01-01", "x" * 10**6)
    ),
    *(("expiry", odd) for odd in ("2026-12-29T00:00", "\uff12026-12-29", "2026-W53-2", 20261229, 1e9, True, [2026])),
    *(("strike", odd) for odd in (0, -0.0, -1, 10**12, 10**400, -(10**400), 1e-7, 0.1 + 0.2, 1e308, float("nan"))),
    *(("strike", odd) for odd in (float("inf"), float("-inf"), "24125", "", True, False, [1], {"a": 1})),
    *(("option_type", odd) for odd in ("CE", "PE", "C", "Call", "CALL", "", "call ", 1, True, ["call"], {"call": 1})),
]


@pytest.mark.parametrize(("term", "value"), HOSTILE)
def test_a_bad_term_is_named(term: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        option_key({**TERMS, term: value}, "NSE")
    assert caught.value.field == term
    said = str(caught.value)
    assert said.startswith(f"{term} ") and said.isprintable() and len(said) < 250
    said.encode()


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("null", [False, True])
def test_a_missing_term_is_named(term: str, null: bool) -> None:
    terms = {name: None if name == term else value for name, value in TERMS.items() if null or name != term}
    with pytest.raises(InvalidInput, match=f"{term} is missing: an option is named by underlying, expiry") as caught:
        option_key(terms, "NSE")
    assert caught.value.field == term


def test_an_exchange_that_contradicts_the_underlying() -> None:
    with pytest.raises(InvalidInput, match="exchange must be that of the underlying, 'NSE', not 'BSE'"):
        option_key({**TERMS, "underlying": "NSE@NIFTY", "exchange": "BSE"}, "NSE")


@given(
    underlying=st.from_regex(r"(?:[A-Z][A-Z0-9]{0,9}@)?[A-Z0-9][A-Z0-9&._/-]{0,40}", fullmatch=True),
    expiry=st.dates().map(str),
    strike=st.one_of(
        st.integers(-5, 2 * 10**12), st.decimals("0.000001", "999999999", places=6).map(float), st.floats(0, 1e13)
    ),
    option_type=st.sampled_from(["call", "put"]),
    exchange=st.sampled_from([None, "NSE", "DERIBIT", "MOON"]),
)
def test_every_key_follows_the_grammar(**terms: Any) -> None:
    try:
        text = option_key(terms, "SIM")
    except InvalidInput:
        return
    key = parse_key(text)
    assert str(key) == text and len(text) <= MAX_KEY_LENGTH
    assert (str(key.expiry), key.right.value) == (terms["expiry"], terms["option_type"])
    assert key.strike is not None and float(key.strike) == float(terms["strike"])
    assert key.symbol == terms["underlying"].rpartition("@")[2]


def test_the_largest_strike_is_that_of_the_schema() -> None:
    (bounds,) = (field.bounds for field in OPTION_FIELDS if field.name == "strike")
    assert bounds is not None
    assert option_key({**TERMS, "strike": bounds.highest}, "NSE").endswith("@999999999999.9999")
    with pytest.raises(InvalidInput, match="below 10\\^12"):
        option_key({**TERMS, "strike": math.nextafter(bounds.highest, math.inf)}, "NSE")
