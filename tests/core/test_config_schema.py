"""Configurations: every fault by its field, one canonical form, and nothing raised whatever is sent."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signals.configs.core.canonical import UnreadableDocument, document_of, to_json
from signals.configs.core.difference import Difference, differences
from signals.configs.core.document import Document
from signals.configs.core.faults import WHOLE
from signals.configs.core.schema import FIELDS, ConfigSchema
from signals.configs.core.text import read_text
from signals.configs.site_schema import greeks_offered

OPTION = "NSE@NIFTY@equity_options@2026-12-31@call@23500"
SPOT = "NSE@NIFTY@equity_spot"
SCHEMA = ConfigSchema(most_bytes=8192, most_instruments=20, exchange="NSE", greeks=greeks_offered())
FULL: dict[str, Any] = {
    "name": "nifty-5m",
    "instruments": [OPTION, SPOT],
    "interval": "5m",
    "frequency": "bar",
    "anchor": "session",
    "greeks": {"columns": ["delta", "vanna"], "params": {"model": "black76"}},
    "indicators": ["rsi(length=21)", {"kind": "macd", "fast": 8}],
    "functions": ["pivots", {"function": "beta", "params": {"length": 30}, "label": "beta_30"}],
    "external_functions": [{"function": "mine/spread@2", "params": {"k": [1, {"a": None}]}}],
    "join": {"iv": "greeks:iv", "benchmark": f"bars:{SPOT}:close"},
    "bars": 300,
    "active": False,
}
SMALL: dict[str, Any] = {"instrument_key": SPOT, "interval": "60m", "indicators": ["rsi"]}


def read(document: Any) -> Document:
    found, faults = SCHEMA.read(document)
    assert found is not None, faults
    return found


def faults_of(document: Any) -> dict[str, str]:
    found, faults = SCHEMA.read(document)
    assert found is None and faults
    return dict(faults)


def test_the_canonical_form_is_a_fixed_point() -> None:
    for document in (FULL, SMALL, {"instrument_key": OPTION, "greeks": True}):
        found = read(document)
        written = json.loads(json.dumps(to_json(found)))
        assert read(written) == found
        assert document_of(written) == found
        assert to_json(document_of(written)) == written


def test_short_forms() -> None:
    found = read({**SMALL, "frequency": " Daily@9:20 ", "functions": ["pivots"]})
    assert found.name == f"{SPOT}-1h-daily@09:20"
    assert (found.instruments, found.interval, found.bars, found.active) == ((SPOT,), "1h", 200, True)
    assert [(each.function, each.label) for each in found.functions] == [("pivots", "pivots")]
    assert read({"instrument_key": "NIFTY@equity_spot", "interval": "1m", "indicators": ["sma"]}).instruments == (SPOT,)
    ticks = read({"instrument_key": OPTION, "greeks": ["iv", "vanna"], "interval": "none", "frequency": ""})
    assert ticks.name == f"{OPTION}-none-none" and ticks.greeks is not None
    assert ticks.greeks.columns == ("implied_volatility", "vanna") and ticks.greeks.params["greeks"] == ["vanna"]
    plain = read({"instrument_key": OPTION, "greeks": True}).greeks
    assert plain is not None and plain.columns == ("implied_volatility", "delta", "gamma", "theta", "vega", "rho")
    assert read({**SMALL, "greeks": False}).greeks is None


def test_every_fault_is_named() -> None:
    faults = faults_of(
        {
            "nme": "x",
            "instruments": ["x", 3, "NSE@NIFTY", "NIFTY", "FOO@X", None],
            "interval": "1M",
            "frequency": "sometimes",
            "anchor": "moon",
            "greeks": {"columns": ["delt"], "params": {"modl": 1, "rate": "x"}, "colums": 1},
            "indicators": ["rsii", "rsi(len=2)", 5, "sma", "sma(length=10)"],
            "functions": [
                "pivot",
                {"function": "volatility_zscore", "params": {"a": 1, "length": -1}},
                "mine/x",
                "beta",
            ],
            "external_functions": ["pivots", {"function": "version/x"}, {"params": {}}],
            "join": {"Close": f"bars:{SPOT}:close", "open": "greeks:iv", "a": "greeks:delt", "benchmark": "greeks:iv"},
            "bars": 0,
            "active": "yes",
        }
    )
    assert set(faults) >= {
        "nme",
        "instruments[0]",
        "instruments[1]",
        "instruments[3]",
        "instruments[4]",
        "instruments[5]",
        "interval",
        "frequency",
        "anchor",
        "greeks.columns[0]",
        "greeks.params.modl",
        "greeks.params.rate",
        "greeks.colums",
        "indicators[0]",
        "indicators[1].len",
        "indicators[2]",
        "indicators[4]",
        "functions[0].function",
        "functions[1].params.a",
        "functions[1].params.length",
        "functions[2].function",
        "external_functions[0].function",
        "external_functions[1].function",
        "external_functions[2].function",
        "join.Close",
        "join.open",
        "join.a",
        "join.benchmark",
        "bars",
        "active",
    }
    assert "name" in faults["nme"] and "rsi" in faults["indicators[0]"] and "delta" in faults["greeks.columns[0]"]


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"instruments": [SPOT]}, "instrument_key", "not both"),
        ({"instrument_key": None}, "instruments", "must be a list"),
        ({"instrument_key": None, "instruments": []}, "instruments", "one or more"),
        ({"instrument_key": None, "instruments": [f"NSE@S{n}" for n in range(21)]}, "instruments", "20 are allowed"),
        ({"instrument_key": None, "instruments": [SPOT, "NSE@X"]}, "name", "missing"),
        ({"name": "a\0b"}, "name", "NUL"),
        ({"name": "\ud800"}, "name", "UTF-8"),
        ({"name": ""}, "name", "1 to 200"),
        ({"name": " a"}, "name", "space"),
        ({"name": "x" * 201}, "name", "1 to 200"),
        ({"name": "a\nb"}, "name", "printable"),
        ({"interval": None}, "interval", "indicators are of bars"),
        ({"indicators": None}, WHOLE, "computes nothing"),
        ({"interval": "36h"}, "interval", "no whole number of days"),
        ({"greeks": True}, "greeks", "none of the instruments is an option"),
        ({"greeks": []}, "greeks", "one or more columns"),
        ({"greeks": "delta"}, "greeks", "must be true"),
        ({"indicators": ["rsi"] * 11}, "indicators", "10 are allowed"),
        ({"indicators": {"rsi": {}}}, "indicators", "must be a list"),
        ({"functions": ["pivots", "pivots"]}, "functions[1].label", "label of functions[0]"),
        ({"functions": [{"function": "pivots", "label": "A b"}]}, "functions[0].label", "a-z"),
        ({"functions": ["beta"]}, "functions[0]", "benchmark"),
        ({"functions": [{"function": "pivots", "params": 3}]}, "functions[0].params", "must be an object"),
        ({"join": []}, "join", "must be an object"),
        ({"join": {f"c{n}": "greeks:iv" for n in range(21)}}, "join", "20 are allowed"),
        ({"bars": 10**400}, "bars", "64 bits"),
        ({"bars": True}, "bars", "whole number"),
        ({"bars": 2.5}, "bars", "whole number"),
        ({"bars": math.nan}, "bars", "finite"),
        ({"active": None, "anchor": 5}, "anchor", "session or epoch"),
        ({"name": "x" * 9000}, WHOLE, "8192 bytes"),
        ({"join": {"a": [[[[[[[[[[[[[1]]]]]]]]]]]]]}}, "join.a[0][0][0][0][0][0][0][0][0]", "deep"),
        ({"external_functions": [{"function": f"version/{'0' * 8}-0000-0000-0000-{'0' * 12}"}]},
         "external_functions[0].label", "names the results"),
    ],
)  # fmt: skip
def test_what_is_wrong(changes: dict[str, Any], field: str, said: str) -> None:
    found, faults = SCHEMA.read({**SMALL, **changes})
    assert found is None
    assert any(each == field and said in message for each, message in faults), faults


def test_schedules_of_sessions_are_of_one_exchange() -> None:
    several = {"name": "x", "instruments": [SPOT, "BTC/USDT"], "interval": "5m", "indicators": ["rsi"]}
    assert "one exchange" in faults_of({**several, "frequency": "bar"})["frequency"]
    assert read({**several, "frequency": "5s"}).frequency == "5s"
    assert read(several).frequency is None


def test_a_document_that_grows_over_the_limit_with_its_defaults() -> None:
    schema = ConfigSchema(most_bytes=300, most_instruments=5, exchange="NSE", greeks=greeks_offered())
    found, faults = schema.read({"instrument_key": OPTION, "greeks": True})
    assert found is None and "defaults" in dict(faults)[WHOLE]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
near_values = st.one_of(
    json_values,
    st.sampled_from([*FULL.values(), SPOT, OPTION, "rsi", "5m", "bar", "mine/x", "pivots", "greeks:iv", True, {}, []]),
    st.lists(
        st.sampled_from([SPOT, "rsi", "pivots", "mine/x", {"function": "beta"}, {"kind": "rsi"}, None]), max_size=4
    ),
    st.dictionaries(st.sampled_from(["columns", "params", "function", "label", "a"]), json_values, max_size=3),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(json_values | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), near_values, max_size=8))
def test_any_json_gives_a_document_or_faults(value: Any) -> None:
    found, faults = SCHEMA.read(value)
    assert (found is None) == bool(faults)
    assert all(field and message for field, message in faults)
    json.dumps(faults).encode()
    if found is not None:
        assert read(to_json(found)) == found
        assert document_of(json.loads(json.dumps(to_json(found)))) == found


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FIELDS), near_values)
def test_any_field_of_a_right_document(field: str, value: Any) -> None:
    found, _ = SCHEMA.read({**FULL, field: value})
    if found is not None:
        assert read(to_json(found)) == found


def test_texts() -> None:
    assert read_text('{"a": 1}', most_bytes=100) == ({"a": 1}, [])
    twice = '{"a": 1, "b": {"c": 1, "c": 2}, "a": 2}'
    assert read_text(twice, most_bytes=100)[1] == [
        ("c", "is given 2 times in one object"),
        ("a", "is given 2 times in one object"),
    ]
    for text in ("", "{", "[" * 100_000, '{"a": NaN}', '{"a": -Infinity}', "\ud800", b"\xff", b'"\0"', "x" * 200_001):
        value, faults = read_text(text, most_bytes=200_000)
        assert value is None and faults, text[:20]
    value, faults = read_text('{"bars": 1' + "0" * 5000 + "}", most_bytes=10_000)
    assert faults == [] and dict(SCHEMA.read(value)[1])["bars"]


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        {},
        {**to_json(read(FULL)), "instruments": ["garbage"]},
        {**to_json(read(FULL)), "instruments": []},
        {**to_json(read(FULL)), "interval": "1M"},
        {**to_json(read(FULL)), "frequency": 5},
        {**to_json(read(FULL)), "indicators": ["gone"]},
        {**to_json(read(FULL)), "bars": "200"},
        {**to_json(read(FULL)), "functions": [{"function": "pivots"}]},
    ],
)
def test_what_is_stored_and_cannot_be_read(stored: Any) -> None:
    with pytest.raises(UnreadableDocument, match="cannot be read"):
        document_of(stored)


def test_differences() -> None:
    before = to_json(read(FULL))
    assert differences(before, before) == []
    after = to_json(replace(read(FULL), bars=100, instruments=(SPOT, "NSE@X"), indicators=("macd(fast=8)", "rsi")))
    rows = differences(before, after)
    assert Difference("bars", 300, 100) in rows
    assert Difference("instruments[NSE@X]", None, "NSE@X", added=True) in rows
    assert Difference(f"instruments[{OPTION}]", OPTION, None, removed=True) in rows
    assert {each.path for each in rows if each.path.startswith("ind")} == {
        "indicators[rsi]",
        "indicators[rsi(length=21)]",
    }
    turned = {**before, "instruments": before["instruments"][::-1]}
    assert [each.path for each in differences(before, turned)] == ["instruments"]
    changed = json.loads(json.dumps(before))
    changed["functions"][1]["params"]["length"] = 31
    assert differences(before, changed) == [Difference("functions[beta_30].params.length", 30, 31)]
    assert differences({"a": True}, {"a": 1}) == [Difference("a", True, 1)]
    assert [each.path for each in differences(None, {"a": 1})] == [""]
