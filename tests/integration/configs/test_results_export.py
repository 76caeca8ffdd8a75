"""Results of a configuration as files: a column for each value that any of them has, with the reasons beside."""

import csv
import io
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest
from django.contrib.auth.models import Permission, User
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.urls import get_resolver, reverse
from pyarrow import parquet
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from batch.client import ApiError, Client
from batch.configs import result_files
from batch.configs.core import flattening
from batch.configs.result_files import ResultFile
from batch.configs.selectors import ResultsAsked
from batch.exports.asgi import is_export
from signals.configs.models import Configuration, ConfigurationResult

pytestmark = pytest.mark.django_db(transaction=True)  # an export gives its connection back
BEGIN = datetime(2026, 6, 11, 4, tzinfo=UTC)
SPOT, OTHER = "NSE@NIFTY@equity_spot", "NSE@BANKNIFTY@equity_spot"
BBANDS = "bbands(length=20,std=2.5)"
ABOUT = ["instrument_key", "time", "source", "version", "run", "tick"]


@pytest.fixture
def configuration() -> Configuration:
    owner, _ = User.objects.get_or_create(username="ann")
    return Configuration.objects.create(
        owner=owner, name='a "b";\tc', document={}, origin="api", created_at=BEGIN, updated_at=BEGIN
    )


@pytest.fixture
def keep(configuration: Configuration) -> Callable[..., None]:
    def keep(values: Any, reasons: Any = None, *, minute: int = 0, key: str = SPOT, source: str = "schedule") -> None:
        ConfigurationResult.objects.create(
            instrument_key=key,
            time=BEGIN + timedelta(minutes=minute),
            configuration_id=configuration.pk,
            source=source,
            version=1,
            run=7 if source == "schedule" else None,
            tick="" if source == "schedule" else "1-0",
            values=values,
            reasons=reasons or {},
        )

    return keep


def signed_in(name: str, *permissions: str) -> APIClient:
    user, _ = User.objects.get_or_create(username=name)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    made = APIClient(headers={"host": "localhost"})
    made.force_authenticate(User.objects.get(pk=user.pk))
    return made


def export(configuration: Configuration, client: APIClient | None = None, **query: str) -> Any:
    address = reverse("configuration-results-export", args=[configuration.pk])
    return (client or signed_in("ann")).get(address, query)


def rows(configuration: Configuration, **query: str) -> list[dict[str, Any]]:
    answer = export(configuration, format="ndjson", **query)
    assert answer.status_code == 200
    return [orjson.loads(line) for line in b"".join(answer.streaming_content).splitlines()]


def test_every_format_has_the_union_of_values_with_reasons_beside(
    configuration: Configuration, keep: Callable[..., None]
) -> None:
    keep({"greeks": {"delta": 0.5, "model": "black"}, "indicators": {"rsi": {"RSI_14": 61.2}}}, minute=5)
    keep(
        {
            "indicators": {"rsi": None, BBANDS: {"BBL_20_2.5": -1.5, "BBU_20_2.5": None}},
            "greeks": {"delta": None, "model": None},
            "external_functions": {"mine": {"up": True, "=cmd|x": 2}},
        },
        {"indicators.rsi": "=1+1", f"indicators.{BBANDS}": "too few", "greeks.delta": "no quote"},
        source="tick",
    )
    names = [
        *("greeks.delta", "greeks.delta:reason", "greeks.model"),
        *(f"indicators.{BBANDS}.BBL_20_2.5", f"indicators.{BBANDS}.BBU_20_2.5", f"indicators.{BBANDS}:reason"),
        *("indicators.rsi.RSI_14", "indicators.rsi:reason"),
        *("external_functions.mine.=cmd|x", "external_functions.mine.up", "more"),
    ]
    first = [SPOT, "2026-06-11T04:00:00+00:00", "tick", 1, None, "1-0"]
    first += [None, "no quote", None, -1.5, None, "too few", None, "=1+1", 2.0, True, None]
    second = [SPOT, "2026-06-11T04:05:00+00:00", "schedule", 1, 7, None]
    second += [0.5, None, "black", None, None, None, 61.2, None, None, None, None]
    found = rows(configuration)
    assert [*found[0]] == [*ABOUT, *names]
    assert [[*each.values()] for each in found] == [first, second]
    for format_, read in (
        ("parquet", lambda body: parquet.read_table(io.BytesIO(body)).to_pylist()),
        ("arrow", lambda body: pa.ipc.open_stream(body).read_all().to_pylist()),
    ):
        assert read(b"".join(export(configuration, format=format_).streaming_content)) == found
    text = b"".join(export(configuration, format="csv").streaming_content).decode()
    header, one, two = csv.reader(io.StringIO(text, newline=""))
    assert header == [*ABOUT, *names] and two[:2] == second[:2]
    assert one[header.index("indicators.rsi:reason")] == "'=1+1"
    assert one[header.index(f"indicators.{BBANDS}.BBL_20_2.5")] == "-1.5"


def test_filters_are_those_of_the_pages(configuration: Configuration, keep: Callable[..., None]) -> None:
    for minute in range(4):
        for key, source in ((SPOT, "schedule"), (OTHER, "tick")):
            keep({"greeks": {"delta": minute}}, minute=minute, key=key, source=source)
    assert len(rows(configuration)) == 8
    assert {each["instrument_key"] for each in rows(configuration, instrument=OTHER)} == {OTHER}
    within = {"start_time": "2026-06-11T04:01", "end_time": "2026-06-11T04:03+00:00"}
    assert [each["greeks.delta"] for each in rows(configuration, source="schedule", **within)] == [1.0, 2.0]


