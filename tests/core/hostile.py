"""Entries of a tick stream as nobody should send them: for properties, and for the tests with real servers."""

import json

from hypothesis import strategies as st

JUNK = st.sampled_from(
    [
        *("", "nan", "-inf", "1e400", "9" * 400, "9" * 20, "-0", "0x10", "1_000", "\0", "\ud800", "\udcff", '"', "\\"),
        *('","injected":true,"x":"', "]}", "\u0661", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"),
        *('2026-12-01T10:00:00"+05:30', "2026-12-01T10:00:00Z", "2026-12-01T10:00:00\0+05:30", "1796100000"),
    ]
)
NUMBERS = (
    st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.sampled_from([0, -1, 10**400, -(10**400), 10**4000, 2**63, 1e-320, 1e308, 1e15, 1.0])
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | JUNK | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
KEYS = (
    st.builds(
        "{}@{}@equity_options@{}@{}@{}".format,
        st.sampled_from(["NSE", "NSE", "SIM", "NOWHERE"]),
        st.sampled_from(["NIFTY", "NIFTY", 'NI"FTY', "N" * 130]),
        st.sampled_from(["2026-12-29", "0001-01-01", "9999-12-31", "1970-01-01", "2199-12-31", "2026-13-01"]),
        st.sampled_from(["call", "put"]),
        st.sampled_from(["24000", "0.000001", "999999999999", "999999999999.999999", "1" * 20, "1e5", "0.0000001"]),
    )
    | st.sampled_from(["NSE@NIFTY@equity_spot", "NSE@NIFTY", "BTC/USDT", "NSE@NIFTY@equity_futures@2026-12-29"])
    | JUNK
)
LTTS = (
    st.sampled_from([1_795_000_000, 1_796_100_000, "2026-12-01T10:00:00+05:30", "2026-12-01 10:00:00.5", 1e-9, 1])
    | VALUES
)
GOOD = {"instrument_key": "NSE@NIFTY@equity_options@2026-12-29@call@24000", "ltt": 1_795_000_000, "ltp": 100.0}
CHANGES = st.one_of(
    st.tuples(st.just("instrument_key"), KEYS),
    st.tuples(st.just("ltt"), LTTS),
    st.tuples(st.just("ltp"), st.sampled_from(["100", 1e15, 1e-300]) | VALUES),
    st.tuples(
        st.sampled_from(["bid", "ask", "volume", "oi", "close", "state", "ltq", "open", "note", "data", "suspect"]),
        VALUES,
    ),
)
TICKS = st.lists(CHANGES, max_size=3).map(lambda changes: {**GOOD, **dict(changes)})
"""Good ticks but for a few fields: what is wrong in more than that is refused for the first of them."""


def _json(tick):
    return ["data", json.dumps(tick, ensure_ascii=False)]


def _flat(tick):
    return [text for name, value in tick.items() for text in (name, _text(value))]


def _text(value):
    return value if isinstance(value, str) else json.dumps(value)


def _broken(tick, cut):
    text = json.dumps(tick)
    return ["data", text[: int(len(text) * cut)]]


ENTRIES = (
    st.builds(_json, TICKS)
    | st.builds(_flat, TICKS)
    | st.builds(_broken, TICKS, st.floats(0, 1))
    | st.builds(lambda tick, state: [*_json(tick), "state", state], TICKS, JUNK)
    | st.lists(JUNK, min_size=1, max_size=3).map(lambda values: [each for value in values for each in (value, value)])
)
