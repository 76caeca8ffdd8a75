"""Results of configurations: as they are written, read back and arranged for topics, lists and texts."""

import math
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.core.names import Names
from realtime.core.result_outputs import output_of
from realtime.core.result_states import MOST_BYTES, ResultForm, UnwritableResult, decode_result, encode_result
from realtime.core.states import BadState
from realtime.core.topic_grammar import UnknownTopic, complete_topic, read_results, results_topic
from signals.configs.core.results import ConfiguredResult, Source

SPOT = "NSE@NIFTY@equity_spot"
MADE = ConfiguredResult(
    configuration=uuid.UUID(int=7),
    name="nifty-5m",
    version=2,
    owner_id=1,
    instrument_key=SPOT,
    interval="5m",
    frequency=None,
    time=datetime(2026, 11, 27, 5, tzinfo=UTC),
    source=Source.TICK,
    values={"indicators": {"rsi(length=14)": {"RSI_14": 61.5}}, "greeks": {"delta": math.nan}},
    reasons={"greeks.delta": "it is no option"},
    tick="5-0",
)
floats = st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=9), floats | st.lists(floats, max_size=3)))
def test_what_is_written_is_read(values):
    made = replace(MADE, values={"functions": values})
    assert decode_result(encode_result(made), "NSE@NIFTY") == made


@given(st.text(st.characters(codec="utf-8"), max_size=9), floats)
def test_a_form_writes_as_the_encoder_does(text, number):
    made = replace(MADE, name=text, values={"functions": {text: number}}, reasons={text: text}, tick=text)
    other = replace(MADE, name=text, values={})
    pieces = orjson.dumps(made.values), orjson.dumps(made.reasons)
    assert ResultForm(other).write(made.instrument_key, made.time, *pieces, made.tick) == encode_result(made)


def test_a_form_refuses_what_is_too_large():
    with pytest.raises(UnwritableResult):
        ResultForm(MADE).write(SPOT, MADE.time, b'{"a":"%b"}' % (b"x" * MOST_BYTES), b"{}", "5-0")


def test_nan_and_numpy_are_written_as_json():
    values = {"functions": MappingProxyType({"a": np.float64("nan"), "b": np.array([1.0, math.inf]), "c": math.nan})}
    read = orjson.loads(encode_result(replace(MADE, values=values)))
    assert read["values"] == {"functions": {"a": None, "b": [1.0, None], "c": None}}
    assert (read["source"], read["time"]) == ("tick", "2026-11-27T05:00:00+00:00")


@pytest.mark.parametrize("value", [10**400, "\ud800", {1: 2.0}, object(), "x" * MOST_BYTES])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(UnwritableResult):
        encode_result(replace(MADE, values={"functions": {"a": value}}))


@pytest.mark.parametrize(
    "broken",
    [
        *("", "[]", "null", "{}", "nonsense", "\x00", "\ud800"),
        *(
            orjson.dumps({**orjson.loads(encode_result(MADE)), **change}).decode()
            for change in (
                {"configuration": "x"},
                {"version": "2"},
                {"instrument_key": "x"},
                {"instrument_key": "NSE@BANKNIFTY@equity_spot"},
                {"time": "2026-11-27T05:00:00"},
                {"time": 5},
                {"source": "else"},
                {"values": []},
                {"values": {"a": 1}},
                {"reasons": {"a": 1}},
                {"run": 1.5},
            )
        ),
        encode_result(MADE).decode().replace("61.5", "1e400"),
        encode_result(MADE).decode().replace("61.5", "[" * 100_000 + "]" * 100_000),
        encode_result(MADE).decode().replace("2026-11-27T05:00:00+00:00", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_a_state_of_strangers_is_bad(broken):
    with pytest.raises(BadState):
        decode_result(broken, "NSE@NIFTY")


def test_each_result_has_its_topic_its_list_and_its_text():
    later = replace(MADE, time=datetime(2026, 11, 27, 6, tzinfo=UTC), values={"functions": {"pivots": {"p": 1.0}}})
    states = [(each, encode_result(each)) for each in (MADE, later)]
    output = output_of(states, Names("backtest:"), public=MADE.owner_id, newest={})
    topic = f"results:{MADE.configuration}:{SPOT}"
    assert output.rounds == [{topic: states[0][1]}, {topic: states[1][1]}]
    assert output.computed == {"NIFTY": [states[0][1], states[1][1]]}
    ((key, text),) = output.texts.items()
    assert key == f"backtest:ta_results:{SPOT}:5m:none"
    assert orjson.loads(text)["indicators"] == {"rsi(length=14)": {"RSI_14": 61.5}}


def test_topics_of_results():
    topic = results_topic(MADE.configuration, SPOT)
    assert read_results(topic) == (MADE.configuration, "NSE@NIFTY")
    assert complete_topic(f"results:{MADE.configuration}:NIFTY@equity_spot", "NSE") == topic
    assert complete_topic("results:x", "NSE") == "results:x"
    for wrong in ("results:", "results:x", f"results:x:{SPOT}", f"results:{MADE.configuration}:x", f"{topic}:1m",
                  f"results:{str(MADE.configuration).upper().replace('0', '{', 1)}:{SPOT}"):  # fmt: skip
        with pytest.raises(UnknownTopic):
            read_results(wrong)
