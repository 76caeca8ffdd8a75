"""One thing has the same fields everywhere: in OpenAPI, in AsyncAPI, in the client's types and in the docs.

Each of them is made of the same declaration. These tests fail when one of them gets a field of its own.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

import msgspec
import orjson
import pytest

from batch.client import computations as client_types
from batch.client.core import events
from moneyness.core.chain_slice import ChainSlice
from realtime.live_types import instrument_state, live_greeks
from realtime.sockets.asyncapi_views import document as asyncapi
from realtime.sockets.core import protocol
from signals.greeks.core.conventions import QUOTE_IVS
from signalsite.foundation.computations.columns import INSTRUMENT, PORTFOLIO
from signalsite.foundation.computations.contract import LEG_FIELDS, Computation
from signalsite.foundation.computations.option_fields import NAMES, REQUIRED
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.computations.requests import pascal
from signalsite.schema import document
from tests.core.test_book import SPOT, Market, call, fair, put
from tests.core.test_topic_grammar import DOCS as SOCKETS_PAGE

DOCS = SOCKETS_PAGE.parent
JSON_TYPES = {"string": str, "number": float, "integer": int, "boolean": bool}
CODE = re.compile(r"`([a-z_]+)`")
AGES = {"seq", "age_seconds", "computed_age_seconds"}  # what a live read adds to a state

Fields = dict[str, tuple[type, bool]]  # name -> type, and whether it may be null


def openapi(name: str) -> dict[str, Any]:
    return document()["components"]["schemas"][name]


def of_openapi(name: str) -> Fields:
    schemas = {field: _resolved(schema) for field, schema in openapi(name)["properties"].items()}
    return {field: (JSON_TYPES[schema["type"]], schema.get("nullable", False)) for field, schema in schemas.items()}


def _resolved(schema: Mapping[str, Any]) -> dict[str, Any]:
    for each in schema.get("allOf", ()):
        schema = {**openapi(each["$ref"].rpartition("/")[2]), **schema}
    return dict(schema)


def of_asyncapi(name: str) -> Fields:
    found: Fields = {}
    for field, schema in asyncapi()["components"]["schemas"][name]["properties"].items():
        types = {each["type"] for each in schema.get("anyOf", [schema])}
        (kind,) = types - {"null"}
        found[field] = (JSON_TYPES[kind], "null" in types)
    return found


def of_types(kind: type) -> Fields:
    found: Fields = {}
    for name, hint in get_type_hints(kind).items():
        types = get_args(hint) or (hint,)
        (found_type,) = (each for each in types if each is not NoneType)
        found[name] = (found_type, NoneType in types)
    return found


@cache
def docs_section(computation: str) -> dict[str, list[list[str]]]:
    """Return the rows of each table of a computation on its page, by the first word of the table's head."""
    page = (DOCS / "computations.md").read_text()
    section = re.split(r"^## ", page, flags=re.M)
    (own,) = (each for each in section if each.startswith(f"`{computation}`"))
    return tables(own)


def tables(text: str) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
        found[head[0]] = rows
    return found


def names(rows: list[list[str]]) -> list[str]:
    return [row[0].strip("`") for row in rows]


@pytest.fixture(params=sorted(computations()))
def computation(request: pytest.FixtureRequest) -> Computation:
    return computations()[request.param]


def test_a_row_of_results(computation: Computation) -> None:
    declared = [each.name for each in (*computation.identity, *computation.answer_columns)]
    row = f"{pascal(computation.name)}Row"
    assert list(openapi(row)["properties"]) == declared
    assert of_openapi(row) == of_types(getattr(client_types, row))
    common = tables((DOCS / "computations.md").read_text().partition("\n## ")[0])["field"]
    key = computation.item_kind.column.name  # the page says that it takes the place of instrument_key
    common = [[row[0].replace(INSTRUMENT.column.name, key), *row[1:]] for row in common]
    shown = [*common, *docs_section(computation.name)["field"]]
    assert names(shown) == declared
    assert {row[0].strip("`"): row[1] for row in shown} == {
        name: kind.__name__ for name, (kind, _) in of_openapi(row).items()
    }
    statuses = ["ok", *(each.word for each in computation.words)]
    assert sorted(_resolved(openapi(row)["properties"]["status"])["enum"]) == sorted(statuses)
    assert sorted(names(docs_section(computation.name)["status"])) == sorted(statuses)


def test_parameters(computation: Computation) -> None:
    declared = {each.name for each in computation.parameters}
    name = f"{pascal(computation.name)}Params"
    assert openapi(name)["properties"].keys() == openapi(f"{name}Request")["properties"].keys() == declared
    assert get_type_hints(getattr(client_types, name)).keys() == declared
    assert set(names(docs_section(computation.name)["parameter"])) == declared
    for field, default in computation.defaults.items():
        said = openapi(f"{name}Request")["properties"][field].get("description", "")
        text = default if isinstance(default, str) else orjson.dumps(default).decode()
        assert default is None or f"Default: {text}".replace(",", "") in said.replace(", ", "").replace(",", ""), said


