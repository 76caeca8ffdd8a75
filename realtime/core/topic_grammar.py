"""The grammar of topics: all topic names are built and parsed here.

    topic      = KEY                                        an instrument (timeframes.core.keys)
               | UNDERLYING "@" asset "_options@" EXPIRY "@*"   all options of an expiry
               | "chain:" UNDERLYING ":" EXPIRY
               | "moneyness:" UNDERLYING [ ":" EXPIRY ] ":" LEVEL   without a date: the nearest expiry
               | "atm:" UNDERLYING [ ":" EXPIRY ]       volatility at the money; without a date: the nearest expiry
               | "analytics:" UNDERLYING ":" EXPIRY
               | "smile:" UNDERLYING ":" EXPIRY
               | "term:" UNDERLYING
               | "bars:" KEY ":" TIMEFRAME              of an instrument's newest bar
               | "results:" UUID ":" KEY                what a configuration gave for an instrument
               | "indicators:" KEY ":" TIMEFRAME        on an instrument's newest bar, as configurations name them
               | "job:" UUID
    UNDERLYING = EXCHANGE "@" SYMBOL
    LEVEL      = ATM, OTM2, OTM_PCT_2_5, OTM25D or another (moneyness.core.level_grammar)

A key contains no colon, so the word before the first colon gives the type. A client may leave out the exchange, as in
keys: `complete_topic` adds it.
"""

import uuid
from datetime import date
from typing import NamedTuple

from moneyness.core.level_grammar import read_level
from moneyness.core.levels import UnknownLevel
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import InvalidInstrumentKey, Product, complete_key, parse_key
from timeframes.core.timeframe import InvalidTimeframe, format_timeframe, parse_timeframe

INSTRUMENT, CHAIN, MONEYNESS, BARS, JOB, RESULTS = "", "chain", "moneyness", "bars", "job", "results"
ATM, ANALYTICS, SMILE, TERM = "atm", "analytics", "smile", "term"
INDICATORS = "indicators"
PATTERNS = {
    INSTRUMENT: "{instrument_key}",
    CHAIN: "chain:{underlying}:{expiry}",
    MONEYNESS: "moneyness:{underlying}:{expiry}:{level}",
    ATM: "atm:{underlying}:{expiry}",
    ANALYTICS: "analytics:{underlying}:{expiry}",
    SMILE: "smile:{underlying}:{expiry}",
    TERM: "term:{underlying}",
    BARS: "bars:{instrument_key}:{timeframe}",
    RESULTS: "results:{configuration}:{instrument_key}",
    INDICATORS: "indicators:{instrument_key}:{timeframe}",
    JOB: "job:{id}",
}
"""A pattern of each type, for people and for the AsyncAPI document. `{...}` marks the variable parts."""


_OF_THE_MARKET = {CHAIN, MONEYNESS, ATM, ANALYTICS, SMILE, TERM, BARS, INDICATORS}
_EVALUATED = tuple(f"{kind}:" for kind in (MONEYNESS, ATM, ANALYTICS, SMILE, TERM))
BAR_TIMEFRAMES = ("1m",)
DEEPEST = 1000
"""The deepest level by strikes that an underlying can be set to."""


class UnknownTopic(InvalidInput):
    """The text is not a topic; the message describes the right form."""

    def __init__(self, message: str) -> None:
        super().__init__("topic", message)


class MarketTopic(NamedTuple):
    """A topic's underlying. `prefix`: of a wildcard, the common beginning of its topics."""

    underlying: str
    prefix: str = ""


class ResultsTopic(NamedTuple):
    """A configuration, and the underlying of the instrument."""

    configuration: uuid.UUID
    underlying: str


class IndicatorsTopic(NamedTuple):
    """The indicators of an instrument on bars of a timeframe."""

    underlying: str
    instrument_key: str
    timeframe: str


class LevelTopic(NamedTuple):
    """A level of an underlying."""

    underlying: str
    level: str


def type_of(topic: str) -> str:
    """Return the word before the first colon, or INSTRUMENT if there is none."""
    kind, colon, _ = topic.partition(":")
    return kind if colon else INSTRUMENT


