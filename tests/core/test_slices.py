"""A sliced body has the same items as a whole one, wherever the cuts fall. Errors name what is wrong."""

import io
import random
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from batch.jobs.core import slices
from batch.jobs.core.items import Given, ItemReader, Items, read_given
from batch.jobs.core.slices import Slices, read_json, read_ndjson
from signalsite.foundation.computations.contract import Bounds
from signalsite.foundation.errors import InvalidInput

STRINGS = ["", "a", '"', "\\", '\\"', "],", "}", "[{", 'x","y', "\n", "é", "\u2028", "😀", '"items":[', "a\\"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_BYTES", 64)
    monkeypatch.setattr(slices, "LARGEST_ITEM", 512)


def value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(7 if depth < 3 else 4)
    if kind == 0:
        return chance.choice([None, True, -1.5e300, 7, 10**18])
    if kind < 4:
        return "".join(chance.choices(STRINGS, k=chance.randrange(4)))
    if kind == 4:
        return [value(chance, depth + 1) for _ in range(chance.randrange(3))]
    return {chance.choice(STRINGS): value(chance, depth + 1) for _ in range(chance.randrange(3))}


def spaced(chance: random.Random, body: Any) -> bytes:
    """Return JSON with optional spaces everywhere, and with some needless escapes."""
    if isinstance(body, dict):
        inner = b",".join(spaced(chance, key) + b":" + spaced(chance, each) for key, each in body.items())
        written = b"{" + inner + b"}"
    elif isinstance(body, list):
        written = b"[" + b",".join(spaced(chance, each) for each in body) + b"]"
    else:
        written = orjson.dumps(body)
        if isinstance(body, str) and chance.random() < 0.3:
            written = b'"' + b"".join(b"\\u%04x" % unit for unit in _units(body)) + b'"'
    return chance.choice([b"", b"", b" ", b"\n\t"]) + written + chance.choice([b"", b" "])


def _units(text: str) -> Iterator[int]:
    data = text.encode("utf-16-be")
    return (int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))


def read(body: bytes) -> Any:
    return read_json(io.BytesIO(body), len(body))


@pytest.mark.parametrize("seed", range(300))
def test_slices_hold_what_the_body_held(seed: int) -> None:
    chance = random.Random(seed)
    fields = [(chance.choice(STRINGS), value(chance)) for _ in range(chance.randrange(4))]
    fields.insert(chance.randrange(len(fields) + 1), ("items", [value(chance) for _ in range(chance.randrange(30))]))
    body = spaced(chance, dict(fields)).strip()
    if len(body) > 4000 or any(len(orjson.dumps(item)) > 200 for item in dict(fields)["items"]):
        return
    whole, cut = orjson.loads(body), read(body)
    assert {name: each for name, each in cut.items() if name != "items"} == {
        name: each for name, each in whole.items() if name != "items"
    }
    for _ in range(2):  # it can be iterated repeatedly
        assert [item for some in cut["items"] for item in some] == whole["items"]
    assert len(cut["items"]) == len(whole["items"])


@pytest.mark.parametrize("rest", [b"{}", b'{"items":7}', b'{"items":null}', b'{"a":{"items":[1]}}', b"[1]", b'"items"'])
def test_a_body_without_a_list_of_items_is_read_whole(rest: bytes) -> None:
    assert read(rest) == orjson.loads(rest)


