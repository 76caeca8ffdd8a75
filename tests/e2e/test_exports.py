"""Exports of the real service: their content and their permissions."""

import csv
import gzip
import io
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.e2e.conftest import BATCH, run, submit, wait

Login = Callable[[str], httpx.Client]
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
    """Return a job of 5,003 items, three pages of an export, with errors and with formulas in its text."""
    items = [{"instrument_key": key, "custom_id": f"#{n}"} for n, key in enumerate((keys * 5)[:5000])]
    items[10] |= {"custom_id": '=HYPERLINK("http://x","y")'}
    items[11] |= {"custom_id": "-5"}
    items[12] |= {"custom_id": 'a "b", c'}
    items += [{"instrument_key": key} for key in ("@SUM(A1)", "nonsense", "+1")]
    return run(login("alice"), items=items)


def decode(format_: str, content: bytes) -> list[dict[str, Any]]:
    if format_ == "ndjson":
        return [orjson.loads(line) for line in content.splitlines()]
    if format_ == "parquet":
        return parquet.read_table(io.BytesIO(content)).to_pylist()
    if format_ == "arrow":
        return pa.ipc.open_stream(content).read_all().to_pylist()
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


KEY_COLUMNS = ("underlying", "expiry", "strike", "right")


def without_key_columns(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in KEY_COLUMNS}


class TestFields:
    @pytest.mark.parametrize("format_", list(MEDIA_TYPES))
    @pytest.mark.parametrize("door", ["export", "errors"])
    def test_fields_choose_the_columns_and_their_order(
        self, alice: httpx.Client, mixed: tuple[dict[str, Any], list[dict[str, Any]]], format_: str, door: str
    ) -> None:
        job, _ = mixed
        query = {"format": format_, "fields": "strike, delta,status"}
        whole = decode(format_, alice.get(job["links"][door], params={"format": format_}).content)
        some = decode(format_, alice.get(job["links"][door], params=query).raise_for_status().content)
        assert [list(row) for row in some] == [["strike", "delta", "status"]] * len(whole)
        assert some == [{name: row[name] for name in ("strike", "delta", "status")} for row in whole]

    def test_other_fields_are_another_representation(
        self, alice: httpx.Client, mixed: tuple[dict[str, Any], list[dict[str, Any]]]
    ) -> None:
        link = mixed[0]["links"]["export"]
        etags = [alice.head(link, params=query).headers["ETag"] for query in ({}, {"fields": "delta"})]
        assert etags[0] != etags[1]
        etag = {"If-None-Match": etags[1]}
        assert alice.get(link, params={"fields": "delta"}, headers=etag).status_code == 304
        assert alice.get(link, params={"fields": "gamma"}, headers=etag).status_code == 200

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ("delta,implied_vol", "no field 'implied_vol'; it has position, custom_id, instrument_key, underlying"),
            ("delta,delta", "'delta' is named 2 times"),
            ("delta,", "no field ''"),
            ("", "blank"),
            ("x" * 5000, "1000"),
            ("delta\x00", ""),
        ],
    )
    def test_a_wrong_field_is_named_with_those_that_exist(
        self, alice: httpx.Client, mixed: tuple[dict[str, Any], list[dict[str, Any]]], fields: str, words: str
    ) -> None:
        for door in ("export", "errors"):
            answer = alice.get(mixed[0]["links"][door], params={"fields": fields})
            assert answer.status_code == 400
            assert answer.headers["Content-Type"] == "application/problem+json"
            (error,) = answer.json()["errors"]
            assert error["field"] == "fields" and words in error["detail"]


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
        found = decode(format_, answer.content)
        assert [without_key_columns(row) for row in found] == rows
        options = [row for row in found if row["strike"] is not None]
        assert len(options) > 50
        for row in options:
            parts = [row["underlying"], "equity_options", row["expiry"], row["right"], f"{row['strike']:.15g}"]
            assert row["instrument_key"] == "@".join(parts)
        for row in found[-3:]:  # these are no keys
            assert [row[name] for name in KEY_COLUMNS] == [None] * 4

    def test_csv_says_it_too_and_runs_no_formula(
        self, alice: httpx.Client, mixed: tuple[dict[str, Any], list[dict[str, Any]]]
    ) -> None:
        job, rows = mixed
        text = alice.get(job["links"]["export"], params={"format": "csv"}, headers=IDENTITY).content
        assert text.count(b"\r\n") == text.count(b"\n") == len(rows) + 1
        found = decode("csv", text)
        assert list(found[0]) == [*list(rows[0])[:3], *KEY_COLUMNS, *list(rows[0])[3:]]
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
