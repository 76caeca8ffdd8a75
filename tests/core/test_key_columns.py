"""Key columns: what the keys say, whatever stands among them."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.jobs.core.key_columns import key_columns
from signalsite.foundation.computations.columns import INSTRUMENT, KEY_COLUMNS
from signalsite.foundation.computations.files import choose_columns, split_names
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import InvalidInstrumentKey, parse_key

KEYS = [
    "NSE@NIFTY@equity_options@2026-12-29@call@23500",
    "NSE@NIFTY@equity_options@2026-12-29@put@102.5",
    "DERIBIT@BTC@crypto_options@2026-12-25@call@100000",
    "NSE@M&M@equity_options@2026-12-29@call@3000",
    "NSE@NIFTY@equity_futures@2026-12-29",
    "NSE@NIFTY@equity_spot",
    "NSE@NIFTY",
    "BTC/USDT",
    "NSE@NIFTY@equity_options@2026-02-30@call@1",
    "NSE@NIFTY@equity_futures@2026-12-29@call@1",
    "NSE@NIFTY@equity_options@2026-12-29@both@1",
    "NSE@NIFTY@equity_options@2026-12-29@call@01",
    "@@@",
    "a@b@c@d",
    "{}@{}@equity_options@2026-12-29@call@1",
    "",
    None,
]


def read(key: str | None) -> list[object]:
    try:
        found = parse_key(key or "")
    except InvalidInstrumentKey:
        return [None] * 4
    strike = None if found.strike is None else float(found.strike)
    return [found.underlying, str(found.expiry) if found.expiry else None, strike, found.right.value or None]


@given(st.lists(st.sampled_from(KEYS) | st.text(), max_size=30) | st.lists(st.sampled_from(KEYS[:4]), max_size=30))
def test_columns_are_what_each_key_says(keys: list[str | None]) -> None:
    columns = key_columns(pa.chunked_array([pa.array(keys, pa.string())]))
    assert [list(row) for row in zip(*(column.to_pylist() for column in columns), strict=True)] == list(map(read, keys))
    assert [str(column.type) for column in columns] == ["string", "string", "double", "string"]


def test_files_begin_alike_and_no_name_is_given_twice() -> None:
    for computation in computations().values():
        names = [column.name for column in computation.file_columns]
        assert len(set(names)) == len(names)
        assert names[2] == computation.item_kind.column.name
        if computation.item_kind is INSTRUMENT:
            assert [name.removesuffix("_key") for name in names[3:7]] == [column.name for column in KEY_COLUMNS]
    assert "underlying_key" in [column.name for column in computations()["greeks_grid"].file_columns]


def test_columns_are_chosen_in_the_order_named() -> None:
    greeks = computations()["greeks"]
    assert choose_columns(greeks, {}) == greeks.file_columns_for({})
    assert [column.name for column in choose_columns(greeks, {}, split_names("vega, strike"))] == ["vega", "strike"]
    for names, words in (("vega,veg", "no field 'veg'"), ("vega,vega", "named 2 times"), (",", "no field ''")):
        with pytest.raises(InvalidInput, match=words) as error:
            choose_columns(greeks, {}, split_names(names))
        assert error.value.field == "fields"