MANY = b",".join(b'{"instrument_key":"K%d"}' % number for number in range(100))


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        (b'{"items":[' + MANY, "body", "ends within items"),
        (b'{"items":[' + MANY + b"]", "body", "not JSON"),
        (b'{"items":[' + MANY + b'],"items":[1]}', "items", "given twice"),
        (b'{"items":[' + MANY + b"]} {}", "body", "not JSON"),
        (b'{"items":[' + MANY + b",]}", "body", "not JSON"),
        (b'{"items":[' + MANY + b"," + b" " * 400 + b"]}", "body", "a value is missing"),
        (b'{"items":[,' + MANY + b"]}", "body", "not JSON"),
        (b'{"items":[' + MANY + b",," + MANY + b"]}", "body", "not JSON"),
        (b'{"items":[' + MANY + b'},"a"]}', "body", "not JSON"),
        (b'{"items":[' + MANY + b"}}", "body", "not JSON: items is closed by a brace"),
        (b'{"items":[}}', "body", "not JSON: items is closed by a brace"),
        (b'{"items":[' + MANY + b',"\xff\xfe"]}', "body", "not JSON"),
        (b'{"items":[' + MANY + b",NaN]}", "body", "not JSON"),
        (b'{"items":[' + MANY + b',"' + b"x" * 1000 + b'"]}', "items[100]", "may have 512 bytes"),
        (b'{"items":[' + MANY + b"," + b"[" * 3000 + b"]" * 3000 + b"]}", "items[100]", "may have 512 bytes"),
        (b'{"items":[' + MANY + b"," + b" " * 3000 + b"]}", "items[100]", "may have 512 bytes"),
        (b'{"a":"' + b"x" * (2 << 20) + b'","items":[1]}', "body", "all but the items"),
        (b'{"items":[1],"a":"' + b"x" * (2 << 20) + b'"}', "body", "all but the items"),
        (b'{"items":null,"a":"' + b"x" * (2 << 20) + b'"}', "body", "all but the items"),
        (b" " * (3 << 20) + b'{"items":[1]}', "body", "all but the items"),
        (b" [" + b'"x",' * (1 << 20) + b'"x"]', "body", "must be a JSON object"),
        (b'"' + b"x" * (2 << 20) + b'"', "body", "must be a JSON object"),
        (b'{"items": "' + b"x" * (2 << 20) + b'"}', "items", "items must be a list"),
        (b'{"a":1,"items":{"b":"' + b"x" * (2 << 20) + b'"}}', "items", "items must be a list"),
        (b'{"items":7,"a":"' + b"x" * (2 << 20) + b'"}', "items", "items must be a list"),
    ],
)
def test_unreadable_bodies(body: bytes, field: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        list(read(body)["items"])
    assert caught.value.field == field


class TestLines:
    def test_the_first_is_the_submission_and_each_other_an_item(self) -> None:
        lines = b'{"kind":"greeks"}\r\n' + b"\n\n".join(b'"K%d"' % number for number in range(50))
        data = read_ndjson(io.BytesIO(lines))
        assert data["kind"] == "greeks" and len(data["items"]) == 50
        assert [item for some in data["items"] for item in some] == [f"K{number}" for number in range(50)]

    def test_only_a_first_line_has_no_items(self) -> None:
        assert read_ndjson(io.BytesIO(b'{"selector":{}}\n')) == {"selector": {}}

    @pytest.mark.parametrize(
        ("body", "field", "words"),
        [
            (b"", "body", "first line is not JSON"),
            (b"[]\n", "body", "must be an object"),
            (b'{"items":[]}\n1', "items", "the lines after the first"),
            (b"{}\n" + b'"K"\n' * 40 + b'"a","b"\n', "items[40]", "not JSON"),
            (b"{}\n" + b'"K"\n' * 40 + b'{"a":\n1}\n', "items[40]", "not JSON"),
            (b"{}\n" + b'"K"\n' * 40 + b'"' + b"x" * 2000 + b'"\n', "items[40]", "may have 512 bytes"),
        ],
    )
    def test_unreadable_lines(self, body: bytes, field: str, words: str) -> None:
        with pytest.raises(InvalidInput, match=words) as caught:
            list(read_ndjson(io.BytesIO(body))["items"])
        assert caught.value.field == field


def given(raw: list[Any]) -> Given:
    body = orjson.dumps({"items": raw})
    data = read_json(io.BytesIO(body), len(body))
    assert isinstance(data["items"], Slices)
    return read_given(data["items"], {"price": Bounds(0.0, 10.0)}, most=1000, exchange="NSE")


def test_chunks_are_the_same_items_however_the_body_was_cut() -> None:
    raw = [
        {"instrument_key": f"K{n}", "custom_id": f"id{n % 70}", **({"price": n} if n % 3 else {})} for n in range(200)
    ]
    whole = ItemReader({"price": Bounds(0.0, 10.0)}, "NSE").read(raw)
    assert len(whole.refused) > 130
    for size in (1, 7, 199, 200, 500):
        chunks = list(given(raw).chunks(size))
        assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
        joined = Items([], [])
        for chunk in chunks:
            joined.append(chunk)
        assert (joined.keys, joined.custom_ids, joined.refused) == (whole.keys, whole.custom_ids, whole.refused)
        usable = {place: price for place, price in joined.overrides["price"].items() if place not in joined.refused}
        assert usable == {
            place: price for place, price in whole.overrides["price"].items() if place not in whole.refused
        }


def test_an_element_that_is_no_item_is_named_by_its_place_in_the_body() -> None:
    with pytest.raises(InvalidInput) as caught:
        list(given([f"K{n}" for n in range(150)] + [7]).chunks(10))
    assert caught.value.field == "items[150]"


def test_too_many_are_refused_before_any_is_read() -> None:
    with pytest.raises(InvalidInput, match="1 to 1000 items, not 1001"):
        given(["K"] * 1001)
