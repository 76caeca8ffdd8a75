"""Which topics there are, in which stream each is, and who may read it. The app that owns a kind registers it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from moneyness.core.chain_slice import ChainSlice, MoneynessLevel
from realtime.core import topic_grammar as grammar
from realtime.core.names import Names
from realtime.core.states import InstrumentState
from signalsite.foundation.errors import InvalidInput, SignalServiceError


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
class TopicType:
    """A kind of topics.

    `locate` reads a topic's text, or raises UnknownTopic. `authorise` raises Forbidden. `current` gives a state for a
    newcomer where the stream remembers none. `state`, the type of a state, is for the AsyncAPI document.
    """

    locate: Callable[[str], Feed]
    authorise: Callable[[Reader, str], Awaitable[None]] = everyone
    current: Callable[[str], Awaitable[bytes | None]] = no_value
    state: type | None = None


_types: dict[str, TopicType] = {}
_channels: dict[str, Callable[[str, Mapping[str, Any]], str]] = {}


def register(name: str, kind: TopicType) -> None:
    """Whose topics of the grammar's kind `name` are."""
    _types[name] = kind


def register_channel(name: str, topic_of: Callable[[str, Mapping[str, Any]], str]) -> None:
    """A channel of the subscribe messages with `channel`: `topic_of(instrument_key, params)` names its topic."""
    _channels[name] = topic_of


def topic_types() -> dict[str, TopicType]:
    """All kinds by their patterns."""
    return {grammar.PATTERNS[name]: kind for name, kind in _types.items()}


def channels() -> list[str]:
    return sorted(_channels)


def type_of(topic: str) -> TopicType:
    """An unknown kind is taken for an instrument's, which says what would be right."""
    return _types.get(grammar.type_of(topic), _types[grammar.INSTRUMENT])


def topic_of(channel: str, instrument_key: str, params: Mapping[str, Any]) -> str:
    if channel not in _channels:
        raise UnknownChannel(f"channel {channel[:50]!r} is none of {', '.join(channels())}")
    return _channels[channel](instrument_key, params)


def output_feed(topic: grammar.MarketTopic) -> Feed:
    """Of what is told about an underlying, such as NSE@NIFTY."""
    names, underlying = Names(), topic.underlying
    hashes = (names.latest(underlying), names.latest_seq(underlying))
    return Feed(names.output_stream(underlying), hashes, topic.prefix)


def locate_instrument(topic: str) -> Feed:
    return output_feed(grammar.read_instrument(topic))


def locate_chain(topic: str) -> Feed:
    return output_feed(grammar.read_chain(topic))


def locate_moneyness(topic: str) -> Feed:
    return output_feed(grammar.read_level(topic, settings.CHAIN_STRIKES))


def instrument_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return instrument_key


def chain_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return grammar.chain_topic(_named(params.get("underlying", instrument_key)), str(params.get("expiry", "")))


def moneyness_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    """`instrument_key` is the word moneyness_greeks, which says nothing more; without `expiry`, the nearest."""
    level = str(params.get("moneyness_level", "")).upper()
    return grammar.level_topic(_named(params.get("underlying", "")), level, str(params.get("expiry") or ""))


def _named(underlying: Any) -> str:
    """A bare symbol is of the default exchange."""
    text = str(underlying)
    return text if "@" in text else f"{settings.DEFAULT_EXCHANGE}@{text}"


def register_own() -> None:
    register(grammar.INSTRUMENT, TopicType(locate_instrument, state=InstrumentState))
    register(grammar.CHAIN, TopicType(locate_chain, state=ChainSlice))
    register(grammar.MONEYNESS, TopicType(locate_moneyness, state=MoneynessLevel))
    for name in ("ticks", "greeks"):
        register_channel(name, instrument_channel)
    register_channel("chain", chain_channel)
    register_channel("moneyness", moneyness_channel)