@pytest.mark.parametrize("query", [{"format": "xls"}, {"limit": "5"}, {"source": "dice"}, {"instrument": "x\x00"}])
def test_a_bad_query_is_refused_before_the_first_byte(configuration: Configuration, query: dict[str, str]) -> None:
    assert export(configuration, **query).status_code == 400


def test_who_may_have_it_and_its_name(configuration: Configuration) -> None:
    assert export(configuration, signed_in("ben")).status_code == 404
    answer = export(configuration, signed_in("staff", "view_configuration"), format="csv")
    name = f"configuration-{configuration.pk}-results.csv"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert b"".join(answer.streaming_content).decode().strip() == ",".join([*ABOUT, "more"])


def test_portions_leave_nothing_out(
    configuration: Configuration, keep: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in range(3):
        for key in (SPOT, OTHER):
            for source in ("schedule", "tick"):
                keep({"greeks": {"delta": minute}}, minute=minute, key=key, source=source)
    whole = rows(configuration)
    assert len(whole) == 12
    for portion in (1, 3, 4, 12):
        monkeypatch.setattr(result_files, "ROWS", portion)
        assert rows(configuration) == whole


def test_what_has_no_column_is_not_left_out(
    configuration: Configuration, keep: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flattening, "MOST_COLUMNS", 2)
    keep({"external_functions": {"mine": {"a": 1.5, "b": 2.5, "c": 3.5}}}, {"external_functions.mine": "late"})
    (found,) = rows(configuration)
    assert found["external_functions.mine.a"] == 1.5 and found["external_functions.mine.b"] == 2.5
    more = orjson.loads(found["more"])
    assert more == {"external_functions.mine.c": 3.5, "external_functions.mine:reason": "late"}


def test_a_row_that_comes_while_columns_are_read(configuration: Configuration, keep: Callable[..., None]) -> None:
    keep({"greeks": {"delta": 1.0}})
    file = ResultFile(configuration.pk, ResultsAsked())
    file.columns()
    keep({"greeks": {"delta": "a text", "vega": 1.0}}, minute=1)
    (part,) = file.parts()
    assert part["greeks.delta"] == [1.0, None]
    assert part["more"] == [None, '{"greeks.delta":"a text","greeks.vega":1.0}']


def test_a_stored_row_that_nobody_can_read_takes_no_other_along(
    configuration: Configuration, keep: Callable[..., None]
) -> None:
    keep({"greeks": {"delta": 1.0}, "indicators": 5, "dice": {"six": [6]}})
    keep([1, 2], minute=1)
    keep({"greeks": {"delta": "x"}}, minute=3)
    keep({"greeks": {"delta": {"x": {"y": 2}}}}, minute=2)
    with connection.cursor() as cursor:
        cursor.execute("""UPDATE signal_configuration_results SET values = jsonb_set(values, '{greeks,delta,x,y}', %s)
                          WHERE time = '2026-06-11 04:02Z'""", ["1" + "0" * 400])  # fmt: skip
    first, second, third, _ = rows(configuration)
    assert (first["greeks.delta"], first["indicators"], first["more"]) == ("1.0", 5.0, '{"dice.six":[6]}')
    assert second["more"] == '{"result:reason":"[1, 2]"}'
    assert "unreadable" in third["more"]


def test_the_event_loop_streams_every_export() -> None:
    """A door that is not among them holds a thread while its reader is slow."""
    samples = {"uuid": "7" * 8 + "-7777-7777-7777-" + "7" * 12}
    names = [name for name in get_resolver().reverse_dict if isinstance(name, str) and name.endswith("export")]
    assert len(names) >= 7
    for name in names:
        ((pattern, parameters), *_) = get_resolver().reverse_dict.getlist(name)[-1][0]
        values = {each: samples["uuid"] if each.endswith("_id") else "NSE@X" for each in parameters}
        assert is_export({"method": "GET", "path": "/" + pattern % values}), name


def test_the_python_client_reads_them_in_every_form(
    configuration: Configuration, keep: Callable[..., None], tmp_path: Path
) -> None:
    for minute in range(3):
        keep({"greeks": {"delta": minute / 4}}, minute=minute)
    keep({"greeks": {"delta": 0.9}}, minute=1, source="tick")
    token = str(AccessToken.for_user(configuration.owner))
    transport = httpx.WSGITransport(get_wsgi_application())
    with Client("https://localhost", token=token, transport=transport) as client:
        rows = list(client.config_results(configuration.pk))
        assert [row["greeks.delta"] for row in rows] == [0.0, 0.25, 0.9, 0.5]
        asked: dict[str, Any] = {"source": "schedule", "start_time": BEGIN + timedelta(minutes=1), "instrument": SPOT}
        table = client.config_results_to_arrow(str(configuration.pk), **asked)
        assert table.column("greeks.delta").to_pylist() == [0.25, 0.5]
        written = client.export_config_results(configuration.pk, tmp_path / "all.parquet", **asked)
        assert parquet.read_table(written).equals(table)
        with pytest.raises(ApiError, match="404"):
            next(client.config_results(uuid.uuid4()))
