"""Wait for a turn, up to a limit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from signalsite.front.refusals import busy


@asynccontextmanager
async def turn(places: asyncio.Semaphore, seconds: float, why: str) -> AsyncIterator[None]:
    """Take a place for the length of the block. Raises Refused with `why` when none is free in time."""
    try:
        async with asyncio.timeout(seconds):
            await places.acquire()
    except TimeoutError as error:
        raise busy(why) from error
    try:
        yield
    finally:
        places.release()
