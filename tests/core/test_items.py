"""Read a request's items: an invalid list is refused, and an invalid item affects no other."""

import pytest

from batch.jobs.core.answers import pack, whole
from batch.jobs.core.chunk_size import chunk_size
from batch.jobs.core.items import Given, Items, read_items
from signalsite.foundation.computations.columns import UNDERLYING
from signalsite.foundation.computations.contract import Bounds
from signalsite.foundation.errors import InvalidInput

OVERRIDES = {"price": Bounds(0.0, 1e12, above=0.0), "rate": Bounds(-0.5, 1.0)}
KEY = "NSE@NIFTY@equity_options@2026-12-29@call@26000"


def read(*raw: object) -> Items:
    return read_items(list(raw), OVERRIDES, most=100, exchange="NSE")


def test_bare_keys_and_objects_are_both_items() -> None:
    items = read(KEY, {"instrument_key": KEY, "custom_id": "a", "price": 12, "rate": None})
    assert items.keys == [KEY, KEY]
    assert items.custom_ids == [None, "a"]
    assert items.overrides == {"price": {1: 12.0}}
    assert items.refused == {}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({}, "instrument_key must be a string"),
        ({"instrument_key": 7}, "instrument_key must be a string"),
        ({"instrument_key": ""}, "instrument_key must be a string"),
        ({"instrument_key": "X" * 200}, "1 to 120 characters"),
        ({"instrument_key": "A\x00B"}, "instrument_key must be a string"),
        ({"instrument_key": KEY, "custom_id": 7}, "custom_id must be a string"),
        ({"instrument_key": KEY, "custom_id": ""}, "custom_id must be a string"),
        ({"instrument_key": KEY, "custom_id": "twice"}, "custom_id 'twice' is repeated"),
        (
            {"instrument_key": KEY, "pirce": 3},
            "unknown field 'pirce': an item takes instrument_key, custom_id, price, rate",
        ),
        ({"instrument_key": KEY, "price": "3"}, "price must be a number"),
        ({"instrument_key": KEY, "price": True}, "price must be a number"),
        ({"instrument_key": KEY, "price": float("inf")}, "price must be a number"),
        ({"instrument_key": KEY, "price": 0}, "price must be over 0 and at most 1e+12, not 0"),
        ({"instrument_key": KEY, "rate": 2}, "rate must be from -0.5 to 1, not 2"),
    ],
)
def test_a_bad_item_is_refused_alone(item: object, words: str) -> None:
    items = read({"instrument_key": KEY, "custom_id": "twice"}, item, KEY)
    assert list(items.refused) == [1]
    assert words in items.refused[1]
    assert len(items) == 3


TERMS = {"underlying": "NIFTY", "expiry": "2026-12-29", "strike": 26000, "option_type": "call"}


def test_an_option_may_be_named_by_its_terms() -> None:
    items = read(
        {**TERMS, "custom_id": "a", "price": 12},
        {**TERMS, "exchange": "SIM", "instrument_key": None, "rate": 0.05},
        {"instrument_key": KEY, **dict.fromkeys(TERMS), "exchange": None},
        {**TERMS, "custom_id": "a"},
    )
    assert items.keys == [KEY, KEY.replace("NSE", "SIM"), KEY, KEY]
    assert items.custom_ids == ["a", None, None, "a"]
    assert items.overrides == {"price": {0: 12.0}, "rate": {1: 0.05}}
    assert items.refused == {3: "custom_id 'a' is repeated: an earlier item has it"}


BAD_TERMS: list[tuple[dict[str, object], str]] = [
    ({"instrument_key": KEY}, "an item has instrument_key, or underlying, expiry, strike and option_type, not both"),
    ({"instrument_key": 7}, "an item has instrument_key, or underlying"),
    *(({name: None}, f"{name} is missing") for name in TERMS),
    *(({name: True}, f"{name} must be") for name in (*TERMS, "exchange")),
    *(({name: "\x00"}, f"{name} must be") for name in (*TERMS, "exchange")),
    *(({name: [[]]}, f"{name} must be") for name in (*TERMS, "exchange")),
    *(({name: 10**400}, f"{name} must be") for name in (*TERMS, "exchange")),
    *(({name: "x" * 10**6}, f"{name} must be") for name in (*TERMS, "exchange")),
    *(({"strike": number}, "strike must be") for number in (0, -1, float("inf"), float("nan"), 1e-9, 1e12, "26000")),
    ({"option_type": "CE"}, "option_type must be call or put, not 'CE'"),
    ({"expiry": "29-DEC-2026"}, "expiry must be a date from 1970 to 2199 as YYYY-MM-DD, not '29-DEC-2026'"),
    ({"price": "12"}, "price must be a number"),
    (
        {"product": "equity_options"},
        "unknown field 'product': an item takes instrument_key, custom_id, price, rate, or",
    ),
]


