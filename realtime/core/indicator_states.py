"""The states of indicators on live bars: their members, and how to write and recognize them."""

from collections.abc import Mapping

import msgspec

from realtime.core.states import Instant
from realtime.core.topic_grammar import INDICATORS


class IndicatorState(msgspec.Struct, gc=False, kw_only=True, omit_defaults=True):
    """The indicators on one bar. `time`: its beginning. `values`: by indicator and output, null where there is none.

    `reasons`: by indicator, why it was not computed; left out where all were.
    `complete`: false while the bar's time is not over. A complete one comes once more if a late tick changes it.
    """

    instrument_key: str
    timeframe: str
    anchor: str
    time: Instant
    values: Mapping[str, Mapping[str, float | None]]
    reasons: Mapping[str, str] = {}
    complete: bool


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(IndicatorState).decode
_CLOSED = b'"complete":true}'  # `complete` is the last member
_BEGINNING = f"{INDICATORS}:".encode()


def closes_indicators(topic: bytes, state: bytes) -> bool:
    """Return whether the state is of a complete bar, which no newer state of the topic may replace unseen."""
    return topic.startswith(_BEGINNING) and state.endswith(_CLOSED)


def encode_state(state: IndicatorState) -> bytes:
    """NaN becomes null."""
    return _encode(state)


def decode_state(state: bytes | str) -> IndicatorState:
    """Raises msgspec.DecodeError and ValidationError."""
    return _decode(state)
