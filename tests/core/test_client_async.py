"""The asynchronous client, its files and its tables, against the scripted network."""

import asyncio
import io
import json
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import pandas
import polars
import pyarrow as pa
import pytest

from batch.client import (
    ApiError,
    AsyncClient,
    BrokenStream,
    Client,
    ExportChanged,
    Job,
    ServiceUnreachable,
    WaitTimeout,
)
from tests.core.scripted_network import DONE, JOB, Network, network

__all__ = ["network"]  # a fixture

T = TypeVar("T")
UNAVAILABLE = (503, {}, {"title": "Service Unavailable", "detail": "storage is not available, try again"})
UNAUTHORIZED = (401, {}, {"title": "Unauthorized", "detail": "Token is expired"})
TABLE = pa.table({"instrument_key": ["A", "B", None], "delta": [0.5, None, 0.25]})


def ask(network: Network, use: Callable[[AsyncClient], Awaitable[T]], **options: Any) -> T:
    async def main() -> T:
        async with AsyncClient(network.address, **({"token": "t"} | options)) as client:
            return await use(client)

    return asyncio.run(main())


def arrow(table: pa.Table = TABLE) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=1)
    return sink.getvalue().to_pybytes()


def test_a_submission_is_repeated_under_the_same_key_and_waited_for(network: Network) -> None:
    network.script = [None, UNAVAILABLE, (202, {}, JOB), (200, {}, JOB), (200, {}, DONE)]
    seen: list[float] = []

    async def progress(job: Job) -> None:
        seen.append(job.progress)

    async def use(client: AsyncClient) -> Job:
        return await client.wait(await client.submit(["A"]), progress=progress)

    assert ask(network, use).done and seen == [0.4, 0.4, 1.0]
    assert len({headers.get("Idempotency-Key") for _, _, headers, _ in network.seen[:3]}) == 1


def test_tokens_are_taken_and_renewed(network: Network) -> None:
    network.script = [
        (200, {}, {"access": "a1", "refresh": "r1"}),
        UNAUTHORIZED,
        (200, {}, {"access": "a2", "refresh": "r2"}),
        (200, {}, DONE),
    ]
    ask(network, lambda client: client.job(JOB["id"]), token=None, username="u", password="p")
    assert [headers.get("Authorization") for _, _, headers, _ in network.seen] == [None, "Bearer a1", None, "Bearer a2"]


def test_an_asynchronous_function_may_give_the_token(network: Network) -> None:
    async def source() -> str:
        await asyncio.sleep(0)
        return "made"

    network.script = [(200, {}, DONE)]
    ask(network, lambda client: client.job(JOB["id"]), token=source)
    assert network.seen[0][2]["Authorization"] == "Bearer made"


def test_the_event_loop_goes_on_while_it_waits(network: Network) -> None:
    network.script = [(200, {}, JOB | {"eta_seconds": None})]

    async def use(client: AsyncClient) -> int:
        turns = 0
        waiting = asyncio.create_task(client.wait(JOB["id"], timeout=0.3))
        while not waiting.done():
            turns += 1
            await asyncio.sleep(0.01)
        with pytest.raises(WaitTimeout):
            await waiting
        return turns

    assert ask(network, use) > 3


def test_refusals_have_their_fields_and_their_problem(network: Network) -> None:
    errors = [{"field": "params.rate", "detail": "A valid number is required."}]
    body = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "d", "errors": errors}
    network.script = [(400, {"Content-Type": "application/problem+json"}, body)]
    with pytest.raises(ApiError, match="400 Bad Request: d") as error:
        ask(network, lambda client: client.submit(["A"]))
    assert error.value.problem == body and error.value.errors[0].field == "params.rate"


@pytest.mark.parametrize("body", [b"null", b"[1]", b'"x"', b'{"errors": 3}', b'{"errors": [1, {}]}', b"{", b"\xff"])
def test_an_answer_that_only_looks_like_a_problem_is_an_error_still(network: Network, body: bytes) -> None:
    network.script = [(400, {"Content-Type": "application/json"}, body)]
    with pytest.raises(ApiError, match="400"):
        ask(network, lambda client: client.job(JOB["id"]))


def test_a_page_of_a_proxy_is_no_answer(network: Network) -> None:
    network.script = [(200, {"Content-Type": "text/html"}, b"<h1>Please sign in</h1>")]
    with pytest.raises(ApiError, match="200 Not JSON: <h1>Please sign in"):
        ask(network, lambda client: client.job(JOB["id"]))


def test_results_come_as_the_job_goes_on(network: Network) -> None:
    pages = [([], -1), ([1, 2], 1), ([3], None)]
    network.script = [(200, {}, {"data": [{"position": n} for n in data], "next_cursor": c}) for data, c in pages]

    async def use(client: AsyncClient) -> list[int]:
        return [row["position"] async for row in client.results(JOB["id"])]

    assert ask(network, use) == [1, 2, 3]