def test_items(computation: Computation) -> None:
    kind = computation.item_kind
    schema = openapi(f"{pascal(computation.name)}SubmissionRequest")["properties"]["items"]["items"]
    typed = getattr(client_types, f"{pascal(computation.name)}Item")
    if kind is PORTFOLIO:
        _check_portfolios(computation, schema, typed)
        return
    declared = {kind.column.name, "custom_id", *computation.bounds}
    item, *by_terms = (each for each in schema["oneOf"] if each["type"] == "object")
    assert item["properties"].keys() == get_type_hints(typed).keys() == declared
    shown = names(docs_section(computation.name).get("override of an item", []))
    assert {kind.column.name, "custom_id", *shown} == declared
    assert len(by_terms) == kind.by_terms
    if kind.by_terms:
        terms = declared - {kind.column.name} | NAMES
        assert by_terms[0]["properties"].keys() == terms and tuple(by_terms[0]["required"]) == REQUIRED
        option_item = getattr(client_types, f"{pascal(computation.name)}OptionItem")
        assert get_type_hints(option_item).keys() == terms and option_item.__required_keys__ == set(REQUIRED)
    common = tables((DOCS / "computations.md").read_text().partition("\n## ")[0])
    assert set(names(common["field of an item"])) == NAMES


def _check_portfolios(computation: Computation, item: dict[str, Any], typed: type) -> None:
    assert item["properties"].keys() == get_type_hints(typed).keys() == {"legs", "custom_id"}
    numbers = {each.name for each in LEG_FIELDS} | computation.bounds.keys()
    leg = item["properties"]["legs"]["items"]["properties"].keys()
    own = getattr(client_types, f"{pascal(computation.name)}Leg")
    assert leg == get_type_hints(own).keys() == numbers | NAMES | {"instrument_key"}
    assert set(names(docs_section(computation.name)["field of a leg"])) == numbers


def test_the_live_greeks_of_an_option() -> None:
    market = Market()
    options = [(call(24_000), fair(24_000, "call")), (put(24_000), fair(24_000, "put"))]
    result = market.take(market.entry(SPOT, 24_000.0), *(market.entry(key, price) for key, price in options))
    state = orjson.loads(result.topics["NSE@NIFTY"][call(24_000)])
    declared = list(live_greeks().__struct_fields__)
    assert sorted(state["greeks"]) == sorted(declared)
    greeks, on_request = computations()["greeks"], set(QUOTE_IVS)  # a live state is priced by the defaults
    assert {each.name for each in greeks.columns_for(greeks.defaults)} - on_request < set(declared)
    assert list(openapi("LiveGreeks")["properties"]) == list(of_asyncapi("LiveGreeks")) == declared
    assert of_openapi("LiveGreeks") == of_asyncapi("LiveGreeks")
    assert state.keys() == set(instrument_state().__struct_fields__)
    assert openapi("LiveInstrument")["properties"].keys() - AGES == state.keys()
    assert asyncapi()["components"]["schemas"]["InstrumentState"]["properties"].keys() == state.keys()
    msgspec.convert(state, instrument_state())


def test_the_chain_of_an_expiry() -> None:
    (slice_page,) = re.findall(r"^A \*\*slice\*\*.*?\n\n", SOCKETS_PAGE.read_text(), re.M | re.S)
    known = set(CODE.findall(slice_page))
    assert known >= set(ChainSlice.__struct_fields__) - {"underlying", "expiry"}
    of_forward = {name for name in ChainSlice.__struct_fields__ if name.startswith("forward")}
    assert {name for name in openapi("LiveChain")["properties"] if name.startswith("forward")} == of_forward
    assert of_forward <= asyncapi()["components"]["schemas"]["ChainSlice"]["properties"].keys()


def test_the_progress_of_a_job_is_part_of_the_job() -> None:
    progress = asyncapi()["components"]["schemas"]["JobProgress"]["properties"]
    assert progress.keys() <= openapi("Job")["properties"].keys()
    assert progress["status"]["enum"] == sorted(openapi("JobStatusEnum")["enum"])
    counts = asyncapi()["components"]["schemas"]["JobCounts"]
    assert counts["properties"].keys() == openapi("RequestCounts")["properties"].keys()


def shared_events() -> Iterator[tuple[type, type]]:
    for sent in protocol.Outgoing.__subclasses__():
        if (read := getattr(events, sent.__name__, None)) is not None:
            yield sent, read


def test_what_the_server_sends() -> None:
    schemas = asyncapi()["components"]["schemas"]
    table = tables(SOCKETS_PAGE.read_text().partition("## What the server sends")[2])["`type`"]
    for sent in protocol.Outgoing.__subclasses__():
        tag = sent.__struct_config__.tag
        assert schemas[sent.__name__]["properties"].keys() == {"type", *sent.__struct_fields__}
        (row,) = (row for row in table if tag in CODE.findall(row[0]))
        assert set(CODE.findall(row[1])) >= set(sent.__struct_fields__), (tag, row)
    pairs = list(shared_events())
    assert {read.__name__ for _, read in pairs} == {"Snapshot", "Update", "Gap", "Notice", "Heartbeat"}
    for sent, read in pairs:
        assert {each.name for each in fields(read)} == set(sent.__struct_fields__)


@pytest.mark.parametrize("name", ["ListedExpiry", "Instrument", "Underlying", "Quote"])
def test_the_listing_page_names_every_field(name: str) -> None:
    assert set(CODE.findall((DOCS / "listing.md").read_text())) >= openapi(name)["properties"].keys()
