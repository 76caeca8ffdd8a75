"""Files of quotes as such: their formats and sizes, and what is no table."""

import gzip
import json
import zipfile
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signals.importers.core import json_rows, text_blocks
from signals.importers.core.raw_table import NotATable
from signals.importers.files import UnreadableFile
from signals.importers.quote_files import read_quote_file, read_quote_frame
from signalsite.foundation.errors import SignalServiceError
from tests.core.quote_rows import HEADER, KEY, PLAIN, ROW, changed, only, read, rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quotes"


def test_row_numbers_across_blocks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_blocks, "BLOCK", 300)
    monkeypatch.setattr(text_blocks, "MAX_LINES", 2)
    lines = [changed(strike="bad" if number % 7 == 0 else str(number)) for number in range(2, 60)]
    path.write_text(rows(*lines))
    tables = list(read_quote_file(path, PLAIN))
    assert len(tables) > 20
    kept = [int(row) for table in tables for row in table.row]
    assert kept == [number for number in range(2, 60) if number % 7]
    assert sorted(each.row for table in tables for each in table.rejects.rows) == list(range(7, 60, 7))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n\n", "no rows|empty"),
        (b"a,b,c\n1,2,3\n", "no column for time"),
        (b"time,bid\n2026-08-20,1\n", "no column for exchange, symbol .symbol or underlying., expiry"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, "no column for"),
        (b"\x00" * 5000, "no column for"),
        (rows(ROW).encode("utf-16"), "UTF-16"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": 1}', "no column for"),
        (b"[]", "no rows"),
        (b"[1, 2]", "no objects"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"9" * 5_000 + b"]", "no objects"),
        (b"PAR1" + b"x" * 100, "truncated or damaged|Parquet|thrift|footer"),
        (b"PK\x03\x04" + b"x" * 100, "truncated or damaged"),
        (b"\x1f\x8b" + b"x" * 100, "truncated or damaged"),
        (gzip.compress(rows(ROW).encode())[:-9], "truncated or damaged"),
    ],
)
def test_files_that_are_no_table(path: Path, data: bytes, message: str) -> None:
    with pytest.raises(SignalServiceError, match=message):
        if read(path, data).table.empty:
            raise NotATable("no rows")


def test_a_missing_file(path: Path) -> None:
    with pytest.raises(UnreadableFile, match="No such file"):
        read_quote_frame(path, PLAIN)


def test_header_only(path: Path) -> None:
    found = read(path, HEADER + "\n")
    assert (len(found.table), found.rows_read) == (0, 0)


def test_a_line_of_ten_megabytes(path: Path) -> None:
    found = read(path, rows(ROW, "x" * 10_000_000, changed(strike="23000"), "y," * 1_000_000))
    assert found.counts == {"line too long": 2}
    assert [each.row for each in found.rejected] == [3, 5]
    assert all(len(each.text) <= 500 for each in found.rejected)
    assert found.table.row.tolist() == [2, 4]


def test_a_first_line_of_ten_megabytes(path: Path) -> None:
    with pytest.raises(NotATable, match="first line is longer than 1 MiB"):
        read(path, "x" * 10_000_000 + "\n" + rows(ROW))


def test_bombs(path: Path) -> None:
    """A thousandfold of zeros or blank lines, and a zip whose names lead elsewhere."""
    for content, message in ((b"\x00", "no end within 64 MiB"), (b"\n", "64 MiB of blank lines")):
        with pytest.raises(NotATable, match=message):
            read(path, gzip.compress(content * (200 << 20), 1))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../outside.csv", rows(ROW))
    assert only(read_quote_frame(path, PLAIN)).key == KEY
    assert not (path.parent.parent.parent / "outside.csv").exists()
    assert not (path.parent.parent / "outside.csv").exists()
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1_001):
            archive.writestr(f"{number}.csv", "")
    with pytest.raises(NotATable, match="holds 1,001 files"):
        read_quote_frame(path, PLAIN)