def test_batches_frames_and_rows_of_an_export(network: Network) -> None:
    done, export = (200, {}, DONE), (200, {"ETag": '"1"'}, arrow())

    async def use(client: AsyncClient) -> None:
        network.script = [done, export]
        assert [batch.num_rows async for batch in client.iter_batches(JOB["id"])] == [1, 1, 1]
        network.script = [done, export]
        assert (await client.to_arrow(JOB["id"])).equals(TABLE)
        network.script = [done, export]
        assert (await client.to_pandas(JOB["id"])).equals(TABLE.to_pandas())
        network.script = [done, export]
        assert (await client.to_polars(JOB["id"], status="ok")).equals(polars.from_arrow(TABLE))
        network.script = [done, (200, {}, b'{"position":0}\n{"position":1}\n')]
        assert [row["position"] async for row in client.stream(JOB["id"])] == [0, 1]

    ask(network, use)
    assert [path.split("?")[1] for _, path, _, _ in network.seen if "?" in path] == [
        "format=arrow",
        "format=arrow",
        "format=arrow",
        "format=arrow&status=ok",
        "format=ndjson",
    ]


CONFIG = "00000000-0000-0000-0000-0000000000c7"


def test_results_of_a_configuration_as_rows_bytes_a_table_and_a_file(network: Network, tmp_path: Path) -> None:
    lines = b'{"greeks.delta":0.5}\n{"greeks.delta":null}\n'
    since = datetime(2026, 6, 11, 4, tzinfo=UTC)

    async def use(client: AsyncClient) -> None:
        network.script = [(200, {}, lines)]
        rows = [row async for row in client.config_results(CONFIG, source="tick", start_time=since)]
        assert rows == [{"greeks.delta": 0.5}, {"greeks.delta": None}]
        parts = client.config_results_bytes(uuid.UUID(CONFIG), format="csv", end_time=date(2026, 6, 12))
        assert b"".join([part async for part in parts]) == lines
        written = await client.export_config_results(CONFIG, tmp_path / "all.parquet", instrument="NSE@NIFTY@x")
        assert written.read_bytes() == lines and list(tmp_path.iterdir()) == [written]
        network.script = [(200, {}, arrow())]
        assert (await client.config_results_to_arrow(CONFIG, end_time="2026-06-12T04:00:00Z")).equals(TABLE)

    ask(network, use)
    paths, queries = zip(*(path.split("?") for _, path, _, _ in network.seen), strict=True)
    assert set(paths) == {f"/api/v2/signals/configs/{CONFIG}/results/export"}
    assert list(map(unquote, queries)) == [
        "format=ndjson&source=tick&start_time=2026-06-11T04:00:00+00:00",
        "format=csv&end_time=2026-06-12",
        "format=parquet&instrument=NSE@NIFTY@x",
        "format=arrow&end_time=2026-06-12T04:00:00Z",
    ]


def test_results_of_a_configuration_that_break_off_are_not_continued(network: Network, tmp_path: Path) -> None:
    network.script = [(200, {"X-Cut-At": "10"}, b"x" * 1000)]
    with Client(network.address, token="t") as client:
        with pytest.raises(ServiceUnreachable, match=f"configuration {CONFIG} broke off"):
            client.export_config_results(CONFIG, tmp_path / "all.csv")
        with pytest.raises(ValueError, match="badly formed"):
            client.export_config_results("../jobs", tmp_path / "all.csv")
    assert list(tmp_path.iterdir()) == [] and len(network.seen) == 1


def test_an_export_that_ends_early_is_no_table(network: Network) -> None:
    network.script = [(200, {}, DONE), (200, {}, arrow()[:-8])]
    with pytest.raises(BrokenStream), Client(network.address, token="t") as client:
        client.to_arrow(JOB["id"])


