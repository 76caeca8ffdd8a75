"""An indicator as a file: the rows of the pages, in every format, without a seam between two parts."""

import io
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import User
from pyarrow import parquet
from rest_framework.test import APIRequestFactory, force_authenticate

from batch.exports import indicators
from batch.exports.indicators import COLUMNS, IndicatorExportView
from tests.integration.test_indicators_door import BARS, BEGIN, PAIR, history, stored

pytestmark = pytest.mark.django_db(transaction=True)  # an export gives its connection back

__all__ = ["stored"]  # the fixture


def export(name: str, **query: str) -> Any:
    asked = {"timeframe": "1m", "start_time": BEGIN.isoformat(), **query}
    request = APIRequestFactory().get("/", asked)
    force_authenticate(request, User(username="alice", is_active=True))
    return IndicatorExportView.as_view()(request, instrument_key=PAIR, indicator=name)


def body(name: str, **query: str) -> bytes:
    response = export(name, **query)
    assert response.status_code == 200
    return b"".join(response.streaming_content)


@pytest.mark.parametrize("name", ["macd", "hilo", "psar", "obv", "vwap"])
def test_a_file_has_the_rows_of_the_pages(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indicators, "MOST_ROWS", 130)
    pages = [
        (row["time"], output, value, row["complete"])
        for row in history(name, limit=str(BARS))["data"]
        for output, value in row["values"].items()
    ]
    lines = [orjson.loads(line) for line in body(name, format="ndjson").splitlines()]
    assert len(lines) == len(pages) and list(lines[0]) == [each.name for each in COLUMNS]
    for line, (time, output, value, complete) in zip(lines, pages, strict=True):
        assert (line["time"], line["output"], line["complete"]) == (time, output, complete)
        assert line["value"] == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9))


def test_parquet_and_its_name() -> None:
    table = parquet.read_table(io.BytesIO(body("rsi", format="parquet", length="5")))
    assert table.column_names == [each.name for each in COLUMNS] and table.num_rows == BARS
    assert export("rsi", format="csv")["Content-Disposition"].endswith('-1m-rsi.csv"')


def test_what_is_refused_before_the_first_byte() -> None:
    response = export("rsi", length="x")
    assert response.status_code == 400
