"""What an instrument service answers: the same shapes from our own tables and from an external service.

An external service is a stranger: msgspec checks types, numbers have bounds, lists and texts have lengths.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

MOST_STRIKES = 10_000
MOST_LEVELS = 1_000
MOST_POINTS = 10_000
Text = Annotated[str, Meta(max_length=120)]
Reason = Annotated[str, Meta(max_length=1000)]
Instant = Annotated[str, Meta(max_length=40)]
Amount = Annotated[float, Meta(ge=-1e12, le=1e12)]
Volatility = Annotated[float, Meta(ge=0, le=20)]
Strike = Annotated[float, Meta(gt=0, lt=1e12)]
Strikes = Annotated[list[Strike], Meta(max_length=MOST_STRIKES)]
Keys = Annotated[list[Text], Meta(max_length=2 * MOST_STRIKES)]


class MoneynessMapping(msgspec.Struct, kw_only=True):
    """The strikes of each level of one expiry: OTM1 has the call's and the put's, in ascending order.

    `stale`: the service is away, and this is what it said `age_seconds` ago.
    """

    underlying: Text
    expiry: Text
    as_of: Instant
    atm_strike: Strike | None
    levels: Annotated[dict[str, Strikes], Meta(max_length=MOST_LEVELS)]
    stale: bool = False
    age_seconds: Annotated[float, Meta(ge=0)] = 0.0


class LevelInstruments(msgspec.Struct, kw_only=True):
    """The contracts of one level: calls and puts."""

    underlying: Text
    expiry: Text
    as_of: Instant
    level: Text
    strikes: Strikes
    instruments: Keys


class OptionMoneyness(msgspec.Struct, kw_only=True):
    """Where an option stands. `log_moneyness` is ln(K/F); `percent` is 100 (K/F - 1). Null with a `reason`."""

    instrument_key: Text
    as_of: Instant
    level: Text | None
    forward: Amount | None
    log_moneyness: Amount | None
    percent: Amount | None
    in_the_money: bool | None
    reason: Reason | None


class AtmVolatility(msgspec.Struct, kw_only=True):
    underlying: Text
    expiry: Text
    as_of: Instant
    atm_strike: Strike | None
    atm_implied_volatility: Volatility | None


class DeltaStrikeFound(msgspec.Struct, kw_only=True):
    """The option at an absolute delta: by interpolation, and the nearest contract. Null with a `reason`."""

    underlying: Text
    expiry: Text
    as_of: Instant
    option_type: Text
    delta: Annotated[float, Meta(gt=0, lt=1)]
    strike: Strike | None
    implied_volatility: Volatility | None
    nearest_strike: Strike | None
    nearest_delta: Annotated[float, Meta(ge=-1.5, le=1.5)] | None
    nearest_instrument_key: Text | None
    reason: Reason | None


class HistoryPoint(msgspec.Struct, kw_only=True):
    time: Instant
    expiry: Text
    spot: Amount | None
    forward: Amount | None
    atm_strike: Strike | None
    atm_implied_volatility: Volatility | None


class MoneynessHistory(msgspec.Struct, kw_only=True):
    """What was at the money, in ascending order of time and expiry. `complete`: false if there are more points."""

    underlying: Text
    data: Annotated[list[HistoryPoint], Meta(max_length=MOST_POINTS)]
    complete: bool


class InstrumentMetadata(msgspec.Struct, kw_only=True):
    instrument_key: Text
    underlying: Text
    product: Text
    expiry: Text | None
    expires_at: Instant | None
    strike: Strike | None
    option_type: Text | None
    lot_size: Annotated[float, Meta(gt=0, le=1e12)] | None
    tick_size: Annotated[float, Meta(gt=0, le=1e12)] | None
