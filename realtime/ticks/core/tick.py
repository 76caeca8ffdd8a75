"""A tick: its fields and its checks. Each tick is judged alone.

A tick states everything at its time: a missing field is unknown, it does not keep its previous value.
"""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

import msgspec

from realtime.core.instants import parse_event_time
from realtime.core.states import begin_instrument
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InstrumentKey, parse_key

NEW, PROCESSED = "U", "P"
MAX_NUMBER = 1e15
MARK = "suspect"
"""The member that marks a suspect tick. Only the consumer writes it, so a tick must not contain it."""

Number = Annotated[float, msgspec.Meta(ge=0.0, le=MAX_NUMBER)]


class Reason(StrEnum):
    """Why a tick is rejected: the closed list of values of `reason` in the dead letters."""

    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    NEGATIVE = "negative"
    NOT_POSITIVE = "not_positive"
    TOO_LARGE = "too_large"
    BAD_STATE = "bad_state"
    RESERVED = "reserved"
    MISSING_INSTRUMENT_KEY = "missing_instrument_key"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    FAR_EXPIRY = "far_expiry"
    TOO_MANY_NEW = "too_many_new"
    MISSING_LTT = "missing_ltt"
    BAD_LTT = "bad_ltt"
    FUTURE_LTT = "future_ltt"
    MISSING_PRICE = "missing_price"
    HANDLER_ERROR = "handler_error"  # handling it raised, max_deliveries times


class TickFields(msgspec.Struct, omit_defaults=True, gc=False):
    """The known fields. Other members are passed on unchanged."""

    instrument_key: str | None = None
    ltt: str | int | float | None = None
    state: str | None = None
    ltp: Number | None = None
    last_price: Number | None = None
    close: Number | None = None
    open: Number | None = None
    high: Number | None = None
    low: Number | None = None
    bid: Number | None = None
    ask: Number | None = None
    bid_size: Number | None = None
    ask_size: Number | None = None
    last_quantity: Number | None = None  # of the last trade
    ltq: Number | None = None  # the same
    volume: Number | None = None  # since the session began
    oi: Number | None = None


_encode = msgspec.json.Encoder().encode
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])  # raw values: some numbers do not fit a double


class RejectedTick(Exception):
    """The tick goes to the dead letters with this reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Contract:
    """An instrument key as text and parsed. `zone` is the exchange's, for times without an offset."""

    text: str
    key: InstrumentKey
    underlying: str
    zone: tzinfo


class Tick(msgspec.Struct, gc=False):
    """One accepted tick. `seconds` is `time` since 1970; `raw` is the whole tick as a JSON object."""

    stream: str
    entry_id: str
    contract: Contract
    time: datetime
    seconds: float
    fields: TickFields
    raw: bytes
    statement: bytes  # the beginning of its state (realtime.core.states)
    suspect: str = ""  # why the tick is stored but not used for pricing (realtime.ticks.core.sanity)


def make_tick(
    stream: str, entry_id: str, contract: Contract, time: datetime, seconds: float, fields: TickFields, raw: bytes
) -> Tick:
    """Build a tick. `raw` is JSON that `decode_entry` has checked."""
    statement = begin_instrument(contract.text, entry_id, time, raw)
    return Tick(stream, entry_id, contract, time, seconds, fields, raw, statement)


def check_fields(fields: TickFields, *, refuse_zero: bool = False) -> None:
    """Check the state and the required fields, and resolve their other names. Raises RejectedTick.

    Afterwards `ltp` and `last_quantity` are set, whichever names the feed used. `close` counts as the last price only
    if there is no other. `refuse_zero`: reject a last price of 0.
    """
    if fields.state is not None and fields.state != NEW and fields.state != PROCESSED:
        raise RejectedTick(Reason.BAD_STATE, f"state {fields.state[:10]!r} is neither U nor P")
    if not fields.instrument_key:
        raise RejectedTick(Reason.MISSING_INSTRUMENT_KEY, "no instrument_key")
    if fields.ltt is None or fields.ltt == "":
        raise RejectedTick(Reason.MISSING_LTT, "no ltt")
    if fields.ltp is None:
        fields.ltp = fields.close if fields.last_price is None else fields.last_price
        if fields.ltp is None:
            raise RejectedTick(Reason.MISSING_PRICE, "none of ltp, last_price and close")
    if refuse_zero and fields.ltp == 0:
        raise RejectedTick(Reason.NOT_POSITIVE, "the last price is 0")
    if fields.last_quantity is None:
        fields.last_quantity = fields.ltq


def read_contract(key: str, underlying: str) -> Contract:
    """Return the contract of `key`, which must belong to the tick stream of `underlying` (EXCHANGE@SYMBOL).

    A pair without an exchange belongs to the stream of that pair on any exchange. Raises RejectedTick.
    """
    try:
        parsed = parse_key(key)
        zone = exchange_named(parsed.exchange).zone
    except InvalidInput as error:
        raise RejectedTick(Reason.UNKNOWN_INSTRUMENT, str(error)) from None
    if parsed.underlying != underlying and (parsed.exchange or parsed.symbol != underlying.partition("@")[2]):
        raise RejectedTick(Reason.UNKNOWN_INSTRUMENT, f"{key} is not of {underlying}, whose stream this is")
    return Contract(key, parsed, parsed.underlying, zone)


def event_time(fields: TickFields, zone: tzinfo, latest: float) -> tuple[datetime, float]:
    """Return the tick's `ltt` as an instant and as seconds since 1970. Raises RejectedTick, also after `latest`."""
    try:
        time, seconds = _instant(fields.ltt or "", zone)
    except (ValueError, OverflowError) as error:  # BadInstant is a ValueError; so is an integer with too many digits
        raise RejectedTick(Reason.BAD_LTT, str(error)) from None
    if seconds <= 0:
        raise RejectedTick(Reason.BAD_LTT, f"{time.isoformat()} is not after 1970")
    if seconds > latest:
        raise RejectedTick(Reason.FUTURE_LTT, f"{time.isoformat()} is {seconds - latest:.3f} s later than is allowed")
    return time, seconds


@lru_cache(4_096)  # many ticks share a time: exchanges send whole seconds or milliseconds
def _instant(ltt: str | float, zone: tzinfo) -> tuple[datetime, float]:
    time = parse_event_time(ltt, zone)
    return time, time.timestamp()


def marked(raw: bytes, suspect: str) -> bytes:
    """Return the tick's JSON with the `suspect` member."""
    return _encode({**_MEMBERS.decode(raw), MARK: suspect})
