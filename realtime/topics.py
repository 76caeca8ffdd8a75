"""Which topics there are, in which stream each is, and who may read it. The app that owns a kind registers it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from moneyness.core.levels import UnknownLevel, parse_level
from realtime.core.names import Names
from realtime.core.states import ChainSlice, InstrumentState, MoneynessLevel
from signalsite.foundation.errors import InvalidInput, SignalServiceError
from timeframes.core.keys import InvalidInstrumentKey, Product, parse_key


class UnknownTopic(InvalidInput):
    """The text is no topic; the message says what would be one."""

    def __init__(self, message: str) -> None:
        super().__init__("topic", message)


class UnknownChannel(InvalidInput):
    """No app has registered the channel."""

    def __init__(self, message: str) -> None:
        super().__init__("channel", message)


class Forbidden(SignalServiceError):
    """The user may not read the topic, or there is none such for this user."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks."""

    user_id: int


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a topic is found: its stream, and the hashes of newest states and of their entry IDs beside it.

    A `wildcard` feed stands for all topics of the stream that begin with `prefix`.
    """

    stream: str
    hashes: tuple[str, str] | None = None
    prefix: str = ""

    @property
    def wildcard(self) -> bool:
        return bool(self.prefix)


async def everyone(reader: Reader, topic: str) -> None:
    """An authoriser that lets every authenticated user in."""


async def no_value(topic: str) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of topics.

    `locate` reads a topic's text, or raises UnknownTopic. `authorise` raises Forbidden. `current` gives a state for a
    newcomer where the stream remembers none. `pattern` and `state`, the type of a state, are for the AsyncAPI document.
    """

    locate: Callable[[str], Feed]
    authorise: Callable[[Reader, str], Awaitable[None]] = everyone
    current: Callable[[str], Awaitable[bytes | None]] = no_value
    pattern: str = ""
    state: type | None = None


_kinds: dict[str, Kind] = {}
_channels: dict[str, Callable[[str, Mapping[str, Any]], str]] = {}


def register(prefix: str, kind: Kind) -> None:
    """Topics that begin with `prefix` and a colon are of this kind; the empty prefix takes the rest."""
    _kinds[prefix] = kind


def register_channel(name: str, topic_of: Callable[[str, Mapping[str, Any]], str]) -> None:
    """A channel of the subscribe messages with `channel`: `topic_of(instrument_key, params)` names its topic."""
    _channels[name] = topic_of


def kinds() -> dict[str, Kind]:
    """All kinds by their patterns: `{...}` stands for what differs from topic to topic."""
    return {kind.pattern or f"{prefix}:{{id}}": kind for prefix, kind in _kinds.items()}


def channels() -> list[str]:
    return sorted(_channels)


def kind_of(topic: str) -> Kind:
    prefix, colon, _ = topic.partition(":")
    return _kinds.get(prefix if colon else "", _kinds[""])


def topic_of(channel: str, instrument_key: str, params: Mapping[str, Any]) -> str:
    if channel not in _channels:
        raise UnknownChannel(f"channel {channel[:50]!r} is none of {', '.join(channels())}")
    return _channels[channel](instrument_key, params)


def output_feed(underlying: str, prefix: str = "") -> Feed:
    """Of everything that is told about an underlying, such as NSE@NIFTY."""
    names = Names()
    return Feed(names.output_stream(underlying), (names.latest(underlying), names.latest_seq(underlying)), prefix)


def locate_instrument(topic: str) -> Feed:
    """An instrument key, or all options of an expiry: NSE@NIFTY@equity_options@2026-12-29@*."""
    try:
        if not topic.endswith("@*"):
            return output_feed(parse_key(topic).underlying)
        key = parse_key(f"{topic[:-1]}call@1")
    except InvalidInstrumentKey as error:
        raise UnknownTopic(f"not a topic: {error}") from error
    return output_feed(key.underlying, topic[:-1])


def locate_chain(topic: str) -> Feed:
    """chain:NSE@NIFTY:2026-12-29"""
    parts = topic.split(":")
    if len(parts) != 3:
        raise UnknownTopic("a chain is chain:EXCHANGE@SYMBOL:YYYY-MM-DD")
    return output_feed(_underlying(parts[1], parts[2]))


def locate_moneyness(topic: str) -> Feed:
    """moneyness:NSE@NIFTY:2026-12-29:ATM, or of the nearest expiry: moneyness:NSE@NIFTY:OTM2"""
    parts = topic.split(":")
    if len(parts) not in (3, 4):
        raise UnknownTopic("a level is moneyness:EXCHANGE@SYMBOL:YYYY-MM-DD:LEVEL, or without the date the nearest's")
    try:
        parse_level(parts[-1], settings.CHAIN_STRIKES)
    except UnknownLevel as error:
        raise UnknownTopic(str(error)) from error
    return output_feed(_underlying(*parts[1:-1]))


def _underlying(text: str, expiry: str | None = None) -> str:
    """The underlying, checked together with an expiry of its options, if one is said. Raises UnknownTopic."""
    try:
        if parse_key(text).product != Product.UNDERLYING:
            raise UnknownTopic(f"{text!r} is not an underlying such as NSE@NIFTY")
        if expiry is not None:
            parse_key(f"{text}@equity_options@{expiry}@call@1")
    except InvalidInstrumentKey as error:
        raise UnknownTopic(f"not a chain: {error}") from error
    return text


def instrument_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return instrument_key


def chain_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return f"chain:{_named(params.get('underlying', instrument_key))}:{params.get('expiry', '')}"


def moneyness_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    """`instrument_key` is the word moneyness_greeks, which says nothing more; without `expiry`, the nearest."""
    expiry = f":{params['expiry']}" if params.get("expiry") else ""
    level = str(params.get("moneyness_level", "")).upper()
    return f"moneyness:{_named(params.get('underlying', ''))}{expiry}:{level}"


def _named(underlying: Any) -> str:
    """A bare symbol is of the default exchange."""
    text = str(underlying)
    return text if "@" in text else f"{settings.DEFAULT_EXCHANGE}@{text}"


def register_own() -> None:
    register("", Kind(locate_instrument, pattern="{instrument_key}", state=InstrumentState))
    register("chain", Kind(locate_chain, pattern="chain:{underlying}:{expiry}", state=ChainSlice))
    level = "moneyness:{underlying}:{expiry}:{level}"
    register("moneyness", Kind(locate_moneyness, pattern=level, state=MoneynessLevel))
    for name in ("ticks", "greeks"):
        register_channel(name, instrument_channel)
    register_channel("chain", chain_channel)
    register_channel("moneyness", moneyness_channel)
