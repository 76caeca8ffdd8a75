"""Histories of levels and of volatility at the money: recorded, computed, both; pages and files."""

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import orjson
import pyarrow.parquet as parquet
import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIRequestFactory, force_authenticate

from batch.exports.chain_values import AtmExportView, LevelExportView
from moneyness.core.chain_params import ChainParams
from moneyness.core.evaluate_chain import evaluate_chain, price_chains
from moneyness.core.records import chain_records
from moneyness.core.told import tell
from moneyness.history.serializers import AtmRankSerializer, ValueBarSerializer, ValueHistorySerializer
from moneyness.history.views import AtmHistoryView, AtmRankView, LevelHistoryView
from moneyness.models import ChainReading, MoneynessGreeks
from moneyness.services import record_chains
from moneyness.stored_chains import load_stored
from signals.greeks.core.conventions import GreeksParams
from tests.integration.history_market import DAYS, EXPIRIES, MINUTES, NAME, SPOT, bars_of, store_market, times
from timeframes.bars.services import record_bars
from timeframes.core.realised import parkinson
from timeframes.core.sessions import session_close, session_open

pytestmark = pytest.mark.django_db
gives_back = pytest.mark.django_db(transaction=True)  # as an export does with its connection
RANGE = {"timeframe": "1m", "start_time": "2024-01-09", "end_time": "2024-01-09T09:22"}
MINUTE = timedelta(minutes=1)


def respond(view: Any, query: dict[str, Any], name: str = NAME, level: str = "", **headers: str) -> Any:
    request = APIRequestFactory().get("/api/v2/signals/historical/moneyness/x", query, **headers)
    force_authenticate(request, User(username="alice", is_active=True))
    captured = {"underlying": name} | ({"moneyness_level": level} if level else {})
    response = view.as_view()(request, **captured)
    response.render() if hasattr(response, "render") else None
    return response


def ask(level: str = "", *, name: str = NAME, view: Any = None, **query: Any) -> tuple[int, Any, Any]:
    chosen = view or (LevelHistoryView if level else AtmHistoryView)
    response = respond(chosen, (RANGE if view is None else {}) | query, name, level)
    return response.status_code, orjson.loads(response.content), response


def walk(level: str = "", **query: Any) -> Iterator[dict[str, Any]]:
    while True:
        status, body, response = ask(level, **query)
        assert status == 200, body
        yield from body["data"]
        if body["next_cursor"] is None:
            return
        link = parse_qs(urlsplit(response["Link"].split(">")[0][1:]).query)
        assert link["cursor"] == [body["next_cursor"]]
        query = {name: value for name, (value,) in link.items()}


def evaluate(at: datetime, **rules: Any) -> Any:
    stored = load_stored([(NAME, at)], GreeksParams())
    assert stored is not None
    return evaluate_chain(
        price_chains(stored.snapshot, stored.keys, stored.black76, stored.interest, GreeksParams()),
        ChainParams(**rules),
    )


def record(at: datetime) -> None:
    found = evaluate(at)
    record_chains(chain_records(found, tell(found), {0: at}))


@pytest.fixture(autouse=True)
def market() -> None:
    store_market()


def test_computed_bars_are_the_evaluation_at_their_ends() -> None:
    rows = list(walk())
    begins = times()[:MINUTES]
    assert [row["time"] for row in rows][:MINUTES] == [each.isoformat() for each in begins]
    for row, begin in zip(rows, begins, strict=False):
        wanted = float(evaluate(begin + MINUTE).money.atm_volatility[0])
        assert {row[name] for name in ("open", "high", "low", "close", "mean")} == {wanted}
        assert (row["count"], row["source"], row["reason"], row["complete"]) == (1, "computed", None, True)
    assert set(rows[0]) == set(ValueBarSerializer().fields)


