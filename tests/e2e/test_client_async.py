"""The asynchronous client, tables and files against the real service."""

import asyncio
import csv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import polars
import pyarrow as pa
import pyarrow.parquet
import pytest

from batch.client import ApiError, AsyncClient, Client, Connected, Job, Snapshot, Update
from tests.e2e.conftest import AT
from tests.e2e.sockets import publish

T = TypeVar("T")
Use = Callable[[Callable[[AsyncClient], Awaitable[Any]]], Any]
CHAIN = {"underlying": "SIM@NIFTY"}
OF_THE_KEY = ["underlying", "expiry", "strike", "right"]  # columns that exports have and pages have not


def without_keys(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in OF_THE_KEY} for row in rows]


@pytest.fixture(scope="module")
def use(address: str, passwords: dict[str, str]) -> Use:
    async def main(function: Callable[[AsyncClient], Awaitable[T]]) -> T:
        async with AsyncClient(address, username="alice", password=passwords["alice"]) as client:
            return await function(client)

    return lambda function: asyncio.run(main(function))


@pytest.fixture(scope="module")
def job(use: Use) -> Job:
    async def submit(client: AsyncClient) -> Job:
        return await client.wait(await client.submit(selector=CHAIN, as_of=AT), timeout=60)

    return use(submit)


@pytest.fixture(scope="module")
def rows(use: Use, job: Job) -> list[dict[str, Any]]:
    async def read(client: AsyncClient) -> list[dict[str, Any]]:
        return [row async for row in client.results(job)]

    return use(read)


def test_a_job_is_submitted_waited_for_and_read(job: Job, rows: list[dict[str, Any]]) -> None:
    assert job.status == "completed" and [row["position"] for row in rows] == list(range(job.counts.total))


def test_all_ways_to_read_it_agree(use: Use, job: Job, rows: list[dict[str, Any]]) -> None:
    async def read(client: AsyncClient) -> None:
        assert without_keys([row async for row in client.stream(job)]) == rows
        batches = [batch async for batch in client.iter_batches(job)]
        assert without_keys(pa.Table.from_batches(batches).to_pylist()) == rows
        assert without_keys((await client.to_polars(job)).to_dicts()) == rows
        assert len(await client.to_pandas(job)) == len(rows)
        failed = await client.to_arrow(job, status="failed")
        assert without_keys(failed.to_pylist()) == [row for row in rows if row["status"] != "ok"]

    use(read)


def test_no_rows_are_a_table_too(use: Use, job: Job, rows: list[dict[str, Any]]) -> None:
    table = use(lambda client: client.to_arrow(job, status="cancelled"))
    assert table.num_rows == 0 and [name for name in table.column_names if name not in OF_THE_KEY] == list(rows[0])


def test_files_of_each_format(use: Use, job: Job, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    async def write(client: AsyncClient) -> None:
        for ending in ("csv", "parquet", "arrow", "ndjson"):
            await client.export(job, tmp_path / f"all.{ending}")

    use(write)
    with (tmp_path / "all.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    assert pyarrow.parquet.read_table(tmp_path / "all.parquet").drop_columns(OF_THE_KEY).to_pylist() == rows
    with pa.ipc.open_stream(tmp_path / "all.arrow") as reader:
        assert reader.read_all().drop_columns(OF_THE_KEY).to_pylist() == rows
    assert (tmp_path / "all.ndjson").read_bytes().count(b"\n") == len(rows)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("form", ["list", "generator", "arrow", "polars"])
def test_each_form_of_a_submission_is_the_same_job(use: Use, rows: list[dict[str, Any]], form: str) -> None:
    columns = {
        "instrument_key": [row["instrument_key"] for row in rows],
        "custom_id": [str(row["position"]) for row in rows],
        "volatility": [0.2 if row["position"] % 2 else None for row in rows],
    }
    table = pa.table(columns)
    listed = [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
    items: Any = {
        "list": listed,
        "generator": iter(listed),
        "arrow": table,
        "polars": polars.DataFrame(columns).with_columns(polars.col("instrument_key").cast(polars.Categorical)),
    }[form]

    async def submit(client: AsyncClient) -> Any:
        job = await client.wait(await client.submit(items, as_of=AT, reuse=False), timeout=60)
        return (await client.to_arrow(job)).to_pylist()

    got = use(submit)
    assert [(row["instrument_key"], row["custom_id"]) for row in got] == list(
        zip(columns["instrument_key"], columns["custom_id"], strict=True)
    )
    assert {row["iv_source"] for row in got if row["status"] == "ok" and row["position"] % 2} == {"override"}


def test_answers_estimates_and_refusals(use: Use, rows: list[dict[str, Any]]) -> None:
    keys = [row["instrument_key"] for row in rows[:150]]

    async def ask(client: AsyncClient) -> None:
        for count in (3, 150):
            found = await client.greeks(keys[:count], as_of=AT)
            assert [row["instrument_key"] for row in found.data] == keys[:count] and found.forwards
        assert (await client.estimate(keys, as_of=AT)).total == 150
        assert (await anext(client.jobs())).kind == "greeks"
        with pytest.raises(ApiError) as error:
            await client.submit(keys, params={"forward": "futures"})
        assert (error.value.problem["status"], error.value.errors[0].field) == (400, "params.forward")

    use(ask)


def test_live_reads_and_a_feed_with_password_and_ticket(use: Use, address: str, passwords: dict[str, str]) -> None:
    key = "SIM@NIFTY@equity_spot"
    state = {
        "instrument_key": key,
        "entry_id": "1-0",
        "time": AT,
        "tick": {"ltp": 24010.5},
        "as_of": AT,
        "greeks": None,
    }
    publish("SIM@NIFTY", equity_spot=state)

    async def read(client: AsyncClient) -> None:
        assert (await client.live_greeks(key))["instrument_key"] == key
        missing = "SIM@NIFTY@equity_options@2027-12-28@call@1"
        found = await client.live_greeks_many([key, missing])
        assert [each["instrument_key"] for each in found] == [key, missing] and found[1]["status"] == "not_found"
        with pytest.raises(ApiError) as error:
            await client.live_greeks(missing)
        assert error.value.status == 404
        with pytest.raises(ApiError) as error:
            await client.live_chain("SIM@NOSUCH")
        assert error.value.status == 404
        for ticket in (False, True):
            async with client.feed(key, ticket=ticket) as feed:
                assert isinstance(await feed.next(timeout=10), Connected)
                snapshot = await feed.next(timeout=10)
                assert isinstance(snapshot, Snapshot) and snapshot.data["tick"] == {"ltp": 24010.5}

    use(read)


def test_the_progress_of_a_job_is_a_topic(address: str, passwords: dict[str, str], rows: list[dict[str, Any]]) -> None:
    with Client(address, username="alice", password=passwords["alice"]) as client:
        job = client.submit([row["instrument_key"] for row in rows] * 20, as_of=AT, reuse=False)
        with client.feed(f"job:{job.id}") as feed:
            while True:
                event = feed.next(timeout=30)
                if isinstance(event, Snapshot | Update) and event.data and event.data.get("done"):
                    break
        assert client.job(job).done
