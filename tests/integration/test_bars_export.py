"""The bars of one instrument as files, equal to the pages."""

import io
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as parquet
import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIRequestFactory, force_authenticate

from batch.exports.bars import COLUMNS, BarsExportView
from tests.integration.test_bars_door import KEY, stored, walk
from timeframes.bars.serializers import BarSerializer

pytestmark = pytest.mark.django_db(transaction=True)  # an export gives its connection back
QUERY = {"timeframe": "7m", "start_time": "2024-01-01", "end_time": "2024-02-01"}

__all__ = ["stored"]  # the fixture that stores bars


def export(key: str = KEY, **query: str) -> Any:
    request = APIRequestFactory().get(f"/api/v2/signals/historical/bars/{key}/export", {**QUERY, **query})
    force_authenticate(request, User(username="alice", is_active=True))
    return BarsExportView.as_view()(request, instrument_key=key)


def body(**query: str) -> bytes:
    response = export(**query)
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def test_every_format_has_the_bars_of_the_pages() -> None:
    bars = [{"instrument_key": KEY, **bar} for bar in walk(**QUERY)]
    assert len(bars) == 4 * 54
    assert [orjson.loads(line) for line in body(format="ndjson").splitlines()] == bars
    assert parquet.read_table(io.BytesIO(body(format="parquet"))).to_pylist() == bars
    assert pa.ipc.open_stream(body(format="arrow")).read_all().to_pylist() == bars
    rows = pyarrow.csv.read_csv(io.BytesIO(body(format="csv")))
    assert rows.column_names == list(bars[0])
    assert rows.column("close").to_pylist() == [bar["close"] for bar in bars]


def test_the_columns_are_those_of_the_pages() -> None:
    assert [column.name for column in COLUMNS] == ["instrument_key", *BarSerializer().fields]


def test_the_files_name() -> None:
    assert export(format="csv")["Content-Disposition"] == f'attachment; filename="{KEY}-7m.csv"'


@pytest.mark.parametrize("timeframe", ["3660d", "522w", "120mo", "12mo", "1d"])
def test_the_longest_bars_of_the_longest_range(timeframe: str) -> None:
    rows = body(format="ndjson", timeframe=timeframe, start_time="1901-01-01", end_time="2198-12-31").splitlines()
    assert sum(orjson.loads(row)["volume"] for row in rows) == 10.0 * 4 * 375


def test_no_bars_are_a_file_with_its_columns() -> None:
    assert body(format="csv", start_time="2001-01-01", end_time="2001-02-01").decode().strip() == ",".join(
        column.name for column in COLUMNS
    )


@pytest.mark.parametrize(
    ("query", "status"),
    [({"format": "xls"}, 400), ({"timeframe": "7x"}, 400), ({"limit": "5"}, 400), ({"start_time": "x"}, 400)],
)
def test_a_bad_query_is_refused_before_the_first_byte(query: dict[str, str], status: int) -> None:
    assert export(**query).status_code == status


def test_an_instrument_without_data_is_not_found() -> None:
    assert export("NSE@NOTHING@equity_spot").status_code == 404
