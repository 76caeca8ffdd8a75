"""Submissions as Arrow streams give the same items as JSON, and hostile streams do no harm."""

import base64
import json
import random
import subprocess
import sys
from datetime import date
from typing import Any

import orjson
import pyarrow as pa
import pytest

from batch.jobs.core import arrow_items
from batch.jobs.core.arrow_items import ArrowItems, read_arrow
from batch.jobs.core.items import read_items
from batch.jobs.core.slices import LARGEST_HEAD
from signalsite.foundation.errors import InvalidInput

COLUMNS: dict[str, Any] = {
    "instrument_key": [f"K{n}" if n % 5 else None for n in range(100)],
    "custom_id": [f"own-{n}" if n % 3 else None for n in range(100)],
    "price": [float(n) if n % 2 else None for n in range(100)],
}
ITEMS = [{name: values[n] for name, values in COLUMNS.items() if values[n] is not None} for n in range(100)]


TERMS: dict[str, Any] = {
    "underlying": ["NIFTY", None],
    "expiry": ["2026-12-29", "2027-01-05"],
    "strike": [26000, 102],
    "option_type": ["call", "put"],
}


def stream(table: pa.Table, head: Any = None, **options: Any) -> bytes:
    if head is not None:
        table = table.replace_schema_metadata({b"submission": orjson.dumps(head)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=30)
    return sink.getvalue().to_pybytes()


def read(body: bytes) -> Any:
    return read_arrow(pa.py_buffer(body))


def items(body: bytes) -> list[Any]:
    return [item for some in read(body)["items"] for item in some]


@pytest.mark.parametrize("days", [TERMS["expiry"], [date(2026, 12, 29), date(2027, 1, 5)]])
def test_options_by_their_terms(days: list[Any]) -> None:
    found = items(stream(pa.table({**TERMS, "instrument_key": [None, "K"], "expiry": days})))
    first, second = ({name: values[n] for name, values in TERMS.items()} for n in range(2))
    assert found == [
        first,
        {"instrument_key": "K", **{name: second[name] for name in ("expiry", "strike", "option_type")}},
    ]


def test_days_that_no_calendar_has_are_texts() -> None:
    days = pa.array([-(2**31), 2**31 - 1], pa.int32()).cast(pa.date32())
    read_back = items(stream(pa.table({**TERMS, "expiry": days})))
    refused = read_items(read_back, {}, most=9, exchange="NSE").refused
    assert refused[0].startswith("expiry must be a date") and refused[1].startswith("underlying is missing")


def test_columns_are_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_items, "ROWS_AT_ONCE", 7)
    data = read(stream(pa.table(COLUMNS), {"kind": "greeks"}))
    assert data["kind"] == "greeks" and isinstance(data["items"], ArrowItems) and len(data["items"]) == 100
    for _ in range(2):
        assert [item for some in data["items"] for item in some] == ITEMS


@pytest.mark.parametrize(
    ("table", "field", "words"),
    [
        (pa.table({"price": [1.0]}), "items", "instrument_key"),
        (pa.table({"underlying": ["NIFTY"], "strike": [1.0]}), "items", "underlying, expiry, strike and option_type"),
        (pa.table({**TERMS, "strike": ["1", "2"]}), "items.strike", "of numbers"),
        (pa.table({**TERMS, "underlying": [1, 2]}), "items.underlying", "must be string"),
        (pa.table({**TERMS, "option_type": [True, False]}), "items.option_type", "must be string"),
        (pa.table({**TERMS, "expiry": pa.array([0, 1], pa.timestamp("ns"))}), "items.expiry", "must be string"),
        (pa.table({**TERMS, "expiry": pa.array([0, 1], pa.date64())}), "items.expiry", "must be string"),
        (pa.table({"instrument_key": [1]}), "items.instrument_key", "must be string"),
        (pa.table({"instrument_key": pa.array(["K"]).dictionary_encode()}), "items.instrument_key", "must be string"),
        (pa.table({"instrument_key": ["K"], "price": ["1"]}), "items.price", "of numbers"),
        (pa.table({"instrument_key": ["K"], "price": [[1.0]]}), "items.price", "of numbers"),
        (pa.table([["K"], ["K"]], names=["instrument_key", "instrument_key"]), "items", "each once"),
        (pa.table({"instrument_key": ["K"], **{f"x{n}": [1.0] for n in range(1000)}}), "items", "at most 100 columns"),
    ],
)
def test_columns_that_are_none_of_an_items(table: pa.Table, field: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        read(stream(table))
    assert caught.value.field == field


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_buffers_are_refused(codec: str) -> None:
    with pytest.raises(InvalidInput, match="compressed"):
        read(stream(pa.table(COLUMNS), compression=codec))


@pytest.mark.parametrize("head", [[], 7, {"items": []}])
def test_a_head_that_is_none(head: Any) -> None:
    with pytest.raises(InvalidInput, match="submission"):
        read(stream(pa.table(COLUMNS), head))


def test_a_head_has_a_size() -> None:
    table = pa.table(COLUMNS)
    assert read(stream(table, {"a": "x" * (LARGEST_HEAD - 8)}))["a"][:2] == "xx"
    with pytest.raises(InvalidInput, match=f"'submission' may have {LARGEST_HEAD} bytes"):
        read(stream(table, {"a": "x" * (LARGEST_HEAD - 7)}))


READ_EACH = """
import base64, json, sys
import pyarrow as pa
from batch.jobs.core.arrow_items import read_arrow
from signalsite.foundation.errors import InvalidInput
for body in json.load(sys.stdin):
    try:
        read_arrow(pa.py_buffer(base64.b64decode(body)))
        print("read", flush=True)
    except InvalidInput as error:
        print(error, flush=True)
"""


def test_a_first_message_that_is_no_schema_is_refused_and_not_read() -> None:
    """In a separate process, because Arrow reads such a message past its end and may crash."""
    table = pa.table({"instrument_key": ["NSE@A", "NSE@B", None], "volatility": [0.1, None, 0.3]})
    spoiled = [{20: 33, 86: 1, 120: 128}, {29: 0, 36: 128}, {29: 0}, {29: 2}, {29: 3}, {29: 255}]
    bodies = []
    for changes in spoiled:
        body = bytearray(stream(table))
        for at, byte in changes.items():
            body[at] = byte
        bodies.append(base64.b64encode(body).decode())
    done = subprocess.run(
        [sys.executable, "-c", READ_EACH], input=json.dumps(bodies), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    said = done.stdout.splitlines()
    assert len(said) == len(spoiled) and all("begins with its schema" in line for line in said), said


@pytest.mark.parametrize("seed", range(400))
def test_a_stream_with_other_bytes_is_items_or_an_error(seed: int) -> None:
    chance = random.Random(seed)
    body = bytearray(stream(pa.table(COLUMNS), {"kind": "greeks"}))
    if seed % 4 == 0:
        del body[chance.randrange(len(body)) :]
    for _ in range(chance.randrange(1, 6)):
        if body:
            at = chance.randrange(len(body))
            body[at : at + 8] = chance.choice([b"\xff" * 8, b"\x00" * 8, chance.randbytes(8), b"\xff" * 7 + b"\x7f"])
    try:
        data = read(bytes(body))
        found = [item for some in data.get("items", []) for item in some]
    except InvalidInput:
        return
    assert all(isinstance(item, dict) for item in found) and len(found) < 1000
