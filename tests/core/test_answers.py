"""Blocks of answers: pack them, read rows, count and filter by status, and handle broken blocks."""

import math

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.jobs.core.answers import count_of_status, lost, pack, places_of_status, rows_of_status, whole, without_value
from batch.jobs.core.items import Items
from signalsite.foundation.blocks import json_lines

KEYS = [f"NSE@NIFTY@equity_options@2026-12-29@call@{24_000 + 50 * place}" for place in range(6)]
WORDS = st.sampled_from(["ok", "no_price", "expired"])
VALUES = st.none() | st.floats(allow_nan=False, allow_infinity=False)


def items(count: int, **more: object) -> Items:
    return Items(KEYS[:count], [None] * count, **more)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, VALUES), min_size=1, max_size=6))
def test_rows_come_back_as_they_went_in(rows: list[tuple[str, float | None]]) -> None:
    words, values = zip(*rows, strict=True)
    asked = items(len(rows))
    block = pack(asked, {"status": list(words), "delta": [math.nan if v is None else v for v in values]})
    table = whole(block.data, asked.to_block(), 100)
    expected = [
        {"position": 100 + place, "custom_id": None, "instrument_key": KEYS[place], "status": word, "delta": value}
        for place, (word, value) in enumerate(rows)
    ]
    assert [orjson.loads(line) for line in json_lines(table).splitlines()] == expected
    assert block.rows == len(rows) and block.completed == words.count("ok")
    for word in ("", "failed", "ok", "expired"):
        found = [
            place for place, each in enumerate(words) if not word or each == word or (word == "failed" and each != "ok")
        ]
        assert rows_of_status(table, word).tolist() == found
        assert count_of_status(block.counts, word) == len(found)
    wanted = [place for place, word in enumerate(words) if word in ("no_price", "expired")]
    assert places_of_status(block.data, ("no_price", "expired")).tolist() == wanted


def test_an_item_may_have_many_rows() -> None:
    asked = items(3)
    item = np.array([0, 0, 1, 2, 2])
    block = pack(asked, {"status": ["ok", "ok", "expired", "ok", "no_price"], "delta": [1.0, 2, 3, 4, 5]}, item)
    table = whole(block.data, asked.to_block(), 10)
    assert table.column("position").to_pylist() == [10, 10, 11, 12, 12]
    assert table.column("instrument_key").to_pylist() == [KEYS[place] for place in item]
    assert (block.rows, block.completed) == (5, 1)
    assert places_of_status(block.data, ("no_price", "expired")).tolist() == [1, 2]


def test_what_was_wrong_at_the_door_stands() -> None:
    asked = items(3, refused={1: "no key"})
    columns = {"status": ["ok"] * 3, "reason": [None] * 3, "retryable": [False] * 3, "delta": [0.1, 0.2, 0.3]}
    rows = whole(pack(asked, columns).data, asked.to_block(), 0).to_pylist()
    assert [(row["status"], row["reason"], row["delta"]) for row in rows] == [
        ("ok", None, 0.1),
        ("bad_input", "no key", None),
        ("ok", None, 0.3),
    ]
    assert [row["retryable"] for row in rows] == [False, False, False]


def test_items_that_were_not_computed_say_why() -> None:
    asked = items(2, refused={0: "no key"})
    block = without_value(asked, ("status", "reason", "retryable", "delta"), "cancelled", "the job was cancelled")
    rows = whole(block.data, asked.to_block(), 0).to_pylist()
    assert [(row["status"], row["reason"], row["retryable"]) for row in rows] == [
        ("bad_input", "no key", False),
        ("cancelled", "the job was cancelled", True),
    ]
    assert (block.completed, dict(block.counts)) == (0, {"bad_input": 1, "cancelled": 1})


@pytest.mark.parametrize("broken", [b"", b"none", b"\xff" * 100])
def test_answers_are_read_though_their_items_are_broken(broken: bytes) -> None:
    block = pack(items(2), {"status": ["ok", "ok"]})
    assert whole(block.data, broken, 5).to_pylist() == [
        {"position": position, "custom_id": None, "instrument_key": None, "status": "ok"} for position in (5, 6)
    ]


def test_lost_answers_are_as_many_rows_that_say_so() -> None:
    assert [(row["position"], row["status"], row["retryable"]) for row in lost(2, 7).to_pylist()] == [
        (7, "internal_error", False),
        (8, "internal_error", False),
    ]
