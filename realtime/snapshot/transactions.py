"""Transactions of reads over one connection of redis-py.

A pipeline of redis.asyncio does the same at several times the processor time: for each transaction it takes the
connection from its pool and asks whether it still works, packs commands in Python, and starts a task and many timers.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import hiredis
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError

MULTI, EXEC = (hiredis.pack_command((name,)) for name in ("MULTI", "EXEC"))


class Transactions:
    """Runs one transaction at a time. `seconds`: for each, with its connection."""

    def __init__(self, url: str, options: dict[str, Any], seconds: float) -> None:
        # Connecting retries once if the connection was closed, but not if Redis hangs: other readers wait behind it.
        retry = Retry(NoBackoff(), 1, supported_errors=(ConnectionError,))
        # Without a time limit of its own for each write and read: `seconds` limits all of them.
        pool: Any = ConnectionPool.from_url(url, **{**options, "socket_timeout": None}, retry=retry)
        self._connection: AbstractConnection = pool.make_connection()
        self._seconds = seconds

    async def close(self) -> None:
        await self._connection.disconnect(nowait=True)

    async def run(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """Return the reply of each command, or its error. Raises RedisError or OSError, such as TimeoutError."""
        packed = (MULTI, *(hiredis.pack_command(cast(Any, each)) for each in commands), EXEC)
        async with asyncio.timeout(self._seconds):
            try:
                return await self._ask(packed)
            except ConnectionError:  # Redis has closed it since the last transaction
                return await self._ask(packed)

    async def _ask(self, packed: Sequence[bytes]) -> list[Any]:
        connection = self._connection
        try:
            await connection.send_packed_command([b"".join(packed)])
            for _ in packed[1:]:  # OK, then QUEUED for each command
                await connection.read_response()
            return cast(list[Any], await connection.read_response())
        except BaseException:  # some replies may be left in it, which the next transaction must not take for its own
            await connection.disconnect(nowait=True)
            raise
