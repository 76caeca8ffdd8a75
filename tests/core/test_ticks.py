"""Decoding of tick entries: both forms, and every reason to reject one."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.core.instants import BadInstant, parse_event_time
from realtime.ticks.core.tick import (
    Reason,
    RejectedTick,
    TickFields,
    check_fields,
    event_time,
    make_tick,
    read_contract,
)
from realtime.ticks.core.tick_json import decode_entry
from timeframes.core.exchanges import KOLKATA

KEY = "NSE@NIFTY@equity_options@2026-12-29@call@24000"
TICK = {
    "instrument_key": KEY,
    "ltt": "2026-12-01T10:00:00+05:30",
    "ltp": 101.5,
    "bid": 101.0,
    "note": "x",
    "state": "U",
}


def one_field(tick):
    return ["data", tick if isinstance(tick, str) else json.dumps(tick, ensure_ascii=False)]


def flat(tick):
    return [text for name, value in tick.items() for text in (name, str(value))]


def refusal(entry, max_bytes=1000):
    with pytest.raises(RejectedTick) as caught:
        check_fields(decode_entry(entry, max_bytes)[0])
    return caught.value.reason


@pytest.mark.parametrize("form", [one_field, flat])
def test_both_forms_say_the_same(form):
    fields, raw = decode_entry(form(TICK), 1000)
    check_fields(fields)
    assert (fields.instrument_key, fields.ltp, fields.bid, fields.ask, fields.state) == (KEY, 101.5, 101.0, None, "U")
    assert orjson.loads(raw)["note"] == "x"
    assert orjson.loads(raw)["instrument_key"] == KEY


def test_a_state_beside_the_data_overrides_the_one_within():
    assert decode_entry([*one_field(TICK), "state", "P"], 1000)[0].state == "P"
    assert decode_entry(one_field(TICK), 1000)[0].state == "U"


def test_flat_fields_without_any_that_is_known():
    fields, raw = decode_entry(["note", "x"], 1000)
    assert (fields, raw) == (TickFields(), b"{}")
    assert refusal(["note", "x"]) == Reason.MISSING_INSTRUMENT_KEY


@pytest.mark.parametrize("name", ["ltp", "last_price", "close"])
def test_the_last_price_has_three_names(name):
    fields, _ = decode_entry(one_field({"instrument_key": KEY, "ltt": 1, name: 5, "ltq": 3}), 1000)
    check_fields(fields)
    assert (fields.ltp, fields.last_quantity) == (5, 3)


def test_close_stands_in_only_where_there_is_no_other():
    fields, _ = decode_entry(one_field({"instrument_key": KEY, "ltt": 1, "last_price": 5, "close": 9}), 1000)
    check_fields(fields)
    assert fields.ltp == 5


@pytest.mark.parametrize("form", [one_field, flat])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instrument_key": ""}, Reason.MISSING_INSTRUMENT_KEY),
        ({"ltt": ""}, Reason.MISSING_LTT),
        ({"ltp": 10**400}, Reason.TOO_LARGE),
        ({"ltp": -(10**400)}, Reason.NEGATIVE),
        ({"ltp": "1e400"}, Reason.TOO_LARGE),
        ({"ltp": "NaN"}, Reason.NOT_FINITE),
        ({"bid": "inf"}, Reason.NOT_FINITE),
        ({"oi": "-Infinity"}, Reason.NOT_FINITE),
        ({"ltp": -0.05}, Reason.NEGATIVE),
        ({"volume": "-1"}, Reason.NEGATIVE),
        ({"ask_size": 1e16}, Reason.TOO_LARGE),
        ({"ltp": "dear"}, Reason.WRONG_TYPE),
        ({"ltp": True}, Reason.WRONG_TYPE),
        ({"ltp": [1]}, Reason.WRONG_TYPE),
        ({"state": "X"}, Reason.BAD_STATE),
        ({"note": "x" * 1000}, Reason.OVERSIZED),
    ],
)
def test_every_fault_has_its_reason(form, changes, reason):
    assert refusal(form({**TICK, **changes})) == reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ('{"instrument_key":', Reason.MALFORMED),
        ('{"ltp":NaN}', Reason.MALFORMED),
        ('{"ltp":1e400}', Reason.TOO_LARGE),
        (f'{{"ltp":{"9" * 900}}}', Reason.TOO_LARGE),
        ('{"instrument_key":"k","ltt":1,"ltp":1,"note":1e400}', Reason.TOO_LARGE),
        (f'{{"instrument_key":"k","ltt":1,"ltp":1,"note":{"9" * 400}}}', Reason.TOO_LARGE),
        (f'{{"instrument_key":"k","ltt":1,"ltp":1,"note":{"[" * 32}1{"]" * 32}}}', Reason.MALFORMED),
        ('{"instrument_key":"k","ltt":1,"ltp":1,"note":"\\ud800"}', Reason.MALFORMED),
        ('{"instrument_key":"k","ltt":1,"ltp":1,"note":"\0"}', Reason.MALFORMED),
        ('{"ltp":"dear"', Reason.MALFORMED),
        ("[1]", Reason.WRONG_TYPE),
        ("", Reason.MALFORMED),
        ('{"note":"\udcff"}', Reason.MALFORMED),
        ('{"instrument_key":"k","ltt":1}', Reason.MISSING_PRICE),
        ('{"instrument_key":7,"ltt":1,"ltp":1}', Reason.WRONG_TYPE),
        ('{"instrument_key":"k","ltp":1}', Reason.MISSING_LTT),
    ],
)
def test_every_fault_of_json_has_its_reason(data, reason):
    assert refusal(one_field(data)) == reason


@pytest.mark.parametrize(
    "entry",
    [
        flat({**TICK, "suspect": ""}),
        one_field({**TICK, "suspect": None}),
        one_field(json.dumps({**TICK, "suspect": "jump"}).replace('"suspect"', '"\\u0073uspect"')),
        [*one_field(TICK), "suspect", "jump"],
    ],
)
def test_a_feed_cannot_bring_the_mark_of_doubt(entry):
    assert refusal(entry) == Reason.RESERVED
    assert orjson.loads(decode_entry(one_field({**TICK, "note": {"suspect": 1}}), 1000)[1])["note"] == {"suspect": 1}


def test_deep_nesting_is_malformed():
    assert refusal(one_field('{"note":' + "[" * 100_000 + "]" * 100_000 + "}"), 10**6) == Reason.MALFORMED


def test_as_deep_as_is_allowed_and_wide():
    note = [{"deep": json.loads("[" * 29 + "1" + "]" * 29)}, *([] for _ in range(50))]
    assert orjson.loads(decode_entry(one_field({**TICK, "note": note}), 5_000)[1])["note"] == note


def test_a_price_of_zero_is_refused_where_it_is_to_be():
    fields, _ = decode_entry(one_field({**TICK, "ltp": 0}), 1000)
    check_fields(fields)
    with pytest.raises(RejectedTick) as caught:
        check_fields(fields, refuse_zero=True)
    assert caught.value.reason == Reason.NOT_POSITIVE


def test_flat_fields_that_are_no_utf8_are_malformed():
    assert refusal(["instrument_key", KEY, "note", "\udcff"]) == Reason.MALFORMED


@pytest.mark.parametrize("form", [one_field, flat])
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x), max_leaves=3))
def test_nothing_raises_but_refused(form, value):
    for name in TickFields.__struct_fields__:
        try:
            fields, raw = decode_entry(form({**TICK, name: value}), 10_000)
            check_fields(fields)
        except RejectedTick:
            continue
        orjson.loads(raw)


@pytest.mark.parametrize(
    ("key", "underlying", "known"),
    [
        (KEY, "NSE@NIFTY", True),
        ("NSE@NIFTY", "NSE@NIFTY", True),
        ("BTC/USDT", "BINANCE@BTC/USDT", True),
        ("BTC/USDT", "BTC/USDT", True),
        ("BINANCE@BTC/USDT@crypto_spot", "BINANCE@BTC/USDT", True),
        (KEY, "NSE@BANKNIFTY", False),
        (KEY, "SIM@NIFTY", False),
        ("NSE@NIFTY@equity_options@2026-13-29@call@24000", "NSE@NIFTY", False),
        ("NOWHERE@NIFTY@equity_spot", "NOWHERE@NIFTY", False),
        ("NIFTY", "NSE@NIFTY", False),
    ],
)
def test_an_instrument_belongs_to_its_stream(key, underlying, known):
    if known:
        assert str(read_contract(key, underlying).key) == key
        return
    with pytest.raises(RejectedTick) as caught:
        read_contract(key, underlying)
    assert caught.value.reason == Reason.UNKNOWN_INSTRUMENT


MOMENT = datetime(2026, 12, 1, 4, 30, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "ltt",
    [
        "2026-12-01T10:00:00.250+05:30",
        "2026-12-01T04:30:00.250Z",
        "2026-12-01 10:00:00.250",
        MOMENT.timestamp(),
        str(MOMENT.timestamp()),
        MOMENT.timestamp() * 1e3,
        int(MOMENT.timestamp() * 1e3),
        str(int(MOMENT.timestamp() * 1e3)),
        MOMENT.timestamp() * 1e6,
        f"{MOMENT.timestamp() * 1e6:.0f}",
    ],
)
def test_times_come_in_many_forms(ltt):
    time, seconds = event_time(TickFields(ltt=ltt), KOLKATA, math.inf)
    assert time == MOMENT
    assert seconds == MOMENT.timestamp()


JUNK = [
    '2026-12-01T10:00:00"+05:30',
    '2026-12-01T10:00:00","injected":true,"x":"+05:30',
    "2026-12-01T10:00:00\\+05:30",
    "2026-12-01T10:00:00\x00+05:30",
    '2026-12-01"10:00:00+05:30',
    "2026-12-01T10:00:00+05:30:15",
    "2026-12-01T10:00:00,5Z",
    "2026-12-01T10:00:00.Z",
    "2026-W49-2T10:00:00",
    "2026-12-01T10:00:00Z\n",
    "\u0662026-12-01T10:00:00Z",
    "1_796_100_000",
    " 1796100000",
    "\u0661796100000",
    "2026-12-01",
]


@pytest.mark.parametrize(
    "ltt", ["yesterday", "20", 0, -5, 1e18, "nan", "20261201", "2026-12-01T25:00", "9" * 400, 10**4_000, *JUNK]
)
def test_no_time_is_made_up(ltt):
    if ltt in ("20", "20261201"):  # read as seconds since 1970, absurd as that is
        assert event_time(TickFields(ltt=ltt), UTC, math.inf)[0].year == 1970
        return
    with pytest.raises(RejectedTick) as caught:
        event_time(TickFields(ltt=ltt), UTC, math.inf)
    assert caught.value.reason == Reason.BAD_LTT


def test_what_lies_in_the_future_is_refused():
    with pytest.raises(RejectedTick, match="later than is allowed") as caught:
        event_time(TickFields(ltt=MOMENT.timestamp()), UTC, MOMENT.timestamp() - 1)
    assert caught.value.reason == Reason.FUTURE_LTT


def test_before_the_epoch_is_bad():
    with pytest.raises(BadInstant):
        parse_event_time(-1.0, UTC)
    with pytest.raises(RejectedTick):
        event_time(TickFields(ltt="0001-01-01T00:00:00"), timezone(timedelta(hours=14)), math.inf)


@pytest.mark.parametrize("ltt", [TICK["ltt"], "2026-12-01 10:00:00", "2026-12-01T10:00:00.123456789Z", 1.7e9])
def test_a_statement_is_json(ltt):
    fields, raw = decode_entry(one_field({**TICK, "ltt": ltt}), 1000)
    contract = read_contract(KEY, "NSE@NIFTY")
    time, seconds = event_time(fields, contract.zone, math.inf)
    statement = orjson.loads(make_tick("s", "1-0", contract, time, seconds, fields, raw).statement + b"}")
    assert statement["instrument_key"] == KEY
    assert statement["entry_id"] == "1-0"
    assert datetime.fromisoformat(statement["time"]) == time
    assert statement["tick"]["note"] == "x"