def test_forty_bad_namings_are_refused_each_alone() -> None:
    items = read(*(each for bad, _ in BAD_TERMS for each in ({**TERMS, **bad}, {**TERMS})))
    assert len(BAD_TERMS) >= 40
    assert sorted(items.refused) == list(range(0, 2 * len(BAD_TERMS), 2))
    for place, (bad, words) in enumerate(BAD_TERMS):
        reason = items.refused[2 * place]
        assert reason.startswith(words) and len(reason) < 250, (str(bad)[:80], reason)
        assert items.keys[2 * place + 1] == KEY
    assert Items.from_block(items.to_block()) == items


@pytest.mark.parametrize(
    ("raw", "field"),
    [("text", "items"), ([], "items"), ([KEY] * 101, "items"), ([KEY, 7], "items[1]"), ([None], "items[0]")],
)
def test_an_unreadable_list_names_the_field(raw: object, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_items(raw, OVERRIDES, most=100, exchange="NSE")  # type: ignore[arg-type]
    assert caught.value.field == field


def test_parts_survive_as_blocks_and_keep_their_places() -> None:
    items = read(
        *({"instrument_key": KEY, "custom_id": str(n), "price": n + 1} for n in range(5)), {"instrument_key": 3}, KEY
    )
    part = items.part(3, 7)
    assert part.overrides == {"price": {0: 4.0, 1: 5.0}}
    assert list(part.refused) == [2]
    assert Items.from_block(part.to_block()) == part
    assert items.part(3, 7).to_block() == part.to_block()
    assert Items.from_block(items.part(6, 7).to_block()) == Items([KEY], [None])


def test_items_are_taken_over_with_their_overrides() -> None:
    items = read(*({"instrument_key": KEY, "custom_id": str(n), "price": n + 1} for n in range(5)), KEY)
    some = Items([], [])
    some.extend(items, [1, 5, 4])
    assert some == Items([KEY] * 3, ["1", None, "4"], {"price": {0: 2.0, 2: 5.0}})


def test_items_are_taken_over_with_what_is_wrong_with_them() -> None:
    twice = {"instrument_key": KEY, "custom_id": "twice"}
    items = read(twice, KEY, {"instrument_key": 7}, twice, {"instrument_key": KEY, "price": -1})
    assert sorted(items.refused) == [2, 3, 4]
    some = Items([KEY], [None])
    some.extend(items, range(len(items)))
    assert some.refused == {at + 1: reason for at, reason in items.refused.items()}
    assert some.custom_ids == [None, *items.custom_ids]


@pytest.mark.parametrize(
    ("total", "workers", "size"),
    [(1, 2, 500), (1000, 2, 500), (10_000, 2, 1250), (100_000, 2, 5000), (100_000, 16, 1563)],
)
def test_chunk_size_stays_within_its_bounds(total: int, workers: int, size: int) -> None:
    assert chunk_size(total, workers) == size


def test_chunk_size_may_be_fixed() -> None:
    assert chunk_size(100_000, 2, fixed=10_000) == 10_000
    assert chunk_size(100, 2, fixed=20_000) == 20_000


@pytest.mark.parametrize(
    ("fixed", "rows", "size"), [(5000, 1000, 20), (10, 1000, 10), (20_000, 2, 10_000), (5, 10**6, 1)]
)
def test_a_fixed_chunk_size_is_bounded_by_rows(fixed: int, rows: int, size: int) -> None:
    assert chunk_size(5000, 2, fixed=fixed, rows=rows) == size


def test_items_of_another_kind_have_its_field() -> None:
    raw = ["NIFTY", {"underlying": "BSE@SENSEX", "custom_id": "x"}, {"instrument_key": KEY}, {"underlying": 7}]
    items = read_items(raw, {}, most=9, exchange="NSE", kind=UNDERLYING)
    assert (items.keys, items.key_name) == (["NSE@NIFTY", "BSE@SENSEX", "", ""], "underlying")
    assert list(items.refused) == [2, 3] and all(
        why.endswith("an item has underlying") for why in items.refused.values()
    )
    assert Items.from_block(items.to_block()) == items
    (chunk,) = Given.whole(items).chunks(9)
    assert chunk == items
    block = pack(items, {"status": ["ok"] * 4, "reason": [None] * 4, "retryable": [False] * 4})
    assert whole(block.data, items.to_block(), 0).column("underlying").to_pylist() == items.keys
