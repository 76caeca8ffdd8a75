"""Which topics there are, in which stream each is, and who may read it. The app that owns a kind registers it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from realtime.core.names import Names
from signalsite.foundation.errors import InvalidInput, SignalServiceError
from timeframes.core.keys import InstrumentKey, InvalidInstrumentKey, Product, parse_key


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
    newcomer where the stream remembers none.
    """

    locate: Callable[[str], Feed]
    authorise: Callable[[Reader, str], Awaitable[None]] = everyone
    current: Callable[[str], Awaitable[bytes | None]] = no_value


_kinds: dict[str, Kind] = {}
_channels: dict[str, Callable[[str, Mapping[str, Any]], str]] = {}


def register(prefix: str, kind: Kind) -> None:
    """Topics that begin with `prefix` and a colon are of this kind; the empty prefix takes the rest."""
    _kinds[prefix] = kind


def register_channel(name: str, topic_of: Callable[[str, Mapping[str, Any]], str]) -> None:
    """A channel of the subscribe messages with `channel`: `topic_of(instrument_key, params)` names its topic."""
    _channels[name] = topic_of


def kind_of(topic: str) -> Kind:
    prefix, colon, _ = topic.partition(":")
    return _kinds.get(prefix if colon else "", _kinds[""])


def topic_of(channel: str, instrument_key: str, params: Mapping[str, Any]) -> str:
    if channel not in _channels:
        raise UnknownChannel(f"channel {channel[:50]!r} is none of {', '.join(sorted(_channels))}")
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
    return output_feed(_option(parts[1], parts[2]).underlying)


def _option(underlying: str, expiry: str) -> InstrumentKey:
    try:
        if parse_key(underlying).product != Product.UNDERLYING:
            raise UnknownTopic(f"{underlying!r} is not an underlying such as NSE@NIFTY")
        return parse_key(f"{underlying}@equity_options@{expiry}@call@1")
    except InvalidInstrumentKey as error:
        raise UnknownTopic(f"not a chain: {error}") from error


def instrument_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return instrument_key


def chain_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    underlying = str(params.get("underlying", instrument_key))
    if "@" not in underlying:
        underlying = f"{settings.DEFAULT_EXCHANGE}@{underlying}"
    return f"chain:{underlying}:{params.get('expiry', '')}"


def register_own() -> None:
    register("", Kind(locate_instrument))
    register("chain", Kind(locate_chain))
    for name in ("ticks", "greeks"):
        register_channel(name, instrument_channel)
    register_channel("chain", chain_channel)
