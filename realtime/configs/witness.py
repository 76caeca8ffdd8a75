"""Notice that Redis has lost what we wrote: it was flushed, or restarted from an older state or from none."""

import secrets
from typing import Any

from realtime.configs.lease import Lease
from realtime.configs.transactions import commit
from realtime.consumer_groups import Redis

KEY = "config_witness"


class Witness:
    """A key beside those of the configurations. If it is not as we left it, theirs may not be either."""

    def __init__(self, client: Redis, lease: Lease) -> None:
        self.client = client
        self.lease = lease
        self._left: tuple[str, str] | None = None  # the key's text, and the server's run

    def misses(self) -> bool:
        """Return whether something may be lost. True until the first `mark`."""
        return self._left is None or self._read() != self._left

    def mark(self) -> None:
        """Say that all keys are right at this moment. Raises LeaseLost and redis.RedisError."""
        text = secrets.token_hex(8)

        def fill(pipeline: Any) -> None:
            pipeline.set(KEY, text)

        for answer in commit(self.client, self.lease, fill):
            if isinstance(answer, Exception):
                raise answer
        self._left = (text, self._read()[1])

    def _read(self) -> tuple[str | None, str]:
        held = self.client.mget([KEY])[0]  # None for a key of another type too
        return held, str(self.client.info("server")["run_id"])
