"""States are read as they are written, and anything else raises BadState."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.core.states import (
    FORWARD,
    BadState,
    InstrumentState,
    begin_instrument,
    decode,
    decode_forward,
    decode_instrument,
    encode_answers,
    encode_member,
    end_instrument,
    priced_at,
    with_members,
)

AT = datetime(2026, 12, 1, 10, 0, 0, 250_001, tzinfo=UTC)
KEY = "NSE@NIFTY@equity_spot"
ANSWER = {"status": ["ok"], "delta": [0.5], "gamma": [float("nan")]}


def state(tick: bytes = b'{"ltp":24010.5,"odd":"\\"}"}', more: bytes = b"") -> bytes:
    (answer,) = encode_answers(ANSWER)
    return end_instrument(begin_instrument(KEY, "7-1", AT, tick), priced_at(AT.isoformat()), answer, more)


def test_what_is_written_is_read():
    read = decode_instrument(state())
    assert (read.entry_id, read.time, read.as_of, read.price) == ((7, 1), AT, AT, 24_010.5)
    assert read.tick == {"ltp": 24_010.5, "odd": '"}'}
    whole = decode(state())
    assert list(whole) == list(InstrumentState.__struct_fields__)
    assert whole["greeks"] == {"status": "ok", "delta": 0.5, "gamma": None}


def test_members_join_at_the_end():
    more = state(more=encode_member('of "mine"') + b"[1]")
    read = orjson.loads(with_members(more, {"seq": "8-0"}))
    assert (read['of "mine"'], read["seq"]) == ([1], "8-0")
    with pytest.raises(BadState):
        with_members(state() + b" ", {"seq": "8-0"})


def test_no_option_has_no_greeks():
    written = end_instrument(begin_instrument(KEY, "7-1", AT, b"{}"), priced_at(AT.isoformat()), None)
    assert decode(written)["greeks"] is None
    assert decode_instrument(written).price is None


texts = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.sampled_from(["2026-12-01T10:00:00+05:30", '2026-12-01T10:00:00"+05:30', "0001-01-01T00:00:00Z", "9" * 400]),
)
values = st.recursive(texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
objects = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("entry_id", "time", "as_of", "tick", "forward", "greeks"), values)
)


@given(st.one_of(objects, values).map(lambda value: orjson.dumps(value, default=str) if _writable(value) else b"{"))
def test_whatever_stands_there_is_read_or_said_to_be_bad(text):
    for read in (decode_instrument, decode_forward):
        try:
            found = read(text)
        except BadState as error:
            assert str(error)
        else:
            assert found is not None


def _writable(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits, a lone surrogate
        return False
    return True


@given(st.binary(max_size=40))
def test_bytes_that_are_no_json_are_bad(text):
    for read in (decode_instrument, decode_forward):
        try:
            read(text)
        except BadState:
            continue
        assert isinstance(orjson.loads(text), dict)


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ({}, "tick"),
        ({"tick": {}}, "no time"),
        ({"tick": [], "time": "2026-12-01T10:00:00Z"}, "tick"),
        ({"tick": {}, "time": "0001-01-01T00:00:00Z"}, "time is"),
        ({"tick": {}, "time": '2026-12-01T10:00:00"+05:30'}, "time is"),
        ({"tick": {"ltp": "dear"}, "time": "2026-12-01T10:00:00Z"}, "dear"),
        ({"tick": {}, "time": "2026-12-01T10:00:00Z", "entry_id": "x"}, "x"),
        ({"tick": {}, "time": "2026-12-01T10:00:00Z", "entry_id": 7}, "split|partition"),
    ],
)
def test_a_bad_state_says_why(kept, why):
    with pytest.raises(BadState, match=why):
        decode_instrument(orjson.dumps(kept))


def test_a_forward_is_a_number_or_null():
    assert decode_forward(b'{"forward":24100,"strikes":[]}') == {**dict.fromkeys(FORWARD), "forward": 24_100}
    for wrong in (b"[]", b'{"forward":"high"}', b'{"forward":true}', b"7"):
        with pytest.raises(BadState):
            decode_forward(wrong)
