"""What a micro-batch leaves in Redis, and its acknowledgement, in one transaction.

Few large commands: the client packs and the server parses a hundred small ones in ten times the time. Scripts are sent
as text, not by digest: a digest that a restarted server does not know would fail inside the transaction, and the
acknowledgement beside it would hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
import redis

from realtime.core.cycle import Frame, Rejected
from realtime.core.entry_ids import EntryId, parse_id
from realtime.core.names import Names, tick_stream
from realtime.core.ticks import PROCESSED
from realtime.ownership import Ownership
from realtime.streams import StreamEntry

# KEYS: lists. ARGV: length and lifetime (s), then for each list how many values, and the values. Newest last.
_LISTS = """
local at = 3
for place = 1, #KEYS do
  local last = at + tonumber(ARGV[at])
  redis.call('RPUSH', KEYS[place], unpack(ARGV, at + 1, last))
  redis.call('LTRIM', KEYS[place], -ARGV[1], -1)
  redis.call('EXPIRE', KEYS[place], ARGV[2])
  at = last + 1
end
"""
# KEYS: output stream, newest states, their entry IDs. ARGV: length, lifetime (s), then topic and state in turn.
_PUBLISH = """
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 3))
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
local ids = {}
for place = 3, #ARGV, 2 do ids[place - 2] = ARGV[place]; ids[place - 1] = id end
redis.call('HSET', KEYS[3], unpack(ids))
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[2])
"""
# KEYS: a stream. ARGV: for each entry how many names and values, and these.
_APPEND = """
local at = 1
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  redis.call('XADD', KEYS[1], '*', unpack(ARGV, at + 1, last))
  at = last + 1
end
"""
TOPICS_AT_ONCE = 1_500  # Lua's stack holds 8,000 values
VALUES_AT_ONCE = 2_000
DEAD_LETTER_CHARACTERS = 4_096  # of an entry; an oversized one is not kept whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Lengths and lifetimes (s) of what is left in Redis."""

    raw_ticks: int
    raw_ticks_expiry: int
    computed_data: int
    cache_expiry: int
    output_entries: int
    output_bytes: int  # of one output stream, about
    latest_expiry: int
    dead_letters: int


@dataclass(slots=True)
class Acknowledged:
    """What the server said: for each stream the newest entry ever removed, and how many ever were."""

    removed: dict[str, tuple[EntryId, int]] = field(default_factory=dict)


