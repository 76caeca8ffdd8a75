"""The cost of exports of 100,000 rows, for the web process and for other requests."""

import io
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from pyarrow import parquet

from tests.e2e.conftest import BATCH, read, run, submit, succeed, wait

Login = Callable[[str], httpx.Client]
ROWS = 100_000
IDENTITY = {"Accept-Encoding": "identity"}


@pytest.fixture(scope="module")
def keys(login: Login) -> list[str]:
    _, rows = run(login("alice"), selector={"exchange": "SIM"})
    return [row["instrument_key"] for row in rows]


@pytest.fixture(scope="module")
def big(login: Login, keys: list[str]) -> dict[str, Any]:
    body = {"items": (keys * (ROWS // len(keys) + 1))[:ROWS]}
    return wait(login("alice"), submit(login("alice"), **body))


def web_process(address: str) -> psutil.Process:
    port = str(urlsplit(address).port)
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if any(word.endswith("uvicorn") for word in command) and port in command:
            return process
    raise AssertionError("no web process")


@contextmanager
def stalled_readers(client: httpx.Client, link: str, count: int) -> Iterator[list[socket.socket]]:
    """Open connections that request an export, read its first bytes and then stop reading."""
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


def test_parquet_is_not_compressed_twice(alice: httpx.Client, big: dict[str, Any]) -> None:
    answer = alice.get(big["links"]["export"], params={"format": "parquet"}, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers
    table = parquet.ParquetFile(io.BytesIO(answer.content))
    assert table.metadata.num_rows == ROWS and table.metadata.num_row_groups == 10


@pytest.mark.parametrize(("format_", "coding"), [("ndjson", "gzip"), ("csv", "identity"), ("arrow", "zstd")])
def test_a_hundred_thousand_rows_stream_in_constant_memory_and_at_once(
    alice: httpx.Client, address: str, big: dict[str, Any], format_: str, coding: str
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


def test_ten_stalled_readers_freeze_nobody(alice: httpx.Client, address: str, big: dict[str, Any]) -> None:
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
        assert (web.memory_info().rss - before) / 2**20 < 48


def test_readers_that_vanish_leave_nothing_behind(alice: httpx.Client, address: str, big: dict[str, Any]) -> None:
    web = web_process(address)
    alice.get(big["links"]["errors"])
    threads, files = web.num_threads(), web.num_fds()
    for _ in range(4):  # forty in total, above the limit for one user
        with stalled_readers(alice, big["links"]["export"], 10):
            pass
        deadline = time.monotonic() + 10
        while web.num_fds() > files + 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert web.num_threads() <= threads + 20  # pools may still grow; a thread per reader would be more
    assert alice.get(big["links"]["export"]).status_code == 200


def test_an_export_whose_rows_are_deleted_meanwhile_does_not_look_whole(alice: httpx.Client, keys: list[str]) -> None:
    job, _ = run(alice, items=(keys * 20)[:20_000])
    delete = f"from batch.models import Job; Job.objects.filter(pk='{job['id']}').delete()"
    with stalled_readers(alice, job["links"]["export"], 1) as (reader,):  # the sockets hold a third of the export
        succeed("shell", "-v0", "-c", delete)
        reader.settimeout(10)
        read = b""
        while part := reader.recv(1 << 20):
            read = read[-16:] + part
    assert not read.endswith(b"0\r\n\r\n")  # the end of a complete response
    assert alice.get(job["links"]["export"]).status_code == 404


def test_too_many_at_once_are_told_to_come_back(login: Login, big: dict[str, Any]) -> None:
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


def test_reading_on_slowly_gets_everything(alice: httpx.Client, big: dict[str, Any]) -> None:
    with alice.stream("GET", big["links"]["export"], headers=IDENTITY) as answer:
        lines = 0
        for number, part in enumerate(answer.iter_raw()):
            lines += part.count(b"\n")
            if number % 100 == 0:
                time.sleep(0.02)
    assert lines == ROWS
    assert len(read(alice, big, limit=10_000)) == ROWS
