"""Historical Greeks over HTTP: pages that join, files that equal the pages and the job, and what is refused."""

import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pyarrow.parquet as parquet
import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIRequestFactory, force_authenticate

from batch.exports.historical_greeks import HistoricalGreeksExportView
from batch.jobs.historical_greeks import HistoricalGreeksView, page_serializer
from signalsite.foundation.computations.registry import find
from tests.integration.history_market import EXPIRIES, MINUTES, SPOT, option, store_market, times
from tests.integration.test_historical_greeks import compute

pytestmark = pytest.mark.django_db(transaction=True)  # an export gives its connection back
CALL = option(EXPIRIES[1], "call", 1000)
RANGE = {"timeframe": "1m", "start_time": "2024-01-09", "end_time": "2024-01-10"}


def respond(view: Any, key: str, query: dict[str, Any], **headers: str) -> Any:
    request = APIRequestFactory().get(f"/api/v2/signals/historical/greeks/{key}", query, **headers)
    force_authenticate(request, User(username="alice", is_active=True))
    return view.as_view()(request, instrument_key=key)


def ask(key: str = CALL, **query: Any) -> tuple[int, Any, Any]:
    response = respond(HistoricalGreeksView, key, {**RANGE, **query})
    response.render() if hasattr(response, "render") else None
    return response.status_code, orjson.loads(response.content), response


def walk(**query: Any) -> Iterator[dict[str, Any]]:
    while True:
        status, body, response = ask(**query)
        assert status == 200, body
        yield from body["data"]
        if body["next_cursor"] is None:
            return
        link = parse_qs(urlsplit(response["Link"].split(">")[0][1:]).query)
        assert link["cursor"] == [body["next_cursor"]]
        query = {name: value for name, (value,) in link.items()}


@pytest.fixture(autouse=True)
def market() -> None:
    store_market()


def test_pages_join_and_equal_the_jobs_rows() -> None:
    status, body, response = ask(limit="1")
    assert status == 200 and response["ETag"]
    assert body.keys() == page_serializer()().fields.keys()
    assert [row["point"] for row in body["data"]] == ["open", "high", "low", "close"]
    again = respond(HistoricalGreeksView, CALL, {**RANGE, "limit": "1"}, HTTP_IF_NONE_MATCH=response["ETag"])
    assert again.status_code == 304
    wanted = [{name: value for name, value in row.items() if name != "item"} for row in compute([CALL])]
    assert len(wanted) == 2 * MINUTES * 4
    for limit in (1, 5, 6, 7, 2500):
        assert list(walk(limit=str(limit))) == wanted
    some = list(walk(points="close,open", greeks="delta", forward="spot", rate="0.03"))
    assert [row["point"] for row in some[:4]] == ["open", "close", "open", "close"]
    assert "vega" not in some[0] and some[0]["rate"] == 0.03 and some[0]["forward_source"] == "spot"


def test_files_equal_the_pages() -> None:
    rows = [{"instrument_key": CALL, **row} for row in walk()]
    files = {}
    for name in ("ndjson", "parquet", "csv", "arrow"):
        response = respond(HistoricalGreeksExportView, CALL, {**RANGE, "format": name})
        assert response.status_code == 200
        files[name] = b"".join(response.streaming_content)
    assert [orjson.loads(line) for line in files["ndjson"].splitlines()] == rows
    assert parquet.read_table(io.BytesIO(files["parquet"])).to_pylist() == rows
    assert files["csv"].count(b"\n") == len(rows) + 1
    names = [column.name for column in find("historical_greeks").columns_for({})]
    assert list(rows[0]) == ["instrument_key", *names]


def test_a_range_is_read_in_the_exchanges_zone() -> None:
    found = [
        row["bar_time"] for row in walk(start_time="2024-01-09T09:16", end_time="2024-01-09T09:18", points="close")
    ]
    assert found == [times()[1].isoformat(), times()[2].isoformat()]
    long = list(walk(start_time="1901-01-01", end_time="2199-01-01", timeframe="1mo", points="close"))
    assert len(long) == 1 and long[0]["status"] in ("ok", "expired")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"timeframe": "1M"}, "timeframe"),
        ({"timeframe": "45s"}, "timeframe"),
        ({"timeframe": "9" * 400 + "m"}, "timeframe"),
        ({"start_time": "0001-01-01"}, "start_time"),
        ({"start_time": "9999-12-31"}, "start_time"),
        ({"start_time": "nonsense\x00"}, "start_time"),
        ({"start_time": "2024-02-01"}, "end_time"),
        ({"limit": "0"}, "limit"),
        ({"limit": "2501"}, "limit"),
        ({"limit": "1" + "0" * 400}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"points": "close,middle"}, "points"),
        ({"points": ""}, "points"),
        ({"extremes": "both"}, "extremes"),
        ({"rate": "1" + "0" * 400}, "rate"),
        ({"rate": "nan"}, "rate"),
        ({"greeks": "delta,delta"}, "greeks"),
        ({"days": "3"}, "days"),
        ({"strike": "3"}, "strike"),
    ],
)
def test_what_is_refused_names_its_field(query: dict[str, str], field: str) -> None:
    for view in (HistoricalGreeksView, HistoricalGreeksExportView):
        if view is HistoricalGreeksExportView and {"limit", "cursor"} & query.keys():
            continue
        response = respond(view, CALL, {**RANGE, **query})
        response.render()
        body = orjson.loads(response.content)
        assert response.status_code == 400, body
        assert {each["field"].partition("[")[0] for each in body["errors"]} == {field}, body


def test_what_is_no_option_or_not_stored() -> None:
    assert ask(SPOT)[0] == 400 and ask("nonsense@")[0] == 400
    status, body, _ = ask(option(EXPIRIES[1], "call", 5))
    assert status == 404 and "no bars" in str(body)
