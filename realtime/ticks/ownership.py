"""One consumer owns a stream at a time: it holds a lease in Redis, which expires unless renewed.

All writes for a stream go through a transaction that fails once the lease is lost, so a consumer that was suspended
beyond its lease changes nothing.
"""

import hashlib
import logging
import secrets
from collections.abc import Collection, Iterable
from typing import Any

from realtime.consumer_groups import Redis
from realtime.core.names import Names
from realtime.ticks.core.stream_assignment import share_streams

logger = logging.getLogger(__name__)

# A member is a live consumer; members that choose from the same streams share them.
# KEYS: the members, then a lease for each stream. Returns the number of members and each stream's owner, or 0 if its
# key holds something other than a lease.
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
    """Another consumer owns one of the streams, or the lease has expired. Nothing was written."""


class Ownership:
    """`choice`: how the streams are chosen, in words; `seconds`: the length of a lease."""

    def __init__(self, client: Redis, *, group: str, name: str, choice: str, seconds: float) -> None:
        self.client = client
        self.group = group
        self.token = f"{name}:{secrets.token_hex(6)}"
        self.milliseconds = int(seconds * 1000)
        self.barred: set[str] = set()  # streams whose lease key holds something else, so nobody can take them
        self.members = f"tick_consumers:{group}:{hashlib.blake2b(choice.encode(), digest_size=6).hexdigest()}"

    def lease(self, stream: str) -> str:
        return Names(group=self.group).owner(stream)

    def settle(self, streams: Iterable[str], held: Collection[str]) -> tuple[set[str], list[str]]:
        """Renew our leases and take our share of the free streams. Return the streams owned and those to give back.

        A stream to give back stays ours until `release`. Raises LeaseLost if one of those `held` is no longer ours,
        even if it is free: another consumer may have owned it meanwhile.
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
        """Show that we are alive and renew our leases. Return the number of live consumers and each stream's owner.

        Barred streams are left out. If the members' own key is barred, the number is unknown: each consumer then takes
        what is free and gives nothing back.
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
        """Give everything back, so that others need not wait until the leases expire."""
        self.release(streams)
        self.client.zrem(self.members, self.token)

    def watch(self, pipeline: Redis, streams: Iterable[str]) -> None:
        """Make the pipeline's transaction fail if one of these streams stops being ours. Raises LeaseLost."""
        leases = [self.lease(stream) for stream in streams]
        if not leases:
            return
        pipeline.watch(*leases)
        if any(owner != self.token for owner in pipeline.mget(leases)):
            raise LeaseLost(f"{self.token} has lost one of {', '.join(streams)}")
