"""What a micro-batch leaves in Redis, and its acknowledgement, in one transaction.

Plain commands, as few and large as can be: a script has every value copied and hashed by Lua, which for large values
takes more of the server's time than all the writing. Many small commands are another matter: see _APPEND.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
import redis

from realtime.core.entry_ids import EntryId, format_id, parse_id
from realtime.core.names import Names
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.decoding import DeadLetter
from realtime.ticks.core.failed_commands import failed_keys
from realtime.ticks.core.tick import PROCESSED
from realtime.ticks.ownership import Ownership
from realtime.ticks.streams import Redis, StreamEntry, removed
from timeframes.core.tick_stream import tick_stream

TRIM_SLACK = 1.25
"""A list may grow to so many times its length before it is cut, so that most pushes are one command."""
# KEYS: a stream. ARGV: a list of entries, each a list of names and values, as MessagePack: an argument for each name
# and value would take ten times as long to send. The script goes as text, not by digest: a digest that a restarted
# server does not know would fail inside the transaction, and the acknowledgement beside it would hold.
_APPEND = """
for _, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  redis.call('XADD', KEYS[1], '*', unpack(entry))
end
"""
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])  # values as they stand: no double can hold some
SCRIPT_VALUES = 4_000  # names and values of an entry that fit on a script's stack, with room to spare
ENTRY_BYTES = 48 << 10
"""A larger entry is split: the server grows an entry field by field, which costs five times as much beyond 100 kB."""
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


@dataclass(frozen=True, slots=True)
class Push:
    """Values at the end of a list: the length it is allowed, its lifetime (s), whether that begins anew, and whether
    the list is cut."""

    key: str
    length: int
    lifetime: int
    renewed: bool
    cut: bool


@dataclass(frozen=True, slots=True)
class Left:
    """What the server says after a transaction."""

    removed: dict[str, tuple[EntryId, int]]  # by stream: the oldest entry left, and how many ever were removed
    failed: dict[str, str]  # by key: why its commands failed, such as for the key's type; all the others are done


class Effects:
    def __init__(
        self,
        client: Redis,
        ownership: Ownership,
        *,
        group: str,
        names: Names,
        limits: Limits,
        write_back: bool,
        clock: Callable[[], float],
    ) -> None:
        self.client = client
        self.ownership = ownership
        self.group = group
        self.names = names
        self.limits = limits
        self.write_back = write_back
        self.clock = clock
        self.forget()

    def forget(self) -> None:
        """Whatever we believed about what is in Redis may be wrong."""
        self._entry_bytes: dict[str, float] = {}  # by underlying: a moving average
        self._last_ids: dict[str, EntryId] = {}  # by underlying: of the output stream
        self._renewals: dict[str, float] = {}  # by list: when it is to be given its lifetime again
        self._sizes: dict[str, int] = {}  # by list, as its last push left it: not known, it is cut

    def commit(
        self, entries: Sequence[StreamEntry], result: CycleResult, rejected: Sequence[DeadLetter], owned: Iterable[str]
    ) -> Left:
        """Leave the result's effects and acknowledge `entries`, all or nothing, if the streams of both are ours.

        Raises LeaseLost, and redis.RedisError; after either nothing is certain but that it is all or nothing. A key
        that holds something else than we write is the exception: the server then does all but the commands at that key.
        """
        by_stream: dict[str, list[StreamEntry]] = {}
        for entry in entries:
            by_stream.setdefault(entry[0], []).append(entry)
        ours = {*by_stream, *owned}
        # A pair on no exchange can be told of from the streams of several, by several consumers.
        shared = {underlying for underlying in result.topics if tick_stream(underlying) not in ours}
        for underlying in result.topics.keys() - self._last_ids.keys() - shared:
            self._last_ids[underlying] = self._newest_id(underlying)
        with self.client.pipeline(transaction=True) as pipeline:
            while True:
                try:
                    self.ownership.watch(pipeline, ours)
                    for underlying in shared:
                        pipeline.watch(self.names.output_stream(underlying))
                        self._last_ids[underlying] = self._newest_id(underlying)
                    pipeline.multi()
                    pushed = self._leave_lists(pipeline, result)
                    for underlying, topics in result.topics.items():
                        self._publish(pipeline, underlying, topics)
                    self._leave_dead_letters(pipeline, rejected)
                    if self.write_back:
                        self._write_back(pipeline, result, by_stream)
                    for stream, read in by_stream.items():
                        pipeline.execute_command("XACK", stream, self.group, *(entry_id for _, entry_id, _ in read))
                    for stream in by_stream:
                        pipeline.xinfo_stream(stream)
                    commands = [command for command, _ in pipeline.command_stack]
                    # Raises for what the server refuses before it does anything, such as for want of memory.
                    answers = pipeline.execute(raise_on_error=False)
                    break
                except redis.WatchError as error:
                    # The library says so of a lost answer too; but then the transaction may have been done.
                    if isinstance(error.__context__, redis.ConnectionError | redis.TimeoutError):
                        raise error.__context__ from None
                    continue  # our own heartbeat renewed the lease meanwhile, or another took it
        failed = failed_keys(commands, answers)
        if failed:
            self.forget()
        else:
            self._remember(pushed, answers)
        infos = zip(by_stream, answers[-len(by_stream) :], strict=True) if by_stream else ()
        return Left({stream: removed(info) for stream, info in infos if stream not in failed}, failed)

    def _leave_lists(self, pipeline: Any, result: CycleResult) -> list[Push]:
        """Newest last. Lists are cut, and their lives renewed, when it is time, not with each push.

        A list of unknown size is cut: whoever wrote it before us may have died before it could.
        """
        limits, now = self.limits, self.clock()
        pushed = []
        for lists, name, length, lifetime in (
            (result.raw, self.names.raw_ticks, limits.raw_ticks, limits.raw_ticks_expiry),
            (result.computed, self.names.computed_data, limits.computed_data, limits.cache_expiry),
        ):
            for what, each in lists.items():
                key = name(what)
                values = each[-length:]
                grown = self._sizes.get(key, TRIM_SLACK * length) + len(values)
                renewed = self._renewals.get(key, 0.0) <= now
                pushed.append(Push(key, length, lifetime, renewed=renewed, cut=grown > TRIM_SLACK * length))
                pipeline.execute_command("RPUSH", key, *values)
        for push in pushed:
            if push.renewed:
                pipeline.execute_command("EXPIRE", push.key, push.lifetime)
            if push.cut:
                pipeline.execute_command("LTRIM", push.key, -push.length, -1)
        return pushed

    def _remember(self, pushed: Sequence[Push], sizes: Sequence[Any]) -> None:
        now = self.clock()
        for push, size in zip(pushed, sizes, strict=False):
            if push.renewed:
                self._renewals[push.key] = now + push.lifetime / 10
            self._sizes[push.key] = min(size, push.length) if push.cut else size

    def _newest_id(self, underlying: str) -> EntryId:
        try:
            newest = self.client.xrevrange(self.names.output_stream(underlying), count=1)
        except redis.ResponseError:  # it is no stream: to write to it fails too, which `commit` tells of
            return 0, 0
        return parse_id(newest[0][0]) if newest else (0, 0)

    def _publish(self, pipeline: Any, underlying: str, topics: Mapping[str, bytes]) -> None:
        """We alone write to the stream, so that we can give its entries their IDs, which also go into a hash."""
        names, lifetime = self.names, self.limits.latest_expiry
        stream, latest, latest_seq = (
            name(underlying) for name in (names.output_stream, names.latest, names.latest_seq)
        )
        ids: list[str] = []
        for some in _portions(topics):
            size = sum(map(len, some))
            mean = self._entry_bytes.get(underlying, size)
            self._entry_bytes[underlying] = mean = 0.98 * mean + 0.02 * size
            length = max(min(self.limits.output_entries, int(self.limits.output_bytes / mean)), 1)
            text = self._next_id(underlying)
            pipeline.execute_command("XADD", stream, "MAXLEN", "~", length, text, *some)
            pipeline.execute_command("HSET", latest, *some)
            for topic in some[::2]:
                ids += (topic, text)
        pipeline.execute_command("HSET", latest_seq, *ids)
        pipeline.execute_command("EXPIRE", latest, lifetime)
        pipeline.execute_command("EXPIRE", latest_seq, lifetime)

    def _next_id(self, underlying: str) -> str:
        milliseconds, number = self._last_ids[underlying]
        now = int(self.clock() * 1000)
        self._last_ids[underlying] = (now, 0) if now > milliseconds else (milliseconds, number + 1)
        return format_id(self._last_ids[underlying])

    def _leave_dead_letters(self, pipeline: Any, rejected: Sequence[DeadLetter]) -> None:
        for each in rejected:
            entry = dict(zip(each.entry[::2], each.entry[1::2], strict=False))
            readable = orjson.dumps({_printable(name): _printable(value) for name, value in entry.items()})
            fields = {
                "stream": each.stream,
                "entry_id": each.entry_id,
                "reason": str(each.reason),
                "detail": _printable(each.detail),
                "entry": readable[:DEAD_LETTER_CHARACTERS],
            }
            pipeline.xadd(self.names.dead_letters, fields, maxlen=self.limits.dead_letters, approximate=True)

    def _write_back(self, pipeline: Any, result: CycleResult, by_stream: Mapping[str, Sequence[StreamEntry]]) -> None:
        """A copy of each accepted tick, in the form it came in, with the state P: our own group skips those."""
        accepted = {(tick.stream, tick.entry_id) for tick in result.ticks}
        for stream, read in by_stream.items():
            copies = [processed(entry) for _, entry_id, entry in read if (stream, entry_id) in accepted]
            many = [copy for copy in copies if len(copy) <= SCRIPT_VALUES]
            if many:
                pipeline.execute_command("EVAL", _APPEND, 1, stream, msgspec.msgpack.encode(many))
            for copy in copies:
                if len(copy) > SCRIPT_VALUES:
                    pipeline.execute_command("XADD", stream, "*", *copy)


def _portions(topics: Mapping[str, bytes]) -> Iterator[list[Any]]:
    """Topics and states in turn, in lists of about ENTRY_BYTES."""
    portion: list[Any] = []
    size = 0
    for pair in topics.items():
        portion += pair
        size += len(pair[0]) + len(pair[1])
        if size >= ENTRY_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def processed(entry: Sequence[str]) -> list[str]:
    """The entry's names and values with the state P, which comes last: so that copies are known at a glance."""
    if entry[-2] == "state":
        return [*entry[:-1], PROCESSED]
    if "data" in entry[::2] and "instrument_key" not in entry[::2] and "state" not in entry[::2]:
        place = 2 * entry[::2].index("data") + 1
        data = msgspec.json.encode({**_MEMBERS.decode(entry[place]), "state": PROCESSED}).decode()
        return [*entry[:place], data, *entry[place + 1 :]]
    named = dict(zip(entry[::2], entry[1::2], strict=True))
    named.pop("state", None)
    return [*(part for pair in named.items() for part in pair), "state", PROCESSED]


def _printable(text: str) -> str:
    """What was not UTF-8 is shown as escapes."""
    return text[:DEAD_LETTER_CHARACTERS].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