def complete_topic(topic: str, exchange: str) -> str:
    """Return the topic with `exchange` before a bare symbol; any other text as it is."""
    kind, colon, rest = topic.partition(":")
    if not colon:
        return complete_key(topic, exchange)
    if kind == RESULTS:
        configuration, colon, key = rest.partition(":")
        return f"{kind}:{configuration}{colon}{complete_key(key, exchange)}" if colon else topic
    if kind not in _OF_THE_MARKET:
        return topic
    underlying, colon, rest = rest.partition(":")
    return f"{kind}:{complete_key(underlying, exchange)}{colon}{rest}"


def is_instrument(topic: str) -> bool:
    """Return whether the topic is an instrument's, not a chain's or a level's."""
    return ":" not in topic


def is_evaluated(topic: str) -> bool:
    """Return whether evaluations of a chain publish the topic: their output is apart from that of ticks."""
    return topic.startswith(_EVALUATED)


def expiry_of(topic: str) -> date | None:
    """Return the expiry that the topic of an evaluation names, None if it names none."""
    parts = topic.split(":")
    if len(parts) != (4 if parts[0] == MONEYNESS else 3):
        return None
    try:
        return date.fromisoformat(parts[2])
    except ValueError:
        return None


def chain_topic(underlying: str, expiry: date | str) -> str:
    return f"{CHAIN}:{underlying}:{expiry}"


def level_topic(underlying: str, level: str, expiry: date | str = "") -> str:
    """`expiry`: empty for the nearest."""
    return f"{MONEYNESS}:{underlying}:{expiry}:{level}" if expiry else f"{MONEYNESS}:{underlying}:{level}"


def atm_topic(underlying: str, expiry: date | str = "") -> str:
    """`expiry`: empty for the nearest."""
    return f"{ATM}:{underlying}:{expiry}" if expiry else f"{ATM}:{underlying}"


def analytics_topic(underlying: str, expiry: date | str) -> str:
    return f"{ANALYTICS}:{underlying}:{expiry}"


def smile_topic(underlying: str, expiry: date | str) -> str:
    return f"{SMILE}:{underlying}:{expiry}"


def term_topic(underlying: str) -> str:
    return f"{TERM}:{underlying}"


def bars_topic(instrument_key: str, timeframe: str) -> str:
    return f"{BARS}:{instrument_key}:{timeframe}"


def results_topic(configuration: uuid.UUID | str, instrument_key: str) -> str:
    return f"{RESULTS}:{configuration}:{instrument_key}"


def indicators_topic(instrument_key: str, timeframe: str) -> str:
    return f"{INDICATORS}:{instrument_key}:{timeframe}"


def job_topic(job_id: uuid.UUID) -> str:
    return f"{JOB}:{job_id}"


def read_instrument(topic: str) -> MarketTopic:
    """Parse an instrument key, or a wildcard for all options of an expiry: NSE@NIFTY@equity_options@2026-12-29@*.

    Raises UnknownTopic.
    """
    try:
        if not topic.endswith("@*"):
            return MarketTopic(parse_key(topic).underlying)
        return MarketTopic(parse_key(f"{topic[:-1]}call@1").underlying, topic[:-1])
    except InvalidInstrumentKey as error:
        raise UnknownTopic(f"not a topic: {error}") from error


def read_chain(topic: str) -> MarketTopic:
    """Parse chain:NSE@NIFTY:2026-12-29, or analytics or smile of an expiry. Raises UnknownTopic."""
    parts = topic.split(":")
    if len(parts) != 3:
        raise UnknownTopic(f"it is {parts[0][:20]}:EXCHANGE@SYMBOL:YYYY-MM-DD")
    return MarketTopic(_underlying(parts[1], parts[2]))


def read_atm(topic: str) -> MarketTopic:
    """Parse atm:NSE@NIFTY:2026-12-29, or for the nearest expiry atm:NSE@NIFTY. Raises UnknownTopic."""
    parts = topic.split(":")
    if len(parts) not in (2, 3):
        raise UnknownTopic("it is atm:EXCHANGE@SYMBOL:YYYY-MM-DD, or without the date the nearest's")
    return MarketTopic(_underlying(*parts[1:]))