class TestBrokenOff:
    """An answer that hangs up before its end: its Content-Length says more than comes."""

    def broken(self, body: bytes, sent: int, etag: str = '"1"') -> tuple[int, dict[str, str], bytes]:
        return 200, {"ETag": etag, "X-Cut-At": str(sent)}, body

    def test_it_continues_where_it_broke_off(self, network: Network, tmp_path: Path) -> None:
        body = b"".join(b'{"position":%d}\n' % n for n in range(2000))
        script = [self.broken(body, 100), self.broken(body, 9000), self.broken(body, 20), (200, {"ETag": '"1"'}, body)]
        network.script = [(200, {}, DONE), *script]
        with Client(network.address, token="t") as client:
            written = client.export(JOB["id"], tmp_path / "all.ndjson")
        assert written.read_bytes() == body and list(tmp_path.iterdir()) == [written]
        network.script = [(200, {}, DONE), *script]

        async def use(client: AsyncClient) -> list[int]:
            return [row["position"] async for row in client.stream(JOB["id"])]

        assert ask(network, use) == list(range(2000))

    def test_it_is_given_up_and_leaves_no_file(self, network: Network, tmp_path: Path) -> None:
        network.script = [(200, {}, DONE), self.broken(b"x" * 1000, 10)]
        with pytest.raises(ServiceUnreachable, match="broke off"), Client(network.address, token="t") as client:
            client.export(JOB["id"], tmp_path / "all.csv")
        assert list(tmp_path.iterdir()) == []

    def test_another_content_is_not_appended(self, network: Network, tmp_path: Path) -> None:
        network.script = [(200, {}, DONE), self.broken(b"x" * 1000, 10), self.broken(b"y" * 1000, 10, '"2"')]
        with pytest.raises(ExportChanged), Client(network.address, token="t") as client:
            client.export(JOB["id"], tmp_path / "all.csv")
        assert list(tmp_path.iterdir()) == []


def test_a_file_needs_a_format(network: Network, tmp_path: Path) -> None:
    with Client(network.address, token="t") as client, pytest.raises(ValueError, match=r"none of \.ndjson"):
        client.export(JOB["id"], tmp_path / "all.xls")
    assert not network.seen


@pytest.mark.parametrize("library", ["arrow", "reader", "pandas", "polars"])
def test_a_table_is_sent_as_an_arrow_stream(network: Network, library: str) -> None:
    columns = {"instrument_key": ["A", "B", "A"], "custom_id": ["1", None, "3"], "price": [1.5, None, 2.0]}
    table: Any = pa.table(columns)
    if library == "reader":
        table = table.to_reader()
    elif library == "pandas":
        frame = pandas.DataFrame(columns).astype({"instrument_key": "category"})
        table = frame[[True, True, True]].set_index(pandas.Index([4, 8, 9]))
        table["price"] = pandas.array([1.5, None, 2.0], dtype="Float64")
    elif library == "polars":
        table = polars.DataFrame(columns).with_columns(polars.col("instrument_key").cast(polars.Categorical))
    network.script = [(503, {}, {}), (202, {}, JOB)]
    with Client(network.address, token="t") as client:
        client.submit(table, params={"rate": 0.1})
    bodies = network.bodies[-2:]
    assert bodies[0] == bodies[1]
    with pa.ipc.open_stream(io.BytesIO(bodies[0])) as reader:
        assert json.loads(reader.schema.metadata[b"submission"]) == {"kind": "greeks", "params": {"rate": 0.1}}
        assert reader.read_all().to_pydict() == columns
    assert {headers["Content-Type"] for _, _, headers, _ in network.seen} == {"application/vnd.apache.arrow.stream"}


def test_a_text_is_no_list_of_items(network: Network) -> None:
    with Client(network.address, token="t") as client:
        for use in (client.submit, client.greeks, client.live_greeks_many):
            with pytest.raises(TypeError, match="is one text"):
                use("NSE@NIFTY@equity_spot")  # type: ignore[operator]
    assert not network.seen


def test_live_reads_ask_as_the_service_answers_fastest(network: Network) -> None:
    key = "NSE@M&M@equity_options@2026-12-29@call@2350.5"
    network.script = [(200, {}, {"data": [{"n": 1}]})]
    with Client(network.address, token="t") as client:
        client.live_greeks(key)
        assert client.live_greeks_many([key] * 3) == [{"n": 1}]
        client.live_greeks_many([f"{key}{n}" for n in range(700)])
        client.live_chain("SIM@NIFTY", strikes="all")
    asked = [(method, path) for method, path, _, _ in network.seen]
    root = "/api/v2/signals/realtime"
    assert asked[0] == ("GET", f"{root}/greeks/{key}")
    assert asked[1][0] == "GET" and asked[1][1].startswith(f"{root}/greeks?keys=")
    assert asked[2:4] == [("POST", f"{root}/greeks")] * 2
    assert [len(body["instrument_keys"]) for *_, body in network.seen[2:4]] == [500, 200]
    assert asked[4] == ("GET", f"{root}/chain/SIM@NIFTY?strikes=all")


def test_threads_share_a_client(network: Network) -> None:
    network.script = [(200, {}, DONE)]
    with Client(network.address, token="t") as client:
        threads = [threading.Thread(target=client.job, args=(JOB["id"],)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert len(network.seen) == 20


def test_a_cancelled_task_ends_its_request(network: Network) -> None:
    network.script = [(200, {}, JOB | {"eta_seconds": None})]

    async def use(client: AsyncClient) -> float:
        begun = time.monotonic()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.wait(JOB["id"]), 0.2)
        return time.monotonic() - begun

    assert ask(network, use) < 2