def test_a_zip_of_several_files(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", rows(ROW))
        archive.writestr("b.csv", rows(changed(strike="23000")))
        archive.writestr("copy.csv", rows(ROW))
    found = read_quote_frame(path, PLAIN)
    assert found.table.strike.tolist() == [24000.0, 23000.0]
    assert found.notes == ["the zip holds 3 files", "copy.csv in the zip is left out: it has the same content as a.csv"]


def test_other_bytes_than_ascii(path: Path) -> None:
    text = rows(ROW).replace("last", "last,name").replace("100.5", "100.5,caf\xe9")
    assert only(read(path, text.encode("latin-1"))).key == KEY
    assert only(read(path, text.encode("utf-8-sig"))).key == KEY


def test_json_lines_and_documents(path: Path) -> None:
    record = dict(zip(HEADER.split(","), ROW.split(","), strict=True)) | {"strike": 24000, "bid": 100, "volume": None}
    for data in (json.dumps([record]), json.dumps(record), f"{json.dumps(record)}\n" * 1):
        row = only(read(path, data))
        assert (row.key, row.bid, np.isnan(row.volume)) == (KEY, 100.0, True)
    bad = [record | {"bid": value} for value in (True, {"a": 1}, [1], "x", 10**400, -1)]
    lines = [json.dumps(record | {"strike": at + 1}) for at in range(3)] + ["{broken", "5", ""]
    found = read(path, "\n".join([*lines, *map(json.dumps, bad)]))
    assert found.counts == {"not JSON": 1, "not an object": 1, "bid is not a number from 0": 6}
    assert found.table.row.tolist() == [1, 2, 3]
    assert sorted(each.row for each in found.rejected) == [4, 5, 7, 8, 9, 10, 11, 12]
    odd = read(path, json.dumps([record | {"symbol": "\ud800"}]) + "\n")
    assert odd.counts == {"bad symbol": 1}
    nested = {"data": {"rows": [{"q": {"b": 5}, **{k: v for k, v in record.items() if k != "bid"}}]}}
    mapping = PLAIN.changed(records=("data.rows.*",), columns={"bid": "q.b"})
    assert only(read(path, json.dumps(nested), mapping)).bid == 5.0


def test_a_document_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "MAX_ROWS", 3)
    with pytest.raises(NotATable, match="at most 3 rows, not 4"):
        read(path, "[{},{},{},{}]")
    with pytest.raises(NotATable, match="at most 64 MiB"):
        read(path, gzip.compress(b"[" + b" " * (65 << 20), 1))


def test_parquet_of_any_types(path: Path) -> None:
    moment = datetime.fromisoformat("2026-08-20T10:00")
    table = pa.table(
        {
            "exchange": pa.array(["NSE"]).dictionary_encode(),
            "symbol": pa.array(["NIFTY"], pa.large_string()),
            "expiry": pa.array([date(2026, 8, 27)]),
            "strike": pa.array([24000], pa.int32()),
            "right": ["call"],
            "time": pa.array([moment], pa.timestamp("ns")),
            "bid": pa.array([100], pa.decimal128(10, 2)),
            "ask": pa.array([101.0], pa.float32()),
            "last": pa.array([None], pa.null()),
            "volume": pa.array([650], pa.uint64()),
        }
    )
    pq.write_table(table, path)
    row = only(read_quote_frame(path, PLAIN))
    assert (row.key, row.time, row.bid, row.ask) == (KEY, pd.Timestamp("2026-08-20T04:30:00Z"), 100.0, 101.0)
    zoned = table.set_column(5, "time", pa.array([moment], pa.timestamp("ms", "UTC")))
    pq.write_table(zoned, path)
    whole = path.read_bytes()
    assert only(read_quote_frame(path, PLAIN)).time == pd.Timestamp("2026-08-20T10:00:00Z")
    assert only(read(path, gzip.compress(whole))).time == pd.Timestamp("2026-08-20T10:00:00Z")
    with pytest.raises(UnreadableFile):
        read(path, whole[:-20])


def test_rejects_are_bounded_and_counted(path: Path) -> None:
    found = read(path, rows(*[changed(bid="x")] * 25_000))
    assert found.counts == {"bid is not a number from 0": 25_000}
    assert len(found.rejected) == 10_000
    assert found.rows_read == 25_000


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=400), start=st.sampled_from([b"", HEADER.encode() + b"\n", b"{", b"[{", b"PK", b"\x1f\x8b"])
)
def test_any_bytes_give_rows_or_an_error_of_ours(path: Path, data: bytes, start: bytes) -> None:
    try:
        found = read(path, start + data)
    except SignalServiceError:
        return
    assert len(found.table) + sum(found.counts.values()) == found.rows_read


def test_memory_stays_bounded_for_a_large_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces are of some lines or some bytes, whichever is less, however long the file is."""
    monkeypatch.setattr(text_blocks, "MAX_LINES", 5_000)
    path.write_text(rows(*[changed(strike=str(strike)) for strike in range(1, 40_001)]))
    sizes = [len(table) for table in read_quote_file(path, PLAIN)]
    assert (max(sizes), sum(sizes), len(sizes)) == (5_000, 40_000, 9)


def test_a_file_without_header(path: Path) -> None:
    mapping = PLAIN.changed(names=tuple(HEADER.split(",")))
    assert only(read(path, ROW + "\n", mapping)).row == 1
