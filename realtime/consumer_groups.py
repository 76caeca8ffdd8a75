"""Streams in Redis: read them as a consumer group, claim pending entries, trim them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from django.conf import settings
from redis.connection import HiredisRespSerializer

from realtime.core.entry_ids import EntryId, after, format_id, parse_id

Redis = Any
"""A redis.Redis or pipeline. The library's annotations mix plain and awaitable results, so they are not used."""
StreamEntry = tuple[str, str, Sequence[str]]  # stream, entry ID, names and values in turn


class _Packer(HiredisRespSerializer):
    """Sends surrogates as the bytes that they were read from: hiredis knows no `encoding_errors`."""

    def pack(self, *args: Any) -> list[bytes]:
        try:
            return super().pack(*args)
        except UnicodeEncodeError:
            sent: list[Any] = [
                each.encode(errors="surrogateescape") if isinstance(each, str) else each for each in args
            ]
            return super().pack(*sent)


def connect(url: str) -> Redis:
    """Return a client whose stream reads skip the library's dictionaries, which halves their time.

    Bytes that are not UTF-8 become surrogates, and these bytes again: they make a bad entry, not a broken reply.
    """
    client = redis.Redis.from_url(
        url,
        decode_responses=True,
        encoding_errors="surrogateescape",
        command_packer=_Packer(),
        **settings.STREAM_OPTIONS,
    )
    for command in ("XREADGROUP", "XREAD", "XAUTOCLAIM"):
        client.set_response_callback(command, lambda answer, **options: answer or [])
    return client


@dataclass(frozen=True, slots=True)
class Position:
    """Where a consumer group stands in a stream, and what was removed from it."""

    delivered: EntryId
    first: EntryId  # the oldest entry left
    removed: int  # entries ever removed
    position: int | None  # number of entries ever added up to `delivered`; None: the server does not know
    waiting: int  # entries not acknowledged, delivered or not


def removed(info: Mapping[str, Any]) -> tuple[EntryId, int]:
    """Return, from XINFO STREAM, the oldest entry left (or the ID it would have) and how many were ever removed.

    The server's max-deleted-entry-id covers XDEL only, not trimming.
    """
    oldest = info["first-entry"]
    first = parse_id(oldest[0]) if oldest else after(parse_id(info["last-generated-id"]))
    return first, info["entries-added"] - info["length"]


