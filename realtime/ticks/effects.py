"""The effects of a micro-batch in Redis and its acknowledgement, in one transaction.

The transaction uses plain commands, few and large. A script copies and hashes every value in Lua, which costs more of
the server's time than the writing itself. Only for many small commands a script is faster: see _APPEND.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import redis

from realtime.consumer_groups import Redis, StreamEntry, removed
from realtime.core.entry_ids import EntryId, format_id, parse_id
from realtime.core.names import Names
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.dead_letters import DeadLetter
from realtime.ticks.core.failed_commands import failed_keys
from realtime.ticks.core.outputs import outputs_of
from realtime.ticks.core.processed_copies import processed
from realtime.ticks.options import Limits
from realtime.ticks.ownership import Ownership
from timeframes.core.tick_stream import tick_stream

TRIM_SLACK = 1.25
"""A list may grow to this multiple of its length before it is cut, so that most pushes are one command."""
# KEYS: a stream. ARGV: a list of entries, each a list of names and values, as MessagePack: sending an argument for each
# name and value takes ten times as long. The script is sent as text: after a restart the server does not know a digest,
# so the command would fail inside the transaction while the acknowledgement succeeds.
_APPEND = """
for _, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  redis.call('XADD', KEYS[1], '*', unpack(entry))
end
"""
SCRIPT_VALUES = 4_000  # names and values of an entry that fit on a script's stack
ENTRY_BYTES = 48 << 10
"""Larger entries are split: the server grows an entry field by field, at five times the cost beyond 100 kB."""


@dataclass(frozen=True, slots=True)
class Push:
    """A push to the end of a list."""

    key: str
    length: int  # allowed
    lifetime: int  # seconds
    renewed: bool  # the lifetime starts again
    cut: bool


@dataclass(frozen=True, slots=True)
class Committed:
    """The server's answers to a transaction."""

    removed: dict[str, tuple[EntryId, int]]  # by stream: the oldest entry left, and how many were ever removed
    failed: dict[str, str]  # by key: why its commands failed, such as a wrong type; all others are done


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
        """Drop everything remembered about the keys in Redis: it may be wrong."""
        self._entry_bytes: dict[str, float] = {}  # by output stream: a moving average
        self._last_ids: dict[str, EntryId] = {}  # by output stream: its newest entry
        self._renewals: dict[str, float] = {}  # by list: when to renew its lifetime
        self._sizes: dict[str, int] = {}  # by list, after its last push; a list of unknown size is cut

    def commit(
        self,
        entries: Sequence[StreamEntry],
        result: CycleResult,
        dead_letters: Sequence[DeadLetter],
        owned: Iterable[str],
    ) -> Committed:
        """Write the result's effects and acknowledge `entries`, all or nothing, if we own the streams of both.

        Raises LeaseLost or redis.RedisError. After a RedisError the transaction may have been done or not. A key of
        the wrong type is the exception to all or nothing: the server skips the commands at that key.
        """
        by_stream: dict[str, list[StreamEntry]] = {}
        for entry in entries:
            by_stream.setdefault(entry[0], []).append(entry)
        ours = {*by_stream, *owned}
        # A pair without an exchange has ticks in several streams, and so perhaps several consumers.
        names = self.names
        outputs = [*outputs_of(names, result.topics)]
        outputs += [(each, names.bars_output(each), rounds) for each, rounds in result.bars.items()]
        outputs += [(each, names.indicators_output(each), rounds) for each, rounds in result.indicators.items()]
        outputs += [(each, names.output(each), rounds) for each, rounds in result.results.items()]
        shared = {stream for each, (stream, *_), _ in outputs if tick_stream(each) not in ours}
        for stream in {stream for _, (stream, *_), _ in outputs} - self._last_ids.keys() - shared:
            self._last_ids[stream] = self._newest_id(stream)
        with self.client.pipeline(transaction=True) as pipeline:
            while True:
                try:
                    self.ownership.watch(pipeline, ours)
                    for stream in shared:
                        pipeline.watch(stream)
                        self._last_ids[stream] = self._newest_id(stream)
                    pipeline.multi()
                    pushed = self._push_lists(pipeline, result)
                    for _, output, rounds in outputs:
                        self._publish(pipeline, output, rounds)
                    self._write_results(pipeline, result)
                    self._write_dead_letters(pipeline, dead_letters)
                    if self.write_back:
                        self._write_back(pipeline, result, by_stream)
                    for stream, read in by_stream.items():
                        pipeline.execute_command("XACK", stream, self.group, *(entry_id for _, entry_id, _ in read))
                    for stream in by_stream:
                        pipeline.xinfo_stream(stream)
                    commands = [command for command, _ in pipeline.command_stack]
                    # Raises only if the server refuses the whole transaction, such as for lack of memory.
                    answers = pipeline.execute(raise_on_error=False)
                    break
                except redis.WatchError as error:
                    # The library raises this for a lost answer too, but then the transaction may have been done.
                    if isinstance(error.__context__, redis.ConnectionError | redis.TimeoutError):
                        raise error.__context__ from None
                    continue  # our own heartbeat renewed the lease meanwhile, or another took it
        failed = failed_keys(commands, answers)
        if failed:
            self.forget()
        else:
            self._remember(pushed, answers)
        infos = zip(by_stream, answers[-len(by_stream) :], strict=True) if by_stream else ()
        return Committed({stream: removed(info) for stream, info in infos if stream not in failed}, failed)

    def _push_lists(self, pipeline: Any, result: CycleResult) -> list[Push]:
        """Append to the lists, newest last. Cut them and renew their lifetimes only when it is time.

        A list of unknown size is cut: the consumer before us may have died before cutting it.
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

    def _newest_id(self, stream: str) -> EntryId:
        try:
            newest = self.client.xrevrange(stream, count=1)
        except redis.ResponseError:  # not a stream: writing to it fails too, and `commit` reports that
            return 0, 0
        return parse_id(newest[0][0]) if newest else (0, 0)

    def _publish(self, pipeline: Any, output: tuple[str, str, str], rounds: Sequence[Mapping[str, bytes]]) -> None:
        """Append to an output stream and update its newest states. Only we write to the stream and choose its IDs.

        `output`: the stream and its two hashes (`Names.output`). `rounds`: states by topic; a later round has newer
        ones.
        """
        (stream, latest, latest_seq), lifetime = output, self.limits.latest_expiry
        ids: list[str] = []
        for some in (portion for topics in rounds for portion in _portions(topics)):
            size = sum(map(len, some))
            mean = self._entry_bytes.get(stream, size)
            self._entry_bytes[stream] = mean = 0.98 * mean + 0.02 * size
            length = max(min(self.limits.output_entries, int(self.limits.output_bytes / mean)), 1)
            text = self._next_id(stream)
            pipeline.execute_command("XADD", stream, "MAXLEN", "~", length, text, *some)
            pipeline.execute_command("HSET", latest, *some)
            for topic in some[::2]:
                ids += (topic, text)
        pipeline.execute_command("HSET", latest_seq, *ids)
        pipeline.execute_command("EXPIRE", latest, lifetime)
        pipeline.execute_command("EXPIRE", latest_seq, lifetime)

    def _write_results(self, pipeline: Any, result: CycleResult) -> None:
        """Set strings, and take the waiting results that are published from their lists."""
        for strings in result.ta_results.values():
            for key, value in strings.items():
                pipeline.execute_command("SET", key, value, "EX", self.limits.cache_expiry)
        for underlying, count in result.drained.items():
            pipeline.execute_command("LTRIM", self.names.waiting_results(underlying), count, -1)

    def _next_id(self, stream: str) -> str:
        milliseconds, number = self._last_ids[stream]
        now = int(self.clock() * 1000)
        self._last_ids[stream] = (now, 0) if now > milliseconds else (milliseconds, number + 1)
        return format_id(self._last_ids[stream])

    def _write_dead_letters(self, pipeline: Any, dead_letters: Sequence[DeadLetter]) -> None:
        for each in dead_letters:
            pipeline.xadd(self.names.dead_letters, each.fields(), maxlen=self.limits.dead_letters, approximate=True)

    def _write_back(self, pipeline: Any, result: CycleResult, by_stream: Mapping[str, Sequence[StreamEntry]]) -> None:
        """Append a copy of each accepted tick, in its own form, with the state P. Our consumer group skips copies."""
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
    """Yield topics and states in turn, in lists of about ENTRY_BYTES."""
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
