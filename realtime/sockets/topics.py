"""The types of topics: where each is found and who may read it. The app that owns a type registers it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from moneyness.core.chain_slice import ChainSlice
from moneyness.core.states import (
    AnalyticsState,
    AtmVolatilityState,
    MoneynessLevel,
    SmileState,
    TermStructureState,
)
from realtime.core import topic_grammar as grammar
from realtime.core.bar_states import BarState
from realtime.core.indicator_states import IndicatorState
from realtime.core.names import Names
from realtime.core.result_states import ResultState
from realtime.live_types import instrument_state
from realtime.sockets.configured import own_configuration
from realtime.sockets.indicators import check_indicators, newest_indicators
from realtime.sockets.levels import check_level
from realtime.sockets.newest_bar import newest_bar
from signalsite.foundation.errors import InvalidInput, SignalServiceError


class UnknownChannel(InvalidInput):
    """No app has registered the channel."""

    def __init__(self, message: str) -> None:
        super().__init__("channel", message)


class Forbidden(SignalServiceError):
    """The user may not read the topic, or it does not exist for this user."""


@dataclass(frozen=True, slots=True)
class Reader:
    """The user who subscribes."""

    user_id: int


@dataclass(frozen=True, slots=True)
class Feed:
    """Where to find a topic: its stream, and the hashes of newest states and of their entry IDs.

    A `wildcard` feed covers all topics of the stream that begin with `prefix`.
    """

    stream: str
    hashes: tuple[str, str] | None = None
    prefix: str = ""

    @property
    def wildcard(self) -> bool:
        return bool(self.prefix)


async def everyone(reader: Reader, topic: str) -> None:
    """Authorise every authenticated user."""


async def published_level(reader: Reader, topic: str) -> None:
    """Raise UnknownTopic for a level that its underlying's settings do not name."""
    await check_level(grammar.read_level_topic(topic))


async def own_results(reader: Reader, topic: str) -> None:
    """Admit the configuration's owner and staff. For all others it does not exist."""
    if not await own_configuration(grammar.read_results(topic).configuration, reader.user_id):
        raise Forbidden("there is no such configuration")


async def named_indicators(reader: Reader, topic: str) -> None:
    """Raise UnknownTopic for indicators that no active configuration names."""
    await check_indicators(topic)


async def no_value(topic: str) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True)
class TopicType:
    """A type of topics.

    `locate` parses a topic or raises UnknownTopic. `authorise` raises Forbidden. `current` returns a state for a new
    subscriber if the stream holds none. `state` returns the type of a state, for the AsyncAPI document.
    """

    locate: Callable[[str], Feed]
    authorise: Callable[[Reader, str], Awaitable[None]] = everyone
    current: Callable[[str], Awaitable[bytes | None]] = no_value
    state: Callable[[], type] | None = None


_types: dict[str, TopicType] = {}
_channels: dict[str, Callable[[str, Mapping[str, Any]], str]] = {}


def register(name: str, topic_type: TopicType) -> None:
    """Register a type under its name in the grammar."""
    _types[name] = topic_type


def register_channel(name: str, topic_of: Callable[[str, Mapping[str, Any]], str]) -> None:
    """Register a channel of subscribe messages: `topic_of(instrument_key, params)` returns its topic."""
    _channels[name] = topic_of


def topic_types() -> dict[str, TopicType]:
    """Return all types by their patterns."""
    return {grammar.PATTERNS[name]: each for name, each in _types.items()}


def channels() -> list[str]:
    return sorted(_channels)


def type_of(topic: str) -> TopicType:
    """Return the topic's type. An unknown one counts as an instrument's, whose error explains the right form."""
    return _types.get(grammar.type_of(topic), _types[grammar.INSTRUMENT])


def completed(topic: str) -> str:
    """Return the one name of a topic that a client names, with DEFAULT_EXCHANGE before a bare symbol."""
    return grammar.complete_topic(topic, settings.DEFAULT_EXCHANGE)


def topic_of(channel: str, instrument_key: str, params: Mapping[str, Any]) -> str:
    if channel not in _channels:
        raise UnknownChannel(f"channel {channel[:50]!r} is none of {', '.join(channels())}")
    return completed(_channels[channel](instrument_key, params))


def output_feed(topic: grammar.MarketTopic) -> Feed:
    """Return the feed of an underlying's output stream."""
    stream, *hashes = Names().output(topic.underlying)
    return Feed(stream, (hashes[0], hashes[1]), topic.prefix)


