"""Bars against the running service: pages, files, a job of them, and what is refused."""

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from tests.e2e.conftest import BATCH, read, run, succeed
from tests.e2e.hostile import PROBLEM, assert_refused

HISTORY = "/api/v2/signals/historical"
KEY, PAIR = "NSE@BARS@equity_spot", "BTC/USDT"
OPENING = datetime.fromisoformat("2024-01-02T09:15:00+05:30")
QUERY = {"timeframe": "7m", "start_time": "2024-01-01", "end_time": "2024-02-01"}


@pytest.fixture(scope="module", autouse=True)
def stored(address: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Three sessions of minutes of an index, and one day of a pair."""
    folder = tmp_path_factory.mktemp("bars")
    moments = [OPENING + timedelta(days=day, minutes=minute) for day in range(3) for minute in range(375)]
    midnight = datetime.fromisoformat("2024-01-02T00:00:00+00:00")
    pair = [midnight + timedelta(minutes=minute) for minute in range(1_440)]
    for name, key, times in (("index.csv", KEY, moments), ("pair.csv", PAIR, pair)):
        lines = [f"{time.isoformat()},{n + 10},{n + 13},{n + 9},{n + 11},{n % 7}" for n, time in enumerate(times)]
        (folder / name).write_text("time,open,high,low,close,volume\n" + "\n".join(lines) + "\n")
        said = succeed("import_bars", str(folder / name), "--instrument", key, "--timeframe", "1m")
        assert f"written   {len(times):>9,}" in said


def walk(client: httpx.Client, key: str = KEY, **query: Any) -> Iterator[dict[str, Any]]:
    url, parameters = f"{HISTORY}/bars/{key}", {name: str(value) for name, value in query.items()}
    while True:
        answer = client.get(url, params=parameters or None).raise_for_status()
        page = answer.json()
        yield from page["data"]
        assert (page["next_cursor"] is None) == ("next" not in answer.links)
        if page["next_cursor"] is None:
            return
        url, parameters = answer.links["next"]["url"], {}


@pytest.mark.parametrize(("key", "bars", "first"), [(KEY, 162, "03:45"), (PAIR, 207, "23:56")])
def test_pages(alice: httpx.Client, key: str, bars: int, first: str) -> None:
    found = list(walk(alice, key, **QUERY, limit=50))
    assert len(found) == bars and all(bar["complete"] for bar in found)
    assert found == list(walk(alice, key, **QUERY, limit=10_000))
    assert found[0]["volume"] == sum(range(7)) or key == PAIR
    assert found[1]["time"] > found[0]["time"]
    if key == KEY:
        assert found[0]["time"] == f"2024-01-02T{first}:00+00:00"


def test_an_etag_saves_the_body(alice: httpx.Client) -> None:
    answer = alice.get(f"{HISTORY}/bars/{KEY}", params=QUERY)
    again = alice.get(f"{HISTORY}/bars/{KEY}", params=QUERY, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_older_prefix_and_a_bare_symbol(alice: httpx.Client) -> None:
    one = alice.get(f"{HISTORY}/bars/BARS@equity_spot", params=QUERY).json()
    assert one["instrument_key"] == KEY
    assert alice.get(f"/api/v2/historical/bars/{KEY}", params=QUERY).json()["data"] == one["data"]


def test_what_is_stored(alice: httpx.Client) -> None:
    found = alice.get(f"{HISTORY}/available-timeframes/{KEY}").raise_for_status().json()
    assert [(each["timeframe"], each["first"], each["last"]) for each in found["stored"]] == [
        ("1m", "2024-01-02T03:45:00+00:00", "2024-01-04T09:59:00+00:00")
    ]
    assert found["timeframes"] == ["1m", "5m", "15m", "30m", "1h", "4h", "1d"]


def exported(client: httpx.Client, form: str, **query: Any) -> bytes:
    answer = client.get(f"{HISTORY}/bars/{KEY}/export", params={**QUERY, **query, "format": form}).raise_for_status()
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{KEY}-7m.{form}"'
    return answer.content


def test_files_have_the_bars_of_the_pages(alice: httpx.Client) -> None:
    bars = [{"instrument_key": KEY, **bar} for bar in walk(alice, **QUERY)]
    assert [orjson.loads(line) for line in exported(alice, "ndjson").splitlines()] == bars
    assert parquet.read_table(io.BytesIO(exported(alice, "parquet"))).to_pylist() == bars
    assert pa.ipc.open_stream(exported(alice, "arrow")).read_all().to_pylist() == bars
    rows = list(csv.DictReader(io.StringIO(exported(alice, "csv").decode())))
    assert list(rows[0]) == list(bars[0])
    assert [(row["time"], float(row["close"])) for row in rows] == [(bar["time"], bar["close"]) for bar in bars]
    accept = alice.get(f"{HISTORY}/bars/{KEY}/export", params=QUERY, headers={"Accept": "text/csv"})
    assert accept.headers["Content-Type"].startswith("text/csv")


def test_a_file_without_bars_has_its_columns(alice: httpx.Client) -> None:
    empty = exported(alice, "csv", start_time="2001-01-01", end_time="2001-02-01")
    assert empty.decode().strip().split(",")[:3] == ["instrument_key", "time", "open"]


def test_a_job_of_bars(alice: httpx.Client) -> None:
    params = {"timeframe": "7m", "days": 30}
    as_of = "2024-01-31T00:00:00Z"
    body = {"items": [KEY, PAIR, "nonsense"], "params": params, "as_of": as_of}
    at_once = (
        alice.post(f"{BATCH}/bars", json={**body, "params": {**params, "timeframe": "1h"}}).raise_for_status().json()
    )
    assert at_once["data"][0]["status"] == "ok" and at_once["data"][-1]["status"] == "bad_input"
    job, rows = run(alice, kind="bars", **body)
    assert job["request_counts"]["total"] == 3
    mine = [row for row in rows if row["instrument_key"] == KEY]
    assert [(row["bar_time"], row["close"], row["volume"]) for row in mine] == [
        (bar["time"], bar["close"], bar["volume"]) for bar in walk(alice, **QUERY)
    ]
    assert {row["position"]: row["status"] for row in rows} == {0: "ok", 1: "ok", 2: "bad_input"}
    assert read(alice, job) == rows


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"timeframe": "7x"}, "params.timeframe"),
        ({"timeframe": "9" * 100_000}, "params.timeframe"),
        ({"timeframe": 7}, "params.timeframe"),
        ({"timeframe": None}, "params.timeframe"),
        ({"timeframe": ["7m"]}, "params.timeframe"),
        ({"timeframe": "\0"}, "params.timeframe"),
        ({"days": 0}, "params.days"),
        ({"days": 1e9}, "params.days"),
        ({"anchor": "noon"}, "params.anchor"),
        ({"timeframe": "1s", "days": 30}, "params"),
    ],
)
def test_bad_parameters_of_a_job_are_named(alice: httpx.Client, params: dict[str, Any], field: str) -> None:
    assert_refused(alice.post(f"{BATCH}/bars", json={"items": [KEY], "params": params}), field)


def test_keys_that_are_none_and_instruments_without_bars(alice: httpx.Client) -> None:
    for path in (f"{HISTORY}/bars/{{}}", f"{HISTORY}/bars/{{}}/export"):
        for key in ("nonsense", "%00", "LSE@X", "X" * 300, "A@B@C"):
            assert_refused(alice.get(path.format(key), params=QUERY), "instrument_key")
        absent = alice.get(path.format("NSE@NOBODY@equity_spot"), params=QUERY)
        assert (absent.status_code, absent.headers["Content-Type"]) == (404, PROBLEM)
    refused = alice.get(f"{HISTORY}/bars/{KEY}/export", params={**QUERY, "format": "xls"})
    assert_refused(refused, "format")


def test_strangers_see_nothing(address: str) -> None:
    for path in (f"bars/{KEY}", f"bars/{KEY}/export", f"available-timeframes/{KEY}"):
        assert httpx.get(f"{address}{HISTORY}/{path}", params=QUERY).status_code == 401


def test_compute_bars_from_the_command_line(address: str, tmp_path: Path) -> None:
    out = tmp_path / "bars.csv"
    options = ["--timeframe", "1d", "--days", "30", "--at", "2024-01-31", "--out", str(out)]
    said = succeed("compute", "bars", KEY, *options)
    assert "ok" in said
    with out.open() as file:
        assert [row["bar_time"] for row in csv.DictReader(file)] == [
            f"2024-01-0{day}T03:45:00+00:00" for day in (2, 3, 4)
        ]


SAME = [
    {},
    {"limit": "50"},
    {"limit": "50", "cursor": "2024-01-02T04:00:00+00:00"},
    {"timeframe": "60m"},
    {"timeframe": "1d", "anchor": "epoch"},
    {"end_time": "2024-01-01"},
    {"start_time": "2024-01-02T09:15:00+05:30", "limit": "3"},
    {"timeframe": "7x"},
    {"timeframe": "30s"},
    {"limit": "0"},
    {"cursor": "never"},
    {"start_time": "2999-01-01"},
    {"more": "1"},
    {"anchor": "x" * 600},
]
OF_ONE_ANSWER = {"date", "server", "x-request-id"}


@pytest.mark.parametrize("change", SAME, ids=str)
@pytest.mark.parametrize("key", [KEY, PAIR, "BARS@equity_spot", "NSE@NOTHING@equity_spot", "NSE@BARS@", f"{KEY}/x"])
def test_the_event_loop_answers_as_the_view_does(alice: httpx.Client, key: str, change: dict[str, str]) -> None:
    """A condition is weighed by Django, on a thread; this one is none."""
    url, query = f"{HISTORY}/bars/{key}", {**QUERY, **change}
    first, second, view = (
        alice.get(url, params=query, headers={"If-Modified-Since": "never"} if by_view else {})
        for by_view in (False, False, True)
    )
    for each in (second, view):
        assert (each.status_code, without_id(each)) == (first.status_code, without_id(first))
        assert headers_of(each) == headers_of(first)


def headers_of(answer: httpx.Response) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in answer.headers.items() if name not in OF_ONE_ANSWER)


def without_id(answer: httpx.Response) -> Any:
    return {**answer.json(), "request_id": ""} if answer.status_code >= 400 else answer.content


def test_pages_are_answered_by_the_event_loop(alice: httpx.Client, address: str) -> None:
    def counted() -> tuple[float, float]:
        lines = httpx.get(f"{address}/metrics").text.splitlines()
        found = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return float(found["http_live_reads_total"]), float(found['signal_service_bars_pages_total{source="memory"}'])

    for _ in range(2):  # Django answers the first of a kind
        alice.get(f"{HISTORY}/bars/{KEY}", params=QUERY)
    before = counted()
    for _ in range(5):
        alice.get(f"{HISTORY}/bars/{KEY}", params=QUERY)
    assert counted() == (before[0] + 5, before[1] + 5)


def test_a_mended_bar_is_in_the_next_answer(alice: httpx.Client, tmp_path: Path) -> None:
    key = "NSE@MENDED@equity_spot"
    for price in (10, 20, 30):
        file = tmp_path / "bars.csv"
        file.write_text(f"time,open,high,low,close,volume\n{OPENING.isoformat()},{price},{price},{price},{price},1\n")
        succeed("import_bars", str(file), "--instrument", key, "--timeframe", "1m")
        for _ in range(3):
            assert [bar["close"] for bar in walk(alice, key, **QUERY)] == [price]


def test_forty_at_once_get_the_same(alice: httpx.Client) -> None:
    def ask(number: int) -> bytes:
        timeframe = ("9m", "11m")[number % 2]
        return alice.get(f"{HISTORY}/bars/{KEY}", params={**QUERY, "timeframe": timeframe}).raise_for_status().content

    with ThreadPoolExecutor(40) as pool:
        assert len(set(pool.map(ask, range(40)))) == 2
