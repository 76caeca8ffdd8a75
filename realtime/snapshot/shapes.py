"""The shapes of the live answers, for the API's schema. Tests hold real answers to them."""

from typing import Any, Literal, get_type_hints

import msgspec

from moneyness.core.chain_slice import ChainSlice, Number
from realtime.core.states import FORWARD, Instant, InstrumentState
from realtime.live_types import live_greeks
from signalsite.foundation.openapi import Schema, components, one_of_these, reference


class LiveInstrument(InstrumentState):
    """The newest state of an instrument.

    `age_seconds` counts from the tick's own time, `computed_age_seconds` from when it was last priced. `greeks` is null
    for what is not an option. `seq` is the state's place in its stream; a socket can resume from it. At a past instant
    the state is from no stream: `seq` and `entry_id` are null.
    """

    entry_id: str | None  # type: ignore[assignment]  # msgspec lets a subclass say it anew
    seq: str | None
    age_seconds: float
    computed_age_seconds: float


class NoLiveInstrument(msgspec.Struct):
    """An instrument without a state, or with one that cannot be read."""

    instrument_key: str
    status: Literal["not_found", "unreadable"]


class LiveValue(msgspec.Struct):
    """The newest state of an instrument, or why there is none to show."""


class LiveInstruments(msgspec.Struct):
    """One entry for each key, in the order of the request."""

    data: list[LiveValue]


class LiveStrike(msgspec.Struct):
    """The call and the put of one strike."""

    strike: float
    call: LiveValue | None
    put: LiveValue | None


_FORWARD = get_type_hints(ChainSlice)
LiveChain = msgspec.defstruct(
    "LiveChain",
    [
        ("underlying", str),
        ("expiry", str),
        ("expiries", list[str]),
        ("at", Instant),
        ("underlying_price", Number),
        ("unreadable", list[str]),
        ("at_the_money", Number),
        *((name, _FORWARD[name] | None) for name in FORWARD),
        ("spot", LiveValue | None),
        ("strikes", list[LiveStrike]),
    ],
    namespace={"__doc__": "The live options of one expiry, by strike. `unreadable` names states that cannot be read."},
)


def live_components() -> dict[str, Schema]:
    found = components([LiveInstrument, NoLiveInstrument, LiveValue, LiveInstruments, LiveChain])
    del found["LiveValue"]["type"], found["LiveValue"]["properties"], found["LiveValue"]["required"]
    found["LiveValue"] |= one_of_these([LiveInstrument, NoLiveInstrument])
    found |= components([live_greeks()])
    found["LiveInstrument"]["properties"]["greeks"] = {
        "allOf": [{"$ref": "#/components/schemas/LiveGreeks"}],
        "nullable": True,
    }
    return found


ONE: Schema = reference(LiveValue)
MANY: Schema = reference(LiveInstruments)
CHAIN: Schema = reference(LiveChain)

_CALL = "NSE@NIFTY@equity_options@2026-12-29@call@26000"
_GREEKS: dict[str, Any] = {
    **dict.fromkeys(live_greeks().__struct_fields__),
    "status": "ok",
    "retryable": False,
    "implied_volatility": 0.1312,
    "delta": 0.5243,
}
ONE_EXAMPLE: dict[str, Any] = msgspec.to_builtins(
    LiveInstrument(
        instrument_key=_CALL,
        entry_id="1796011200250-0",
        time="2026-11-27T09:20:00.250000+00:00",
        tick={"ltp": 412.5, "bid": 412.1, "ask": 412.9, "oi": 181_500},
        as_of="2026-11-27T09:20:00.500000+00:00",
        greeks=_GREEKS,
        seq="1796011200500-3",
        age_seconds=0.61,
        computed_age_seconds=0.36,
    )
)
MANY_EXAMPLE: dict[str, Any] = {
    "data": [
        ONE_EXAMPLE,
        {"instrument_key": "NSE@NIFTY@equity_options@2026-12-29@put@99000", "status": "not_found"},
    ]
}
CHAIN_EXAMPLE: dict[str, Any] = {
    "underlying": "NSE@NIFTY",
    "expiry": "2026-12-29",
    "expiries": ["2026-12-29", "2027-01-26"],
    "at": "2026-11-27T09:20:00.861000+00:00",
    "underlying_price": 25_987.4,
    "unreadable": [],
    "at_the_money": 26_000.0,
    "forward": 26_104.2,
    "forward_source": "parity",
    "forward_price_source": "mid",
    "forward_price_age_seconds": 0.4,
    "forward_bid": 26_103.7,
    "forward_ask": 26_104.8,
    "forward_residual": None,
    "forward_strikes": 14,
    "forward_excluded": [25_500.0],
    "spot": None,
    "strikes": [{"strike": 26_000.0, "call": ONE_EXAMPLE, "put": None}],
}
