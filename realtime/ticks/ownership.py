"""One consumer owns a stream at a time: leases in Redis that run out when their holder does not renew them.

Everything written on behalf of a stream is written in a transaction that holds only while the lease is ours, so a
consumer that was paused beyond its lease changes nothing.
"""

import hashlib
import logging
import secrets
from collections.abc import Collection, Iterable
from typing import Any

from realtime.ticks.core.stream_assignment import share_streams
from realtime.ticks.streams import Redis

logger = logging.getLogger(__name__)

# A member is a consumer that lives; those that choose from the same streams share them.
# KEYS: the members, then a lease for each stream. Returns how many members there are, and each stream's owner, or 0
# where somebody has put something else at the key.
_HEARTBEAT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {0}
if type(redis.pcall('ZADD', KEYS[1], now, ARGV[1])) == 'number' then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[2] * 10)
  answer[1] = redis.call('ZCARD', KEYS[1])
end
for place = 2, #KEYS do
  local owner = redis.pcall('GET', KEYS[place])
  if owner == ARGV[1] then redis.call('PEXPIRE', KEYS[place], ARGV[2]) end
  answer[place] = type(owner) == 'table' and 0 or owner or ''
end
return answer
"""
_RELEASE = "for _, key in ipairs(KEYS) do if redis.pcall('GET', key) == ARGV[1] then redis.call('DEL', key) end end"


class LeaseLost(Exception):
    """Another consumer owns one of the streams, or the lease ran out. Nothing was written."""


class Ownership:
    """`choice`: what the streams were chosen by; `seconds`: how long a lease lasts without its holder."""

    def __init__(self, client: Redis, *, group: str, name: str, choice: str, seconds: float) -> None:
        self.client = client
        self.group = group
        self.token = f"{name}:{secrets.token_hex(6)}"
        self.milliseconds = int(seconds * 1000)
        self.barred: set[str] = set()  # streams whose lease nobody can take: its key holds something else
        self.members = f"tick_consumers:{group}:{hashlib.blake2b(choice.encode(), digest_size=6).hexdigest()}"

    def lease(self, stream: str) -> str:
        return f"tick_owner:{self.group}:{stream}"

    def settle(self, streams: Iterable[str], held: Collection[str]) -> tuple[set[str], list[str]]:
        """Renew what is ours and take our share of what is free: (streams owned now, those to give back).

        What is to be given back stays ours until `release`. Raises LeaseLost when one of those `held` is no longer
        ours, though it be free: another may have had it meanwhile.
        """
        consumers, owners = self.renew({*streams, *held})
        if lost := [stream for stream in held if owners.get(stream) != self.token]:
            raise LeaseLost(f"lost {', '.join(sorted(lost))}")
        take, give = share_streams(owners, self.token, consumers)
        owned = {stream for stream, owner in owners.items() if owner == self.token}
        for stream in take:
            if self.client.set(self.lease(stream), self.token, nx=True, px=self.milliseconds):
                owned.add(stream)
        return owned, give

    def renew(self, streams: Iterable[str]) -> tuple[int, dict[str, str | None]]:
        """Show that we live, and renew what is ours: (consumers alive, each stream's owner).

        Streams that are barred are left out. Where the members' own key is, nobody knows how many live: each consumer
        takes what is free and gives nothing back.
        """
        wanted = sorted(streams)
        answer: Any = self.client.eval(
            _HEARTBEAT, len(wanted) + 1, self.members, *map(self.lease, wanted), self.token, self.milliseconds
        )
        if not answer[0]:
            logger.error("%s holds something else: delete it, or streams are not shared evenly", self.members)
        owners = dict(zip(wanted, answer[1:], strict=True))
        self.barred = {stream for stream, owner in owners.items() if owner == 0}
        return int(answer[0]), {stream: owner or None for stream, owner in owners.items() if owner != 0}

    def release(self, streams: Iterable[str]) -> None:
        leases = [self.lease(stream) for stream in streams]
        if leases:
            self.client.eval(_RELEASE, len(leases), *leases, self.token)

    def leave(self, streams: Iterable[str]) -> None:
        """Give everything back, so that others need not wait for the leases to run out."""
        self.release(streams)
        self.client.zrem(self.members, self.token)

    def watch(self, pipeline: Redis, streams: Iterable[str]) -> None:
        """Make the pipeline's transaction hold only while all these streams are ours. Raises LeaseLost."""
        leases = [self.lease(stream) for stream in streams]
        if not leases:
            return
        pipeline.watch(*leases)
        if any(owner != self.token for owner in pipeline.mget(leases)):
            raise LeaseLost(f"{self.token} has lost one of {', '.join(streams)}")