def test_recorded_bars_are_folded_and_gaps_are_computed() -> None:
    for at in times()[1:5]:  # 09:16, 09:17, 09:18, 09:19
        record(at)
    values = [float(evaluate(at).money.atm_volatility[0]) for at in times()[1:5]]
    (row,) = walk(timeframe="1h", source="recorded", end_time="2024-01-09")
    assert (row["open"], row["close"], row["count"]) == (values[0], values[-1], 4)
    assert (row["high"], row["low"]) == (max(values), min(values))
    assert row["mean"] == pytest.approx(np.mean(values)) and row["source"] == "recorded"
    both = list(walk())
    assert [each["source"] for each in both][:6] == ["computed"] + ["recorded"] * 4 + ["computed"]
    assert [each["close"] for each in both][1:5] == values
    level = list(walk("ATM", source="recorded"))
    assert [each["close"] for each in level] == pytest.approx(
        [
            MoneynessGreeks.objects.get(time=at, level="ATM", side="both", expiry=EXPIRIES[0]).implied_volatility
            for at in times()[1:5]
        ]
    )


@gives_back
@pytest.mark.parametrize(
    ("level", "query"),
    [
        ("", {}),
        ("", {"expiry": str(EXPIRIES[1]), "value": "forward"}),
        ("", {"tenor": "10"}),
        ("ATM", {}),
        ("OTM1", {"side": "puts", "value": "delta_mean", "expiry": str(EXPIRIES[1])}),
        ("OTM_PCT_0_3", {"value": "strike_low"}),
        ("OTM_PCT_0_3", {"value": "vega_mean"}),
    ],
)
def test_pages_join_and_files_equal_them(level: str, query: dict[str, str]) -> None:
    if query.get("value") == "strike_low":
        assert ask(level, **query)[0] == 400
        return
    record(times()[3])
    rows = list(walk(level, **query))
    assert len(rows) >= MINUTES and any(row["close"] is not None for row in rows)
    for limit in (1, 2, 5):
        assert list(walk(level, limit=str(limit), **query)) == rows
    status, body, response = ask(level, **query)
    assert status == 200 and body.keys() == ValueHistorySerializer().fields.keys()
    view = LevelHistoryView if level else AtmHistoryView
    assert respond(view, RANGE | query, NAME, level, HTTP_IF_NONE_MATCH=response["ETag"]).status_code == 304
    export = LevelExportView if level else AtmExportView
    files = {}
    for name in ("ndjson", "parquet", "csv"):
        response = respond(export, RANGE | query | {"format": name}, NAME, level)
        assert response.status_code == 200
        files[name] = b"".join(response.streaming_content)
    wanted = [{"underlying": NAME, **row} for row in rows]
    assert [orjson.loads(line) for line in files["ndjson"].splitlines()] == wanted
    assert parquet.read_table(io.BytesIO(files["parquet"])).to_pylist() == wanted
    assert files["csv"].count(b"\n") == len(rows) + 1


def test_a_range_begins_where_something_is_stored() -> None:
    rows = list(walk(start_time="1901-01-01", end_time="2024-01-12", timeframe="1d", limit="3"))
    days = [row["time"][:10] for row in rows if row["count"]]
    assert days == [str(day) for day in DAYS]
    assert all(row["reason"] for row in rows if not row["count"])
    assert list(walk(start_time="1901-01-01", end_time="2023-12-01", timeframe="1d")) == []
    assert ask(name="NSE@NOBODY")[1]["data"] == []
    closes = [evaluate(session_close("NSE", day)) for day in DAYS]
    found = [row["close"] for row in walk(timeframe="1d", end_time="2024-01-10")]
    assert found == [float(each.money.atm_volatility[0]) for each in closes]


def test_the_nearest_expiry_rolls() -> None:
    for at in (times()[3], times()[9]):
        record(at)
    ChainReading.objects.filter(expiry=EXPIRIES[0], time=times()[9]).delete()  # then the second is the nearest
    rows = list(walk(timeframe="1d", end_time="2024-01-12", source="recorded"))
    wanted = [
        ChainReading.objects.get(time=at, expiry=expiry).implied_volatility
        for at, expiry in zip((times()[3], times()[9]), EXPIRIES, strict=True)
    ]
    assert [row["close"] for row in rows] == wanted


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"timeframe": "1M"}, "timeframe"),
        ({"timeframe": "9" * 400 + "m"}, "timeframe"),
        ({"start_time": "0001-01-01"}, "start_time"),
        ({"start_time": "nonsense\x00"}, "start_time"),
        ({"start_time": "2024-02-01"}, "end_time"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1" + "0" * 400}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"value": "close; DROP TABLE x"}, "value"),
        ({"value": "time"}, "value"),
        ({"source": "both"}, "source"),
        ({"expiry": "2024-13-01"}, "expiry"),
        ({"more": "1"}, "more"),
    ],
)
def test_what_is_refused_names_its_field(query: dict[str, str], field: str) -> None:
    for level in ("", "ATM"):
        status, body, _ = ask(level, **query)
        assert status == 400 and [each["field"] for each in body["errors"]] == [field], body


