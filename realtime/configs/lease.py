"""One consumer at a time keeps configurations and writes what depends on them: it holds a lease in Redis.

The lease decides who works. What makes a consumer harmless that was suspended beyond its lease is the transaction: in
Redis it fails once the lease is lost, in PostgreSQL it finds the position moved on (`keeping`).
"""

import logging
import secrets
import time

from realtime.consumer_groups import Redis

logger = logging.getLogger(__name__)

# KEYS: the lease. ARGV: our token, milliseconds. Returns 1 if it is ours, 0 if another's, -1 if the key is no lease.
_TAKE = """
local owner = redis.pcall('GET', KEYS[1])
if type(owner) == 'table' then return -1 end
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RENEW = """
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = "if redis.pcall('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class LeaseLost(Exception):
    """Another consumer holds the lease, or nobody does. Nothing was written."""


class Lease:
    """`seconds`: how long it lasts unless it is renewed."""

    def __init__(self, client: Redis, key: str, *, name: str, seconds: float) -> None:
        self.client = client
        self.key = key
        self.token = f"{name}:{secrets.token_hex(6)}"
        self.seconds = seconds
        self._told = False
        self._renewed = 0.0

    def take(self) -> bool:
        """Take the lease if it is free. Return whether it is ours."""
        self._renewed = time.monotonic()
        answer = self.client.eval(_TAKE, 1, self.key, self.token, int(self.seconds * 1000))
        if answer < 0 and not self._told:
            logger.error("%s holds no lease: delete it; no configuration is kept until then", self.key)
        self._told = answer < 0
        return bool(answer == 1)

    def renew(self) -> None:
        """Renew the lease where a third of it has passed: call it in everything that may take long.

        Raises LeaseLost even if it is free again: another consumer may have held it meanwhile.
        """
        now = time.monotonic()
        if now - self._renewed < self.seconds / 3:
            return
        self._renewed = now
        if self.client.eval(_RENEW, 1, self.key, self.token, int(self.seconds * 1000)) != 1:
            raise LeaseLost(f"{self.token} has lost {self.key}")

    def watch(self, pipeline: Redis) -> None:
        """Make the pipeline's transaction fail if the lease stops being ours. Raises LeaseLost."""
        pipeline.watch(self.key)
        if pipeline.get(self.key) != self.token:
            raise LeaseLost(f"{self.token} has lost {self.key}")

    def release(self) -> None:
        self.client.eval(_RELEASE, 1, self.key, self.token)
