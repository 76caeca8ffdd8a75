"""Share streams evenly among consumers, with as few moves as possible."""

from collections.abc import Mapping
from zlib import crc32


def share_streams(owners: Mapping[str, str | None], me: str, consumers: int) -> tuple[list[str], list[str]]:
    """Return the streams that `me` should try to take, and those to give back.

    `owners`: each stream's owner, None for a free one. `consumers`: how many share by this rule. Their shares add up to
    all streams at least, so none stays free.
    """
    share = -(-len(owners) // max(consumers, 1))
    mine = sorted(stream for stream, owner in owners.items() if owner == me)
    free = sorted(stream for stream, owner in owners.items() if owner is None)
    return free[: max(share - len(mine), 0)], mine[share:]


def in_shard(stream: str, shard: int, shards: int) -> bool:
    """Return whether the stream is in shard `shard`, counted from 0, of `shards`. All machines agree."""
    return crc32(stream.encode(errors="surrogateescape")) % shards == shard