class ConsumerGroup:
    """One consumer group over streams, seen by one of its consumers."""

    def __init__(self, client: Redis, name: str, consumer: str) -> None:
        self.client = client
        self.name = name
        self.consumer = consumer

    def create(self, stream: str) -> None:
        """Make the group, and the stream, if they are not there; a new group begins with the first entry there is."""
        try:
            self.client.xgroup_create(stream, self.name, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def read(self, streams: Sequence[str], count: int, block_ms: int) -> list[StreamEntry]:
        """New entries of all streams, waiting so long for the first."""
        answer = self.client.execute_command(
            *("XREADGROUP", "GROUP", self.name, self.consumer, "COUNT", count, "BLOCK", max(block_ms, 1)),
            *("STREAMS", *streams, *(">" for _ in streams)),
        )
        return [(stream, entry_id, entry) for stream, entries in answer for entry_id, entry in entries]

    def pending(self, stream: str, idle_ms: int, count: int = 10_000) -> list[tuple[str, int]]:
        """Return (entry ID, deliveries) of entries that were delivered and not acknowledged, oldest first."""
        found = self.client.xpending_range(stream, self.name, "-", "+", count, idle=idle_ms or None)
        return [(row["message_id"], row["times_delivered"]) for row in found]

    def claim(self, stream: str, first: str, count: int, idle_ms: int) -> tuple[list[StreamEntry], int]:
        """Take over `count` pending entries from `first` on. Return them, and how many turned out to be removed."""
        _, entries, removed = self.client.execute_command(
            "XAUTOCLAIM", stream, self.name, self.consumer, idle_ms, first, "COUNT", count
        )
        return [(stream, entry_id, entry) for entry_id, entry in entries], len(removed)

    def position(self, stream: str) -> Position:
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.xinfo_stream(stream)
            pipeline.xinfo_groups(stream)
            info, groups = pipeline.execute()
        mine = next((group for group in groups if group["name"] == self.name), None)
        if mine is None:
            raise redis.ResponseError(f"NOGROUP {self.name} of {stream}")
        first, gone = removed(info)
        lag = mine["lag"]
        position = mine["entries-read"]
        if mine["last-delivered-id"] == info["last-generated-id"]:
            position = info["entries-added"]
        elif mine["last-delivered-id"] == "0-0":  # a new group: entries removed before it existed are not lost
            position = gone
        return Position(
            delivered=parse_id(mine["last-delivered-id"]),
            first=first,
            removed=gone,
            position=position,
            waiting=mine["pending"] + (info["length"] if lag is None else lag),
        )

    def forget_consumers(self, stream: str, idle_ms: int) -> None:
        """Remove consumers without pending entries that have been idle for so long."""
        for row in self.client.xinfo_consumers(stream, self.name):
            if row["pending"] == 0 and row["idle"] > idle_ms and row["name"] != self.consumer:
                self.client.xgroup_delconsumer(stream, self.name, row["name"])


def runs(pending: Sequence[tuple[str, int]], suspicious: int, most: int) -> Iterator[tuple[str, int, int]]:
    """Yield (first ID, count, deliveries) of entries to claim together, those delivered `suspicious` times alone."""
    begin = 0
    while begin < len(pending):
        end = begin + 1
        if pending[begin][1] < suspicious:
            while end < len(pending) and end - begin < most and pending[end][1] < suspicious:
                end += 1
        yield pending[begin][0], end - begin, pending[begin][1]
        begin = end


def trim(client: Redis, stream: str, *, keep_ms: int, keep_entries: int) -> int:
    """Remove old entries that every group has acknowledged, and return how many.

    Trimming goes by time, never by length, which could overtake a group. If the stream is longer than `keep_entries`,
    the time is shortened so that about as many are left.
    """
    with client.pipeline(transaction=True) as pipeline:
        pipeline.xinfo_stream(stream)
        pipeline.xinfo_groups(stream)
        info, groups = pipeline.execute()
    if not groups or not info["length"]:
        return 0
    bounds = [_oldest_needed(client, stream, group) for group in groups]
    first, last = parse_id(info["first-entry"][0])[0], parse_id(info["last-generated-id"])[0]
    kept = keep_ms if info["length"] <= keep_entries else min(keep_ms, (last - first) * keep_entries // info["length"])
    now = client.time()
    bounds.append((int(now[0] * 1000 + now[1] // 1000) - kept, 0))
    return int(client.xtrim(stream, minid=format_id(min(bounds)), approximate=True))


def _oldest_needed(client: Redis, stream: str, group: dict[str, Any]) -> EntryId:
    if group["pending"]:
        return parse_id(client.xpending(stream, group["name"])["min"])
    return after(parse_id(group["last-delivered-id"]))


def tail(client: Redis, positions: dict[str, str]) -> tuple[list[StreamEntry], dict[str, redis.ResponseError]]:
    """Read streams of other consumers, without a group. Return entries, and the error of each unreadable stream.

    `positions` is updated. Each stream has its own command, so that one of a wrong type hides no other.
    """
    found: list[StreamEntry] = []
    failed: dict[str, redis.ResponseError] = {}
    if not positions:
        return found, failed
    with client.pipeline(transaction=False) as pipeline:
        for stream, position in positions.items():
            pipeline.execute_command("XREAD", "COUNT", 1000, "STREAMS", stream, position)
        answers = pipeline.execute(raise_on_error=False)
    for stream, answer in zip(tuple(positions), answers, strict=True):
        if isinstance(answer, redis.ResponseError):
            failed[stream] = answer
            continue
        for _, entries in answer:
            positions[stream] = entries[-1][0]
            found += ((stream, entry_id, entry) for entry_id, entry in entries)
    return found, failed
