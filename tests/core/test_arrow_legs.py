"""Portfolios as Arrow streams give the same items as JSON, and hostile legs do no harm."""

from datetime import date
from typing import Any

import orjson
import pyarrow as pa
import pytest

from batch.jobs.core import arrow_legs
from batch.jobs.core.portfolio_items import PortfolioReader
from signalsite.foundation.computations.columns import PORTFOLIO
from signalsite.foundation.computations.contract import MOST_LEGS
from signalsite.foundation.errors import InvalidInput
from tests.core.test_arrow_items import items, read, stream

PORTFOLIOS: list[dict[str, Any]] = [
    {
        "custom_id": "condor",
        "legs": [
            {"instrument_key": "NSE@NIFTY@equity_options@2026-12-29@call@26000", "quantity": -1, "lot_size": 75.0},
            {"underlying": "NIFTY", "expiry": "2026-12-29", "strike": 25_000.0, "option_type": "put", "quantity": 2},
        ],
    },
    {"legs": [{"underlying": "NIFTY", "quantity": 5}]},
    {"custom_id": "none", "legs": []},
    {"custom_id": "null"},
]
LEG = pa.struct(
    [
        ("instrument_key", pa.string()),
        ("underlying", pa.string()),
        ("expiry", pa.string()),
        ("strike", pa.float64()),
        ("option_type", pa.string()),
        ("quantity", pa.int64()),
        ("lot_size", pa.float64()),
    ]
)


def table(rows: list[dict[str, Any]], kind: pa.DataType | None = None) -> pa.Table:
    schema = pa.schema([("custom_id", pa.string()), ("legs", kind or pa.list_(LEG))])
    return pa.Table.from_pylist(rows, schema)


@pytest.mark.parametrize("kind", [pa.list_(LEG), pa.large_list(LEG)])
@pytest.mark.parametrize("at_once", [1, 2, 20_000])
def test_columns_are_portfolios(kind: pa.DataType, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_legs, "LEGS_AT_ONCE", at_once)
    assert items(stream(table(PORTFOLIOS, kind))) == PORTFOLIOS


def test_they_are_read_as_those_of_json_are() -> None:
    reader, other = (PortfolioReader({}, "NSE", PORTFOLIO) for _ in range(2))
    by_arrow = reader.read(items(stream(table(PORTFOLIOS))))
    by_json = other.read(orjson.loads(orjson.dumps(PORTFOLIOS)))
    assert (by_arrow.keys, by_arrow.custom_ids, by_arrow.refused) == (by_json.keys, by_json.custom_ids, by_json.refused)
    assert not by_arrow.refused.keys() & {0, 1} and by_arrow.refused.keys() == {2, 3}


@pytest.mark.parametrize("day", [date(2026, 12, 29), "beyond"])
def test_dates_of_legs_are_texts(day: Any) -> None:
    leg = pa.struct([("underlying", pa.string()), ("expiry", pa.date32()), ("quantity", pa.float32())])
    days = pa.array([2**31 - 1], pa.int32()).cast(pa.date32()) if day == "beyond" else pa.array([day], pa.date32())
    legs = pa.StructArray.from_arrays([pa.array(["NIFTY"]), days, pa.array([1.0], pa.float32())], fields=list(leg))
    made = pa.table({"legs": pa.ListArray.from_arrays([0, 1], legs)})
    ((found,),) = (each["legs"] for each in items(stream(made)))
    assert isinstance(found["expiry"], str) and (day == "beyond" or found["expiry"] == "2026-12-29")


@pytest.mark.parametrize(
    ("kind", "field", "says"),
    [
        (pa.string(), "items.legs", "list of structs"),
        (pa.list_(pa.string()), "items.legs", "list of structs"),
        (pa.list_(pa.struct([])), "items.legs", "1 to 50 fields"),
        (pa.list_(pa.struct([("quantity", pa.int8()), ("quantity", pa.int8())])), "items.legs", "each once"),
        (pa.list_(pa.struct([(f"x{n}", pa.int8()) for n in range(51)])), "items.legs", "1 to 50 fields"),
        (pa.list_(pa.struct([("quantity", pa.null())])), "items.legs.quantity", "of numbers"),
        (pa.list_(pa.struct([("quantity", pa.bool_())])), "items.legs.quantity", "of numbers"),
        (pa.list_(pa.struct([("quantity", pa.list_(pa.int8()))])), "items.legs.quantity", "of numbers"),
        (pa.list_(pa.struct([("underlying", pa.int8())])), "items.legs.underlying", "must be string"),
        (pa.list_(pa.struct([("expiry", pa.date64())])), "items.legs.expiry", "must be string"),
        (pa.list_(pa.dictionary(pa.int8(), pa.string())), "items.legs", "list of structs"),
        (pa.list_view(LEG), "items.legs", "list of structs"),  # its offsets may overlap, so few bytes say much
    ],
)
def test_types_that_are_no_legs(kind: pa.DataType, field: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        read(stream(pa.table({"legs": pa.nulls(1, kind)}, schema=pa.schema([("legs", kind)]))))
    assert caught.value.field == field


def test_a_row_of_too_many_legs_is_refused_before_it_is_read() -> None:
    count = 3_000_000
    legs = pa.StructArray.from_arrays([pa.array([1], pa.int8()).take(pa.array([0] * 10))], ["quantity"])
    legs = pa.concat_arrays([legs] * (count // 10))
    made = pa.table({"legs": pa.ListArray.from_arrays([0, count], legs)})
    with pytest.raises(InvalidInput, match=f"1 to {MOST_LEGS} legs, not {count}"):
        items(stream(made))
