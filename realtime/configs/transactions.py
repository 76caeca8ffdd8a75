"""Transactions in Redis that only the holder of the lease can finish."""

from collections.abc import Callable, Sequence
from typing import Any

import redis

from realtime.configs.lease import Lease, LeaseLost
from realtime.consumer_groups import Redis


def commit(client: Redis, lease: Lease, fill: Callable[[Any], None], *, streams: Sequence[str] = ()) -> list[Any]:
    """Run one MULTI with what `fill` adds. Return the answers: an exception where a key has the wrong type.

    `streams`: keys that must be streams or absent; otherwise nothing is done, since Redis does not roll back. Raises
    LeaseLost, redis.ResponseError for such a key, and redis.RedisError.
    """
    lease.renew()
    with client.pipeline(transaction=True) as pipeline:
        lease.watch(pipeline)
        for key in streams:
            pipeline.watch(key)
            if (kind := pipeline.type(key)) not in ("stream", "none"):
                raise redis.ResponseError(f"WRONGTYPE {key} is a {kind} and no stream: delete it")
        pipeline.multi()
        fill(pipeline)
        try:
            return list(pipeline.execute(raise_on_error=False))
        except redis.WatchError as error:
            # The library raises this for a lost answer too.
            if isinstance(error.__context__, redis.ConnectionError | redis.TimeoutError):
                raise error.__context__ from None
            raise LeaseLost(f"{lease.token} has lost {lease.key}, or another has written to its streams") from None
