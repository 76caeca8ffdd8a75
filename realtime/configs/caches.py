"""Clear the cached values that a change of a configuration has made invalid, and no other (S36).

- `ta_results:{instrument_key}:{interval}:{frequency}`, where it holds indicators of this configuration
- the topic `results:{configuration}:{instrument_key}` in the hashes of its underlying's newest states
- the topic `indicators:{instrument_key}:{timeframe}` in those of its indicators, once no active configuration asks for
  it

A value says which version it was computed with. One of the new version stays: it may have come before we do. One that
was computed with the old version may still come after us, from a consumer or a worker that has yet to hear of the
change: so each change is looked at again a little later (`outbox`).
"""

import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from realtime.configs import metrics
from realtime.configs.core.affected import Affected, slots, underlyings_of
from realtime.configs.core.portions import portions
from realtime.configs.lease import Lease
from realtime.configs.transactions import commit
from realtime.consumer_groups import Redis
from realtime.core.names import Names
from realtime.core.topic_grammar import indicators_topic, results_topic
from signals.configs.models import Configuration
from timeframes.core.keys import InvalidInstrumentKey, parse_key

logger = logging.getLogger(__name__)

TOGETHER = 200  # topics or keys of one script
ANY = ""  # in the place of a version: the configuration is gone

# KEYS: texts. ARGV: the configuration's id, its name, and the first valid version (empty: none is).
_CLEAR_TEXTS = """
local gone = 0
for _, key in ipairs(KEYS) do
  local text = redis.pcall('GET', key)
  if type(text) == 'string' then
    local ok, value = pcall(cjson.decode, text)
    local owner, version
    if ok and type(value) == 'table' then
      owner = value.configuration_id or value.configuration
      version = tonumber(value.version)
    end
    local ours = owner == nil or owner == ARGV[1] or owner == ARGV[2]
    if ours and (ARGV[3] == '' or version == nil or version < tonumber(ARGV[3])) then
      gone = gone + redis.call('DEL', key)
    end
  end
end
return gone
"""
# KEYS: hashes of an underlying's newest states and of their entries' IDs. ARGV: the first valid version, topics.
_CLEAR_TOPICS = """
local gone = 0
for place = 2, #ARGV do
  local text = redis.call('HGET', KEYS[1], ARGV[place])
  if text then
    local version
    if ARGV[1] ~= '' then
      local ok, value = pcall(cjson.decode, text)
      if ok and type(value) == 'table' then version = tonumber(value.version) end
    end
    if version == nil or version < tonumber(ARGV[1]) then
      gone = gone + redis.call('HDEL', KEYS[1], ARGV[place])
      redis.call('HDEL', KEYS[2], ARGV[place])
    end
  end
end
return gone
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """`valid_from`: the first version whose values stay; None: there is none."""

    configuration: uuid.UUID
    name: str
    valid_from: int | None
    affected: Affected

    def __bool__(self) -> bool:
        return bool(self.affected.indicators or self.affected.results or self.affected.unwanted)


def clear(client: Redis, lease: Lease, clearings: Sequence[Clearing], names: Names) -> None:
    """Clear what these changes have made invalid. A key of another type is logged, since it holds nothing of ours.

    Raises LeaseLost and redis.RedisError. Doing it again is harmless.
    """
    commands = [each for clearing in clearings for each in _of_configuration(clearing, names)]
    commands += _of_indicators(_unwanted(clearings), names)
    for some in portions(commands, TOGETHER):

        def fill(pipeline: Any, some: Sequence[tuple[str, Sequence[Any]]] = some) -> None:
            for _, arguments in some:
                pipeline.eval(*arguments)

        for (kind, arguments), answer in zip(some, commit(client, lease, fill), strict=True):
            if isinstance(answer, Exception):
                metrics.errors.labels("key").inc()
                logger.error("%s cannot be cleared: %s", ", ".join(arguments[2 : 2 + arguments[1]]), answer)
            else:
                metrics.cleared.labels(kind).inc(answer)


def _of_configuration(clearing: Clearing, names: Names) -> Iterable[tuple[str, Sequence[Any]]]:
    version = ANY if clearing.valid_from is None else clearing.valid_from
    keys = sorted(names.ta_results(*slot) for slot in clearing.affected.indicators)
    for some in portions(keys, TOGETHER):
        about = str(clearing.configuration), clearing.name, version
        yield "ta_results", (_CLEAR_TEXTS, len(some), *some, *about)
    topics = ((key, results_topic(clearing.configuration, key)) for key in sorted(clearing.affected.results))
    yield from _of_topics("results", topics, version, names.output)


def _of_indicators(unwanted: Iterable[tuple[str, str]], names: Names) -> Iterable[tuple[str, Sequence[Any]]]:
    topics = ((key, indicators_topic(key, each)) for key, each in sorted(unwanted))
    return _of_topics("indicators", topics, ANY, names.indicators_output)


def _of_topics(
    kind: str,
    topics: Iterable[tuple[str, str]],
    version: int | str,
    output: Callable[[str], tuple[str, str, str]],
) -> Iterable[tuple[str, Sequence[Any]]]:
    """`topics`: each after the instrument that it is of. `output`: the names of an underlying's stream and hashes."""
    by_underlying: dict[str, list[str]] = defaultdict(list)
    for instrument_key, topic in topics:
        try:
            by_underlying[parse_key(instrument_key).underlying].append(topic)
        except InvalidInstrumentKey as error:  # a hand-written document: nothing was published of it
            logger.warning("%s: %s", topic, error)
    for underlying, listed in by_underlying.items():
        _, latest, latest_seq = output(underlying)
        for some in portions(listed, TOGETHER):
            yield kind, (_CLEAR_TOPICS, 2, latest, latest_seq, version, *some)


def _unwanted(clearings: Sequence[Clearing]) -> set[tuple[str, str]]:
    """Return instruments and intervals whose indicators no active configuration asks for any more."""
    left = {each for clearing in clearings for each in clearing.affected.unwanted}
    if not left:
        return left
    asking = Configuration.objects.filter(
        active=True,
        underlyings__overlap=underlyings_of(key for key, _ in left),
        interval__in={interval for _, interval in left},
        document__instruments__has_any_keys=sorted({key for key, _ in left}),
    )
    for interval, document in asking.values_list("interval", "document").iterator(200):
        if isinstance(document, dict) and document.get("indicators"):
            left -= {(slot.instrument_key, interval) for slot in slots(document)}
    return left