@pytest.mark.parametrize("tenor", ["0", "nan", "1e400", "30d", "-7", "1" + "0" * 400])
def test_a_tenor_that_cannot_be(tenor: str) -> None:
    for view in (None, AtmRankView):
        status, body, _ = ask(view=view, tenor=tenor)
        assert status == 400 and body["errors"][0]["field"] == "tenor"


def test_a_level_or_an_underlying_that_cannot_be() -> None:
    for level in ("ATM1", "OTM99999", "A" * 300, "ATM\x00", "'"):
        assert ask(level)[1]["errors"][0]["field"] == "moneyness_level"
    for name in ("MOON@X", SPOT, "'", "A" * 300, "NSE@X\x00"):
        assert ask(name=name)[1]["errors"][0]["field"] == "underlying"
    assert ask(tenor="10", expiry="2024-01-11")[1]["errors"][0]["field"] == "tenor"
    assert ask(tenor="10", value="forward")[1]["errors"][0]["field"] == "value"


@gives_back
def test_a_file_of_too_much_to_compute_is_refused() -> None:
    query = RANGE | {"end_time": "2024-03-01", "format": "csv"}
    response = respond(AtmExportView, query)
    assert response.status_code == 400 and orjson.loads(response.content)["errors"][0]["field"] == "source"
    assert respond(AtmExportView, query | {"source": "recorded"}).status_code == 200


def test_rank_and_percentile_with_realised_volatility_beside_them() -> None:
    days = [day for day in (date(2023, 12, 1) + timedelta(days=n) for n in range(41)) if day.weekday() < 5]
    begins = [session_open("NSE", day) for day in days if day.isoformat() not in ("2023-12-25",)]
    random = np.random.default_rng(3)
    rows = []
    for _ in begins:
        first, last = random.uniform(950, 1050, 2)
        rows.append([first, max(first, last) + 5, min(first, last) - 5, last])
    record_bars(SPOT, 86_400, bars_of(begins, rows, 0.0), source="test")
    at = session_close("NSE", DAYS[1])
    status, body, _ = ask(view=AtmRankView, as_of=at.isoformat(), sessions="3", window="10", tenor="10")
    assert status == 200 and body.keys() == AtmRankSerializer().fields.keys()
    assert body["known"] == 2 and body["time"][:10] == "2024-01-10"
    earlier, newest = (float(evaluate(session_close("NSE", day), tenors=(10.0,)).term.volatility[0]) for day in DAYS)
    assert body["implied_volatility"] == newest and (body["lowest"], body["highest"]) == tuple(
        sorted((earlier, newest))
    )
    assert body["percentile"] == float(earlier < newest)
    assert body["rank"] == float(earlier < newest) and "1 of 3" in body["reason"]
    bars = bars_of(begins, rows, 0.0)
    last = [n for n, begin in enumerate(begins) if begin < at][-1]
    wanted = float(parkinson(bars.take(slice(last - 10, last + 1)), 10)[-1])
    assert body["realised"]["parkinson"] == pytest.approx(wanted)
    assert body["realised"]["close_to_close"] > 0 and body["realised"]["yang_zhang"] > 0
    status, body, _ = ask(view=AtmRankView, as_of=at.isoformat(), window="200")
    assert status == 200 and body["realised"]["parkinson"] is None and "needed" in body["realised"]["reason"]
    assert "computes at most" in body["reason"]
    for query in (
        {"sessions": "1"},
        {"window": "1"},
        {"sessions": "9" * 400},
        {"as_of": "2190-01-01"},
        {"as_of": "1970-01-01"},
    ):
        assert ask(view=AtmRankView, **query)[0] == 400
    nobody = ask(view=AtmRankView, name="NSE@NOBODY", as_of=at.isoformat(), sessions="5")[1]
    assert nobody["rank"] is None and nobody["realised"]["reason"]
    assert datetime.fromisoformat(nobody["as_of"]) == at.astimezone(UTC)