def read_term(topic: str) -> MarketTopic:
    """Parse term:NSE@NIFTY. Raises UnknownTopic."""
    parts = topic.split(":")
    if len(parts) != 2:
        raise UnknownTopic("a term structure is term:EXCHANGE@SYMBOL")
    return MarketTopic(_underlying(parts[1]))


def read_level_topic(topic: str) -> LevelTopic:
    """Parse moneyness:NSE@NIFTY:2026-12-29:ATM, or for the nearest expiry moneyness:NSE@NIFTY:OTM2.

    Raises UnknownTopic for what is the level of no underlying.
    """
    parts = topic.split(":")
    if len(parts) not in (3, 4):
        raise UnknownTopic("a level is moneyness:EXCHANGE@SYMBOL:YYYY-MM-DD:LEVEL, or without the date the nearest's")
    try:
        level = read_level(parts[-1], DEEPEST)
    except UnknownLevel as error:
        raise UnknownTopic(str(error)) from error
    return LevelTopic(_underlying(*parts[1:-1]), level.name)


def read_bars(topic: str) -> MarketTopic:
    """Parse bars:NSE@NIFTY@equity_spot:1m. Raises UnknownTopic."""
    parts = topic.split(":")
    if len(parts) != 3:
        raise UnknownTopic("bars are bars:INSTRUMENT_KEY:TIMEFRAME")
    try:
        key = parse_key(parts[1])
    except InvalidInstrumentKey as error:
        raise UnknownTopic(f"not an instrument's bars: {error}") from error
    if parts[2] not in BAR_TIMEFRAMES:
        raise UnknownTopic(f"{parts[2][:20]!r} is no timeframe of live bars: {', '.join(BAR_TIMEFRAMES)}")
    return MarketTopic(key.underlying)


def read_results(topic: str) -> ResultsTopic:
    """Parse results:0194ff2e-...:NSE@NIFTY@equity_spot. Raises UnknownTopic."""
    parts = topic.split(":")
    if len(parts) != 3:
        raise UnknownTopic("results are results:CONFIGURATION:INSTRUMENT_KEY")
    configuration = _read_id(parts[1], "a configuration's")
    try:
        return ResultsTopic(configuration, parse_key(parts[2]).underlying)
    except InvalidInstrumentKey as error:
        raise UnknownTopic(f"not the results of an instrument: {error}") from error


def read_indicators(topic: str) -> IndicatorsTopic:
    """Parse indicators:NSE@NIFTY@equity_spot:5m. Raises UnknownTopic."""
    parts = topic.split(":")
    if len(parts) != 3:
        raise UnknownTopic("indicators are indicators:INSTRUMENT_KEY:TIMEFRAME")
    try:
        key = parse_key(parts[1])
        timeframe = format_timeframe(parse_timeframe(parts[2]))
    except InvalidInstrumentKey as error:
        raise UnknownTopic(f"not an instrument's indicators: {error}") from error
    except InvalidTimeframe as error:
        raise UnknownTopic(str(error)) from error
    if timeframe != parts[2]:
        raise UnknownTopic(f"the timeframe {parts[2]} is written {timeframe}")
    return IndicatorsTopic(key.underlying, parts[1], timeframe)


def read_job(topic: str) -> uuid.UUID:
    """Parse job:0194ff2e-.... Raises UnknownTopic."""
    return _read_id(topic.removeprefix(f"{JOB}:"), "a job's")


def _read_id(text: str, whose: str) -> uuid.UUID:
    try:
        found = uuid.UUID(text)
    except ValueError as error:
        raise UnknownTopic(f"{text[:50]!r} is not {whose} id") from error
    if str(found) != text:
        raise UnknownTopic(f"{whose} id is written {found}")
    return found


def _underlying(text: str, expiry: str | None = None) -> str:
    """Check an underlying and, if given, an expiry of its options. Raises UnknownTopic."""
    try:
        if parse_key(text).product != Product.UNDERLYING:
            raise UnknownTopic(f"{text!r} is not an underlying such as NSE@NIFTY")
        if expiry is not None:
            parse_key(f"{text}@equity_options@{expiry}@call@1")
    except InvalidInstrumentKey as error:
        raise UnknownTopic(f"not a chain: {error}") from error
    return text
