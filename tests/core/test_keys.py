"""The grammar of instrument keys: parsing and formatting are inverses, and an error names the wrong part."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeframes.core.keys import (
    InstrumentKey,
    InvalidInstrumentKey,
    Product,
    Right,
    complete_key,
    format_strike,
    parse_key,
)

names = st.from_regex(r"[A-Z0-9][A-Z0-9&._/-]{0,15}", fullmatch=True)
exchanges = st.from_regex(r"[A-Z][A-Z0-9]{0,7}", fullmatch=True)
strikes = st.decimals(min_value="0.0001", max_value="999999999", places=4)
expiries = st.dates(date(1970, 1, 1), date(2199, 12, 31))
contracts = st.builds(
    InstrumentKey,
    exchanges,
    names,
    st.sampled_from([product for product in Product if product.is_option]),
    expiries,
    st.sampled_from([Right.CALL, Right.PUT]),
    strikes,
)
futures = st.builds(
    InstrumentKey, exchanges, names, st.sampled_from([Product.EQUITY_FUTURES, Product.CRYPTO_FUTURES]), expiries
)
spots = st.builds(
    InstrumentKey, exchanges, names, st.sampled_from([Product.EQUITY_SPOT, Product.CRYPTO_SPOT, Product.UNDERLYING])
)
coins = st.from_regex(r"[A-Z0-9]{1,8}", fullmatch=True)
pairs = st.builds(lambda base, quote: InstrumentKey("", f"{base}/{quote}", Product.CRYPTO_SPOT), coins, coins)


@given(contracts | futures | spots | pairs)
def test_parse_inverts_format(key: InstrumentKey) -> None:
    text = str(key)
    assert parse_key(text) == key
    assert str(parse_key(text)) == text


@pytest.mark.parametrize(
    ("text", "key", "underlying", "spot"),
    [
        ("NSE@NIFTY", InstrumentKey("NSE", "NIFTY"), "NSE@NIFTY", "NSE@NIFTY@equity_spot"),
        (
            "NSE@M&M@equity_futures@2025-03-27",
            InstrumentKey("NSE", "M&M", Product.EQUITY_FUTURES, date(2025, 3, 27)),
            "NSE@M&M",
            "NSE@M&M@equity_spot",
        ),
        (
            "DERIBIT@BTC@crypto_options@2020-05-22@put@9000",
            InstrumentKey("DERIBIT", "BTC", Product.CRYPTO_OPTIONS, date(2020, 5, 22), Right.PUT, Decimal(9000)),
            "DERIBIT@BTC",
            "DERIBIT@BTC@crypto_spot",
        ),
        ("BTC/USDT", InstrumentKey("", "BTC/USDT", Product.CRYPTO_SPOT), "BTC/USDT", "BTC/USDT"),
    ],
)
def test_examples(text: str, key: InstrumentKey, underlying: str, spot: str) -> None:
    assert parse_key(text) == key
    assert (key.underlying, key.spot) == (underlying, spot)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "key"),
        ("NIFTY", "key"),
        ("NSE@" + "N" * 200, "key"),
        ("nse@NIFTY", "exchange"),
        ("@NIFTY", "exchange"),
        ("5SE@NIFTY", "exchange"),
        ("NSE@", "symbol"),
        ("NSE@nifty", "symbol"),
        ("NSE@NIFTY\n", "symbol"),
        ("NSE@NIFTY@", "product"),
        ("NSE@NIFTY@options", "product"),
        ("NSE@NIFTY@equity_spot@2025-03-27", "product"),
        ("NSE@NIFTY@equity_futures", "product"),
        ("NSE@NIFTY@equity_options@2025-03-27", "product"),
        ("NSE@NIFTY@equity_options@2025-03-27@call@23500@x", "product"),
        ("NSE@NIFTY@equity_futures@27-Mar-2025", "expiry"),
        ("NSE@NIFTY@equity_futures@20250327", "expiry"),
        ("NSE@NIFTY@equity_futures@2025-02-30", "expiry"),
        ("NSE@NIFTY@equity_futures@0001-01-01", "expiry"),
        ("NSE@NIFTY@equity_futures@9999-12-31", "expiry"),
        ('NSE@NI"FTY', "symbol"),
        ("NSE@NI\\FTY", "symbol"),
        ("NSE@NI\0FTY", "symbol"),
        ("NSE@NIFTY@equity_options@2025-03-27@CE@23500", "right"),
        *(
            (f"NSE@NIFTY@equity_options@2025-03-27@call@{strike}", "strike")
            for strike in (
                "0",
                "0.0",
                "-5",
                "+5",
                "1e3",
                "23500.0",
                "023500",
                "23500.",
                ".5",
                "nan",
                "",
                "1" + "0" * 12,
                "12345678901234567890",
                "0.0000001",
                "\uff12\uff13",
            )
        ),
        ("/USDT", "base"),
        ("BTC/", "quote"),
        ("btc/USDT", "base"),
        ("BTC/USDT/EUR", "quote"),
        ("BTC/\uff35SDT", "quote"),
    ],
)
def test_a_bad_key_names_its_bad_part(text: str, part: str) -> None:
    with pytest.raises(InvalidInstrumentKey) as error:
        parse_key(text)
    assert (error.value.part, error.value.field) == (part, "instrument_key")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("NIFTY", "NSE@NIFTY"),
        ("M&M", "NSE@M&M"),
        ("NIFTY@equity_spot", "NSE@NIFTY@equity_spot"),
        ("NIFTY@equity_options@2026-12-29@call@24000", "NSE@NIFTY@equity_options@2026-12-29@call@24000"),
    ],
)
def test_a_bare_symbol_gets_its_exchange_once(text: str, whole: str) -> None:
    assert complete_key(text, "NSE") == complete_key(whole, "BSE") == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nifty",
        "BTC/USDT",
        "@",
        "@NIFTY",
        "NIFTY@",
        "NIFTY@spot",
        "NIFTY@@",
        "NI FTY",
        "N\0",
        "NIFTY\n",
        "\ud800",
        ":",
    ],
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert complete_key(text, "NSE") == text


@given(st.text(max_size=40), st.text(max_size=40))
def test_completing_again_changes_nothing(symbol: str, rest: str) -> None:
    for text in (symbol, f"{symbol}@{rest}", f"{symbol}@equity_spot{rest}"):
        whole = complete_key(text, "NSE")
        assert complete_key(whole, "BSE") == whole


def test_products_know_their_kind() -> None:
    assert [product.value for product in Product if product.is_future] == ["equity_futures", "crypto_futures"]
    assert [product.value for product in Product if product.is_option] == ["equity_options", "crypto_options"]


@pytest.mark.parametrize(
    ("strike", "text"), [("23500.00", "23500"), ("1E+2", "100"), ("102.50", "102.5"), ("0.05", "0.05"), ("10", "10")]
)
def test_strikes_are_written_in_one_way(strike: str, text: str) -> None:
    assert format_strike(Decimal(strike)) == text
