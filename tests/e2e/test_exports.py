"""Exports from the real service: their content, and what they cost everyone else."""

import csv
import gzip
import io
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import psutil
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.e2e.conftest import BATCH, read, run, submit, succeed, wait

Login = Callable[[str], httpx.Client]
ROWS = 100_000
IDENTITY = {"Accept-Encoding": "identity"}
MEDIA_TYPES = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8; header=present",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}


@pytest.fixture(scope="module")
def keys(login: Login) -> list[str]:
    _, rows = run(login("alice"), selector={"exchange": "SIM"})
    return [row["instrument_key"] for row in rows]


@pytest.fixture(scope="module")
def mixed(login: Login, keys: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A job of 5,003 items over three pages of an export, with errors and with text that a spreadsheet would run."""
    items = [{"instrument_key": key, "custom_id": f"#{n}"} for n, key in enumerate((keys * 5)[:5000])]
    items[10] |= {"custom_id": '=HYPERLINK("http://x","y")'}
    items[11] |= {"custom_id": "-5"}
    items[12] |= {"custom_id": 'a "b", c'}
    items += [{"instrument_key": key} for key in ("@SUM(A1)", "nonsense", "+1")]
    return run(login("alice"), items=items)


@pytest.fixture(scope="module")
def big(login: Login, keys: list[str]) -> dict[str, Any]:
    body = {"items": (keys * (ROWS // len(keys) + 1))[:ROWS]}
    return wait(login("alice"), submit(login("alice"), **body))


def decode(format_: str, content: bytes) -> list[dict[str, Any]]:
    if format_ == "ndjson":
        return [orjson.loads(line) for line in content.splitlines()]
    if format_ == "parquet":
        return parquet.read_table(io.BytesIO(content)).to_pylist()
    if format_ == "arrow":
        return pa.ipc.open_stream(content).read_all().to_pylist()
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


class TestContent:
    @pytest.mark.parametrize("format_", ["ndjson", "parquet", "arrow"])
    def test_every_format_says_what_the_pages_say(
        self, alice: httpx.Client, mixed: tuple[dict[str, Any], list[dict[str, Any]]], format_: str
    ) -> None:
        job, rows = mixed
        answer = alice.get(job["links"]["export"], params={"format": format_}, headers=IDENTITY)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == MEDIA_TYPES[format_]
        assert answer.headers["Content-Disposition"] == f'attachment; filename="greeks-{job["id"]}.{format_}"'
        assert decode(format_, answer.content) == rows

    def test_csv_says_it_too_and_runs_no_formula(
        self, alice: httpx.Client, mixed: tuple[dict[str, Any], list[dict[str, Any]]]
    ) -> None:
        job, rows = mixed
        text = alice.get(job["links"]["export"], params={"format": "csv"}, headers=IDENTITY).content
        assert text.count(b"\r\n") == text.count(b"\n") == len(rows) + 1
        found = decode("csv", text)
        assert list(found[0]) == list(rows[0])
        assert [row["custom_id"] for row in found[9:13]] == ["#9", '\'=HYPERLINK("http://x","y")', "'-5", 'a "b", c']
        assert [row["instrument_key"] for row in found[-3:]] == ["'@SUM(A1)", "nonsense", "'+1"]
        negative = 0
        for ours, theirs in zip(found, rows, strict=True):
            for name, value in theirs.items():
                if isinstance(value, float):
                    assert float(ours[name]) == value
                    negative += value < 0 and ours[name].startswith("-")
                elif isinstance(value, bool):
                    assert ours[name] == str(value).lower()
                elif value is None:
                    assert ours[name] == ""
        assert negative > 1000

    def test_types_are_the_kinds_even_where_a_column_is_empty(self, alice: httpx.Client) -> None:
        job, _ = run(alice, items=["nonsense"])
        types = {}
        for format_ in ("parquet", "arrow"):
            content = alice.get(job["links"]["export"], params={"format": format_}).content
            table = (
                parquet.read_table(io.BytesIO(content))
                if format_ == "parquet"
                else pa.ipc.open_stream(content).read_all()
            )
            types[format_] = {field.name: str(field.type) for field in table.schema}
        assert types["parquet"] == types["arrow"]
        assert types["arrow"]["delta"] == "double" and types["arrow"]["position"] == "int64"
        assert types["arrow"]["custom_id"] == "string" and types["arrow"]["retryable"] == "bool"

    @pytest.mark.parametrize("format_", list(MEDIA_TYPES))
    def test_errors_are_what_is_not_ok(
        self, alice: httpx.Client, mixed: tuple[dict[str, Any], list[dict[str, Any]]], format_: str
    ) -> None:
        job, rows = mixed
        wrong = [row for row in rows if row["status"] != "ok"]
        answer = alice.get(job["links"]["errors"], params={"format": format_})
        assert [int(row["position"]) for row in decode(format_, answer.content)] == [row["position"] for row in wrong]
        assert answer.headers["Content-Disposition"].endswith(f'-failed.{format_}"')
        none = alice.get(job["links"]["export"], params={"format": format_, "status": "internal_error"})
        assert none.status_code == 200 and decode(format_, none.content) == []
        bad = alice.get(job["links"]["export"], params={"format": format_, "status": "bad_input"})
        assert len(decode(format_, bad.content)) == 3

    @pytest.mark.parametrize("format_", ["ndjson", "csv", "arrow"])
    def test_codings_say_the_same(
        self, alice: httpx.Client, mixed: tuple[dict[str, Any], list[dict[str, Any]]], format_: str
    ) -> None:
        job, _ = mixed
        plain = alice.get(job["links"]["export"], params={"format": format_}, headers=IDENTITY)
        assert "Content-Encoding" not in plain.headers
        etags = {plain.headers["ETag"]}
        for coding, accepted in (("gzip", "gzip, deflate"), ("zstd", "gzip;q=0.9, zstd"), ("gzip", "zstd;q=0, *")):
            with alice.stream(
                "GET", job["links"]["export"], params={"format": format_}, headers={"Accept-Encoding": accepted}
            ) as answer:
                raw = b"".join(answer.iter_raw())
            assert answer.headers["Content-Encoding"] == coding
            assert "Accept-Encoding" in answer.headers["Vary"]
            etags.add(answer.headers["ETag"])
            inflated = (
                gzip.decompress(raw) if coding == "gzip" else pa.CompressedInputStream(pa.py_buffer(raw), "zstd").read()
            )
            assert inflated == plain.content
            assert len(raw) < len(plain.content) / 2
        assert len(etags) == 3

    def test_parquet_is_not_compressed_twice(self, alice: httpx.Client, big: dict[str, Any]) -> None:
        answer = alice.get(big["links"]["export"], params={"format": "parquet"}, headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in answer.headers
        table = parquet.ParquetFile(io.BytesIO(answer.content))
        assert table.metadata.num_rows == ROWS and table.metadata.num_row_groups == 10

    def test_the_accept_header_chooses_where_the_query_does_not(
        self, alice: httpx.Client, mixed: tuple[dict[str, Any], list[dict[str, Any]]]
    ) -> None:
        link = mixed[0]["links"]["errors"]
        for accept, got in (
            ("*/*", "ndjson"),
            ("text/csv", "csv"),
            ("application/x-ndjson;q=0.5, application/vnd.apache.parquet", "parquet"),
            ("text/html, */*;q=0.1", "ndjson"),
        ):
            assert alice.get(link, headers={"Accept": accept}).headers["Content-Type"] == MEDIA_TYPES[got]
        for headers in ({"Accept": "text/html"}, {"Accept-Encoding": "br, identity;q=0"}):
            answer = alice.get(link, headers=headers)
            assert (answer.status_code, answer.headers["Content-Type"]) == (406, "application/problem+json")


class TestDoors:
    def test_queries_are_checked(self, alice: httpx.Client) -> None:
        job, _ = run(alice, items=["nonsense"])
        for path, query in (
            ("export", {"format": "xlsx"}),
            ("export", {"status": "'; --"}),
            ("export", {"limit": "1"}),
            ("errors", {"status": "ok"}),
        ):
            answer = alice.get(job["links"][path], params=query)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, next(iter(query)))
        assert alice.post(job["links"]["export"]).status_code == 405

    def test_others_find_nothing_and_strangers_are_asked_for_a_token(
        self, login: Login, address: str, mixed: tuple[dict[str, Any], list[dict[str, Any]]]
    ) -> None:
        for path in ("export", "errors"):
            link = mixed[0]["links"][path]
            assert login("staff").get(link).status_code == 200
            answer = login("bob").get(link)
            assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
            stranger = httpx.get(f"{address}{link}", headers={"Accept": "text/csv"})
            assert (stranger.status_code, stranger.headers["Content-Type"]) == (401, "application/problem+json")
        assert login("bob").get(f"{BATCH}/jobs/00000000-0000-0000-0000-000000000000/export").status_code == 404

    def test_a_running_job_is_a_409_that_says_when_to_ask_again(self, alice: httpx.Client, keys: list[str]) -> None:
        job = submit(alice, items=(keys * 20)[:60_000])
        answer = alice.get(job["links"]["export"])
        assert (answer.status_code, answer.headers["Content-Type"]) == (409, "application/problem+json")
        assert int(answer.headers["Retry-After"]) > 0
        assert wait(alice, job)["done"]
        assert alice.get(job["links"]["export"]).status_code == 200

    def test_head_says_what_get_would(
        self, alice: httpx.Client, mixed: tuple[dict[str, Any], list[dict[str, Any]]]
    ) -> None:
        link = mixed[0]["links"]["export"]
        head, got = alice.head(link), alice.get(link)
        assert head.status_code == 200 and head.content == b""
        for name in ("ETag", "Last-Modified", "Content-Type", "Content-Disposition", "Content-Encoding", "Vary"):
            assert head.headers[name] == got.headers[name]

    @pytest.mark.parametrize("path", ["export", "errors", "results"])
    def test_what_is_final_is_not_sent_twice(
        self, alice: httpx.Client, mixed: tuple[dict[str, Any], list[dict[str, Any]]], path: str
    ) -> None:
        link = mixed[0]["links"][path]
        first = alice.get(link)
        assert "private" in first.headers["Cache-Control"]
        for condition in (
            {"If-None-Match": first.headers["ETag"]},
            {"If-None-Match": f'"other", {first.headers["ETag"]}'},
            {"If-Modified-Since": first.headers["Last-Modified"]},
        ):
            again = alice.get(link, headers=condition)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == first.headers["ETag"]
        for condition in ({"If-None-Match": '"other"'}, {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}):
            assert alice.get(link, headers=condition).status_code == 200
        assert alice.get(link, headers={"If-Match": '"other"'}).status_code == 412

    def test_pages_of_a_running_job_are_not_final(self, alice: httpx.Client, keys: list[str]) -> None:
        job = submit(alice, items=(keys * 20)[:60_000])
        assert "ETag" not in alice.get(job["links"]["results"]).headers
        wait(alice, job)
        page = alice.get(job["links"]["results"])
        other = alice.get(job["links"]["results"], params={"limit": 10})
        assert page.headers["ETag"] != other.headers["ETag"]


def web_process(address: str) -> psutil.Process:
    port = str(urlsplit(address).port)
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if any(word.endswith("uvicorn") for word in command) and port in command:
            return process
    raise AssertionError("no web process")


@contextmanager
def stalled_readers(client: httpx.Client, link: str, count: int) -> Iterator[list[socket.socket]]:
    """Connections that asked for an export, got its first bytes, and read no more."""
    at = urlsplit(str(client.base_url))
    request = (
        f"GET {link} HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: {client.headers['Authorization']}\r\n"
        "Accept-Encoding: identity\r\n\r\n"
    )
    readers = []
    try:
        for _ in range(count):
            reader = socket.socket()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            reader.connect((at.hostname, at.port))
            reader.sendall(request.encode())
            assert reader.recv(12) == b"HTTP/1.1 200"
            readers.append(reader)
        yield readers
    finally:
        for reader in readers:
            reader.close()


class TestCost:
    @pytest.mark.parametrize(("format_", "coding"), [("ndjson", "gzip"), ("csv", "identity"), ("arrow", "zstd")])
    def test_a_hundred_thousand_rows_stream_in_constant_memory_and_at_once(
        self, alice: httpx.Client, address: str, big: dict[str, Any], format_: str, coding: str
    ) -> None:
        web = web_process(address)
        for warm in (True, False):
            before = highest = web.memory_info().rss
            begun, first, size = time.perf_counter(), 0.0, 0
            with alice.stream(
                "GET", big["links"]["export"], params={"format": format_}, headers={"Accept-Encoding": coding}
            ) as answer:
                for part in answer.iter_raw():
                    first = first or time.perf_counter() - begun
                    size += len(part)
                    highest = max(highest, web.memory_info().rss)
            if not warm:
                assert first < (time.perf_counter() - begun) / 3
                assert (highest - before) / 2**20 < 24
        assert size > 1_000_000

    def test_ten_stalled_readers_freeze_nobody(self, alice: httpx.Client, address: str, big: dict[str, Any]) -> None:
        web = web_process(address)
        alice.get(big["links"]["errors"])
        before = web.memory_info().rss
        with stalled_readers(alice, big["links"]["export"], 10):
            time.sleep(1.0)
            taken = []
            for _ in range(50):
                for path in ("/health", f"{BATCH}/jobs?limit=1", big["links"]["results"] + "?limit=10"):
                    begun = time.perf_counter()
                    assert alice.get(path).status_code == 200
                    taken.append(time.perf_counter() - begun)
            assert statistics.median(taken) < 0.05 and max(taken) < 0.5
            whole = alice.get(big["links"]["export"], params={"format": "parquet"})
            assert parquet.ParquetFile(io.BytesIO(whole.content)).metadata.num_rows == ROWS
            assert (web.memory_info().rss - before) / 2**20 < 64

    def test_readers_that_vanish_leave_nothing_behind(
        self, alice: httpx.Client, address: str, big: dict[str, Any]
    ) -> None:
        web = web_process(address)
        alice.get(big["links"]["errors"])
        threads, files = web.num_threads(), web.num_fds()
        for _ in range(4):  # forty in all: more than one user may have at once
            with stalled_readers(alice, big["links"]["export"], 10):
                pass
            deadline = time.monotonic() + 10
            while web.num_fds() > files + 3:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert web.num_threads() <= threads + 2
        assert alice.get(big["links"]["export"]).status_code == 200

    def test_an_export_whose_rows_are_deleted_meanwhile_does_not_look_whole(
        self, alice: httpx.Client, keys: list[str]
    ) -> None:
        job, _ = run(alice, items=(keys * 20)[:20_000])
        delete = f"from batch.models import Job; Job.objects.filter(pk='{job['id']}').delete()"
        with stalled_readers(alice, job["links"]["export"], 1) as (reader,):  # what the sockets hold is a third of it
            succeed("shell", "-v0", "-c", delete)
            reader.settimeout(10)
            read = b""
            while part := reader.recv(1 << 20):
                read = read[-16:] + part
        assert not read.endswith(b"0\r\n\r\n")  # how a whole answer ends
        assert alice.get(job["links"]["export"]).status_code == 404

    def test_too_many_at_once_are_told_to_come_back(self, login: Login, big: dict[str, Any]) -> None:
        alice, staff = login("alice"), login("staff")
        deadline = time.monotonic() + 10
        with stalled_readers(alice, big["links"]["export"], 16):
            answer = alice.get(big["links"]["export"])
            assert (answer.status_code, answer.headers["Content-Type"]) == (429, "application/problem+json")
            assert int(answer.headers["Retry-After"]) > 0
            assert staff.get(big["links"]["errors"]).status_code == 200
        while alice.get(big["links"]["errors"]).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def test_reading_on_slowly_gets_everything(self, alice: httpx.Client, big: dict[str, Any]) -> None:
        with alice.stream("GET", big["links"]["export"], headers=IDENTITY) as answer:
            lines = 0
            for number, part in enumerate(answer.iter_raw()):
                lines += part.count(b"\n")
                if number % 100 == 0:
                    time.sleep(0.02)
        assert lines == ROWS
        assert len(read(alice, big, limit=10_000)) == ROWS
