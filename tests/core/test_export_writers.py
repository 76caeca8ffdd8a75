"""Write rows in all formats and content codings, a page at a time."""

import csv
import gzip
import io
import math

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from batch.exports.codings import Outlet, encoder
from batch.exports.writers import WRITERS
from signalsite.foundation.blocks import conform
from signalsite.foundation.computations.arrow import schema
from signalsite.foundation.computations.registry import computations

COLUMNS = pa.schema([("n", pa.int64()), ("text", pa.string()), ("value", pa.float64()), ("flag", pa.bool_())])
# Arrow's JSON reader and PostgreSQL's text cannot hold lone surrogates; JSON cannot hold NaN and infinity.
TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
FINITE = st.none() | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"n": st.integers(0, 2**31), "text": TEXT, "value": FINITE, "flag": st.none() | st.booleans()}
    ),
    max_size=30,
)


def written(format_: str, *pages: list[dict[str, object]]) -> bytes:
    outlet = Outlet()
    writer = WRITERS[format_](outlet, COLUMNS)  # type: ignore[arg-type]
    for page in pages:
        writer.write(pa.Table.from_pylist(page, schema=COLUMNS))
    writer.close()
    return outlet.take()


@settings(deadline=None)
@given(ROWS, ROWS)
def test_every_format_gives_back_what_went_in(first: list[dict[str, object]], second: list[dict[str, object]]) -> None:
    rows = first + second
    assert [orjson.loads(line) for line in written("ndjson", first, second).split(b"\n")[:-1]] == rows
    assert parquet.read_table(io.BytesIO(written("parquet", first, second))).to_pylist() == rows
    assert pa.ipc.open_stream(written("arrow", first, second)).read_all().to_pylist() == rows
    text = written("csv", first, second).decode()
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(found) == len(rows)
    for ours, theirs in zip(found, rows, strict=True):
        value, words = theirs["value"], theirs["text"]
        assert ours["value"] == "" if value is None else float(ours["value"]) == value
        assert ours["text"] in (words or "", f"'{words}")
        assert not ours["text"].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "\n=1", "-5.0", "=", "=\n2"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    found = list(csv.reader(io.StringIO(written("csv", [{"n": 1, "text": text}]).decode(), newline="")))
    assert found[1][1] == f"'{text}"


def test_negative_numbers_stay_numbers() -> None:
    values = [-1.5, -0.0, -1e-300, -1e300, -123456789.123]
    rows: list[dict[str, object]] = [{"n": -n, "text": "a-b", "value": value} for n, value in enumerate(values)]
    found = list(csv.DictReader(io.StringIO(written("csv", rows).decode(), newline="")))
    assert [float(row["value"]) for row in found] == values
    assert all(math.copysign(1, float(row["value"])) == -1 for row in found)
    assert [int(row["n"]) for row in found] == [0, -1, -2, -3, -4]
    assert {row["text"] for row in found} == {"a-b"}


@pytest.mark.parametrize("format_", list(WRITERS))
def test_no_rows_are_a_whole_file(format_: str) -> None:
    content = written(format_)
    if format_ == "parquet":
        assert parquet.read_table(io.BytesIO(content)).schema == COLUMNS
    elif format_ == "arrow":
        assert pa.ipc.open_stream(content).read_all().schema == COLUMNS
    else:
        assert content == {"csv": b"n,text,value,flag\r\n", "ndjson": b""}[format_]


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
def test_what_is_flushed_can_be_read_before_the_end(coding: str) -> None:
    outlet = Outlet()
    body = encoder(coding, outlet)
    body.write(b"a page of rows\n" * 100)
    body.flush()
    early = outlet.take()
    assert len(early) > 0
    body.write(b"another\n")
    body.close()
    whole = early + outlet.take()
    if coding == "gzip":
        assert whole[4:8] == bytes(4)  # no timestamp, so equal rows give equal bytes
        whole = gzip.decompress(whole)
    elif coding == "zstd":
        assert pa.CompressedInputStream(pa.py_buffer(early), "zstd").read(15) == b"a page of rows\n"
        whole = pa.CompressedInputStream(pa.py_buffer(whole), "zstd").read()
    assert whole == b"a page of rows\n" * 100 + b"another\n"


@pytest.mark.parametrize("name", list(computations()))
def test_a_kinds_schema_has_every_column_in_order(name: str) -> None:
    kind = computations()[name].item_kind
    columns, key = schema(computations()[name].file_columns), kind.column.name
    begin = 3 + len(kind.key_columns)
    assert columns.names[:3] == ["position", "custom_id", key]
    assert columns.names[begin : begin + 3] == ["status", "reason", "retryable"]
    assert columns.names[begin:] == [column.name for column in computations()[name].answer_columns]
    table = conform(pa.table({"position": [3], "unknown": [[1]], key: ["x"]}), columns)
    assert table.schema == columns
    assert table.to_pylist()[0] == {**dict.fromkeys(columns.names), "position": 3, key: "x"}
