"""Who should own which stream: the same number for everyone, and as few moves as possible."""

from collections.abc import Mapping
from zlib import crc32


def share_streams(owners: Mapping[str, str | None], me: str, consumers: int) -> tuple[list[str], list[str]]:
    """(streams to try to take, streams to give back) for one of so many `consumers` that all reckon like this.

    `owners`: each stream's owner, None for nobody. Nothing is left over: together the shares are at least all streams.
    """
    share = -(-len(owners) // max(consumers, 1))
    mine = sorted(stream for stream, owner in owners.items() if owner == me)
    free = sorted(stream for stream, owner in owners.items() if owner is None)
    return free[: max(share - len(mine), 0)], mine[share:]


def in_shard(stream: str, shard: int, shards: int) -> bool:
    """Whether a stream is of part `shard` (from 0) of `shards`; the same on every machine."""
    return crc32(stream.encode(errors="surrogateescape")) % shards == shard