class Effects:
    def __init__(
        self,
        client: "redis.Redis",
        ownership: Ownership,
        *,
        group: str,
        names: Names,
        limits: Limits,
        write_back: bool,
    ) -> None:
        self.client = client
        self.ownership = ownership
        self.group = group
        self.names = names
        self.limits = limits
        self.write_back = write_back
        self._entry_bytes: dict[str, float] = {}  # by underlying: a moving average

    def commit(
        self, entries: Sequence[StreamEntry], frame: Frame, rejected: Sequence[Rejected], owned: Iterable[str]
    ) -> Acknowledged:
        """Leave the frame's effects and acknowledge `entries`, all or nothing, if the streams of both are ours.

        Raises LeaseLost, and redis.RedisError; after either nothing is certain but that it is all or nothing.
        """
        by_stream: dict[str, list[StreamEntry]] = {}
        for entry in entries:
            by_stream.setdefault(entry[0], []).append(entry)
        with self.client.pipeline(transaction=True) as pipeline:
            self.ownership.watch(pipeline, {*by_stream, *owned})
            pipeline.multi()
            self._leave_lists(pipeline, frame)
            for underlying, topics in frame.topics.items():
                self._publish(pipeline, underlying, topics)
            self._leave_dead_letters(pipeline, rejected)
            if self.write_back:
                self._write_back(pipeline, frame, by_stream)
            for stream, read in by_stream.items():
                pipeline.execute_command("XACK", stream, self.group, *(entry_id for _, entry_id, _ in read))
            for stream in by_stream:
                pipeline.xinfo_stream(stream)
            answers = pipeline.execute()
        infos = answers[-len(by_stream) :] if by_stream else []
        return Acknowledged(
            {
                stream: (parse_id(info["max-deleted-entry-id"]), info["entries-added"] - info["length"])
                for stream, info in zip(by_stream, infos, strict=True)
            }
        )

    def _leave_lists(self, pipeline: Any, frame: Frame) -> None:
        limits = self.limits
        self._push(pipeline, frame.raw, self.names.raw_ticks, limits.raw_ticks, limits.raw_ticks_expiry)
        self._push(pipeline, frame.computed, self.names.computed_data, limits.computed_data, limits.cache_expiry)

    def _push(
        self, pipeline: Any, values: Mapping[str, Sequence[bytes]], name: Any, length: int, lifetime: int
    ) -> None:
        if not values:
            return
        arguments: list[Any] = [length, lifetime]
        keys = []
        for what, each in values.items():
            for begin in range(0, len(each), VALUES_AT_ONCE):
                some = each[begin : begin + VALUES_AT_ONCE]
                keys.append(name(what))
                arguments.append(len(some))
                arguments += some
        pipeline.eval(_LISTS, len(keys), *keys, *arguments)

    def _publish(self, pipeline: Any, underlying: str, topics: Mapping[str, bytes]) -> None:
        names, limits = self.names, self.limits
        keys = (names.output_stream(underlying), names.latest(underlying), names.latest_seq(underlying))
        waiting = iter(topics.items())
        while some := list(islice(waiting, TOPICS_AT_ONCE)):
            size = sum(len(topic) + len(state) for topic, state in some)
            mean = self._entry_bytes.get(underlying, size)
            self._entry_bytes[underlying] = mean = 0.98 * mean + 0.02 * size
            length = max(min(limits.output_entries, int(limits.output_bytes / mean)), 1)
            pipeline.eval(_PUBLISH, 3, *keys, length, limits.latest_expiry, *(part for pair in some for part in pair))

    def _leave_dead_letters(self, pipeline: Any, rejected: Sequence[Rejected]) -> None:
        for each in rejected:
            entry = dict(zip(each.entry[::2], each.entry[1::2], strict=False))
            readable = orjson.dumps({_printable(name): _printable(value) for name, value in entry.items()})
            fields = {
                "stream": tick_stream(each.underlying),
                "entry_id": each.entry_id,
                "reason": str(each.reason),
                "detail": _printable(each.detail),
                "entry": readable[:DEAD_LETTER_CHARACTERS],
            }
            pipeline.xadd(self.names.dead_letters, fields, maxlen=self.limits.dead_letters, approximate=True)

    def _write_back(self, pipeline: Any, frame: Frame, by_stream: Mapping[str, Sequence[StreamEntry]]) -> None:
        """A copy of each accepted tick, in the form it came in, with the state P: our own group skips those."""
        accepted = {(tick.stream, tick.entry_id) for tick in frame.ticks}
        for stream, read in by_stream.items():
            underlying = stream.removeprefix(tick_stream(""))
            arguments: list[Any] = []
            for _, entry_id, entry in read:
                if (underlying, entry_id) in accepted:
                    copy = processed(entry)
                    arguments.append(len(copy))
                    arguments += copy
            if arguments:
                pipeline.eval(_APPEND, 1, stream, *arguments)


def processed(entry: Sequence[str]) -> list[Any]:
    """The entry's names and values with the state P."""
    copy: list[Any] = list(entry)
    names = copy[::2]
    if "state" in names:
        copy[2 * names.index("state") + 1] = PROCESSED
    elif "data" in names and "instrument_key" not in names:
        place = 2 * names.index("data") + 1
        copy[place] = orjson.dumps({**orjson.loads(copy[place]), "state": PROCESSED})
    else:
        copy += ["state", PROCESSED]
    return copy


def _printable(text: str) -> str:
    """What was not UTF-8 is shown as escapes."""
    return text[:DEAD_LETTER_CHARACTERS].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