def evaluated_feed(underlying: str) -> Feed:
    """Return the feed of what evaluations say of an underlying's chains."""
    stream, *hashes = Names().chains_output(underlying)
    return Feed(stream, (hashes[0], hashes[1]))


def locate_instrument(topic: str) -> Feed:
    return output_feed(grammar.read_instrument(topic))


def locate_results(topic: str) -> Feed:
    return output_feed(grammar.MarketTopic(grammar.read_results(topic).underlying))


def locate_chain(topic: str) -> Feed:
    return output_feed(grammar.read_chain(topic))


def locate_moneyness(topic: str) -> Feed:
    return evaluated_feed(grammar.read_level_topic(topic).underlying)


def locate_atm(topic: str) -> Feed:
    return evaluated_feed(grammar.read_atm(topic).underlying)


def locate_evaluated(topic: str) -> Feed:
    """Find the analytics or the smile of an expiry."""
    return evaluated_feed(grammar.read_chain(topic).underlying)


def locate_term(topic: str) -> Feed:
    return evaluated_feed(grammar.read_term(topic).underlying)


def locate_bars(topic: str) -> Feed:
    stream, *hashes = Names().bars_output(grammar.read_bars(topic).underlying)
    return Feed(stream, (hashes[0], hashes[1]))


def results_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return grammar.results_topic(str(params.get("configuration", "")), instrument_key)


def locate_indicators(topic: str) -> Feed:
    stream, *hashes = Names().indicators_output(grammar.read_indicators(topic).underlying)
    return Feed(stream, (hashes[0], hashes[1]))


def instrument_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return instrument_key


def bars_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return grammar.bars_topic(instrument_key, str(params.get("timeframe", "1m")))


def indicators_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return grammar.indicators_topic(instrument_key, str(params.get("timeframe", "1m")))


def chain_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return grammar.chain_topic(str(params.get("underlying", instrument_key)), str(params.get("expiry", "")))


def analytics_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return grammar.analytics_topic(str(params.get("underlying", instrument_key)), str(params.get("expiry", "")))


def smile_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return grammar.smile_topic(str(params.get("underlying", instrument_key)), str(params.get("expiry", "")))


def term_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    return grammar.term_topic(str(params.get("underlying", instrument_key)))


def atm_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    """Without `expiry`: the nearest."""
    return grammar.atm_topic(str(params.get("underlying", instrument_key)), str(params.get("expiry") or ""))


def moneyness_channel(instrument_key: str, params: Mapping[str, Any]) -> str:
    """`instrument_key` is the word moneyness_greeks, which is ignored. Without `expiry`: the nearest."""
    level = str(params.get("moneyness_level", "")).upper()
    return grammar.level_topic(str(params.get("underlying", "")), level, str(params.get("expiry") or ""))


def register_own() -> None:
    register(grammar.INSTRUMENT, TopicType(locate_instrument, state=instrument_state))
    register(grammar.CHAIN, TopicType(locate_chain, state=lambda: ChainSlice))
    register(grammar.MONEYNESS, TopicType(locate_moneyness, published_level, state=lambda: MoneynessLevel))
    register(grammar.ATM, TopicType(locate_atm, state=lambda: AtmVolatilityState))
    register(grammar.ANALYTICS, TopicType(locate_evaluated, state=lambda: AnalyticsState))
    register(grammar.SMILE, TopicType(locate_evaluated, state=lambda: SmileState))
    register(grammar.TERM, TopicType(locate_term, state=lambda: TermStructureState))
    register(grammar.BARS, TopicType(locate_bars, current=newest_bar, state=lambda: BarState))
    register(grammar.RESULTS, TopicType(locate_results, own_results, state=lambda: ResultState))
    register(
        grammar.INDICATORS,
        TopicType(locate_indicators, named_indicators, newest_indicators, state=lambda: IndicatorState),
    )
    for name in ("ticks", "greeks"):
        register_channel(name, instrument_channel)
    register_channel("chain", chain_channel)
    register_channel("moneyness", moneyness_channel)
    for name, topic_of_channel in (
        ("atm", atm_channel),
        ("analytics", analytics_channel),
        ("smile", smile_channel),
        ("term", term_channel),
        ("bars", bars_channel),
        ("results", results_channel),
        ("indicators", indicators_channel),
    ):
        register_channel(name, topic_of_channel)
