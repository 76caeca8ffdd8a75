"""The states of topics `results:{configuration}:{instrument_key}`: what a configuration gave, as JSON.

One encoder writes them: for topics, for lists, and for those that wait for the consumer. What waits may come from
another version or from a stranger: reading it raises BadState, and the reader goes on with the next one.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from realtime.core.states import BadState
from signals.configs.core.results import ConfiguredResult, Source
from timeframes.core.keys import InvalidInstrumentKey, parse_key

MOST_BYTES = 64 << 10
INDICATORS = "indicators"
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


class ResultState(msgspec.Struct):
    """What a configuration gave for an instrument.

    `time`: the moment that counted as now. `values`: by kind (`greeks`, `indicators`, `functions`,
    `external_functions`) and label; null where there is none. `reasons`: why a value is missing, by `KIND.LABEL`.
    `tick`: ID of the tick's entry, empty for a scheduled result. `run`: number of the scheduled run.
    """

    configuration: uuid.UUID
    name: str
    version: int
    owner_id: int
    instrument_key: str
    interval: str | None
    frequency: str | None
    time: datetime
    source: Source
    values: dict[str, dict[str, Any]]
    reasons: dict[str, str] = {}
    tick: str = ""
    run: int | None = None


class UnwritableResult(ValueError):
    """A result is too large, or holds what JSON cannot."""


_decode = msgspec.json.Decoder(ResultState).decode


def encode_result(result: ConfiguredResult) -> bytes:
    """Write a result. NaN becomes null. Raises UnwritableResult."""
    try:
        state = orjson.dumps(result, default=_plain, option=_OPTIONS)
    except TypeError as error:
        raise UnwritableResult(f"{result.name}: {error}") from None
    if len(state) > MOST_BYTES:
        raise UnwritableResult(f"{result.name}: {len(state)} bytes, and {MOST_BYTES} are allowed")
    return state


class ResultForm:
    """Writes results, as `encode_result` does, of which values and reasons are JSON already. What they have in common
    with the one that is `like` them is encoded once."""

    def __init__(self, like: ConfiguredResult) -> None:
        def members(*names: str) -> bytes:
            return b",".join(orjson.dumps(name) + b":" + orjson.dumps(getattr(like, name)) for name in names)

        self._name = like.name
        self._begin = b"{" + members("configuration", "name", "version", "owner_id") + b',"instrument_key":'
        self._clock = b"," + members("interval", "frequency") + b',"time":'
        self._values = b"," + members("source") + b',"values":'
        self._end = b"," + members("run") + b"}"

    def write(self, instrument_key: str, time: datetime, values: bytes, reasons: bytes, tick: str) -> bytes:
        """`values`, `reasons`: JSON objects that an encoder wrote. Raises UnwritableResult."""
        key, moment, entry_id = orjson.dumps(instrument_key), orjson.dumps(time), orjson.dumps(tick)
        pieces = (self._begin, key, self._clock, moment, self._values, values)
        state = b"".join((*pieces, b',"reasons":', reasons, b',"tick":', entry_id, self._end))
        if len(state) > MOST_BYTES:
            raise UnwritableResult(f"{self._name}: {len(state)} bytes, and {MOST_BYTES} are allowed")
        return state


def decode_result(state: bytes | str, underlying: str) -> ConfiguredResult:
    """Read a result for an instrument of this underlying. Raises BadState."""
    try:
        read = _decode(state)
        of = parse_key(read.instrument_key).underlying
    except (msgspec.MsgspecError, UnicodeError, RecursionError, InvalidInstrumentKey) as error:
        raise BadState(str(error)) from None
    if of != underlying:
        raise BadState(f"{read.instrument_key} is no instrument of {underlying}")
    if read.time.tzinfo is None:
        raise BadState("its time has no offset")
    try:
        read.time = read.time.astimezone(UTC)
    except OverflowError as error:  # year 1 or 9999, with an offset
        raise BadState(f"its time: {error}") from None
    return ConfiguredResult(**msgspec.structs.asdict(read))


def encode_indicators(result: ConfiguredResult) -> bytes | None:
    """Write what `ta_results:` holds: the indicators of a result. None without any."""
    if not (found := result.values.get(INDICATORS)):
        return None
    about = {
        "configuration": result.name,
        "configuration_id": result.configuration,
        "version": result.version,
        "time": result.time.astimezone(UTC),
        "source": result.source,
        INDICATORS: found,
    }
    return orjson.dumps(about, default=_plain, option=_OPTIONS)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
