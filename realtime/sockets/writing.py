"""Write to many sockets, and let the event loop do other work in between."""

import asyncio
from collections.abc import Iterable

from realtime.sockets.session import Session

WRITE_COUNT = 100  # sockets before the event loop gets a turn to hand the data to the kernel

_writing: set[asyncio.Task[None]] = set()  # the loop keeps only weak references to its tasks


async def write(sessions: Iterable[Session]) -> None:
    for number, session in enumerate(sessions, 1):
        session.write()
        if number % WRITE_COUNT == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(0)


def write_soon(sessions: Iterable[Session]) -> None:
    writing = asyncio.create_task(write(sessions))
    _writing.add(writing)
    writing.add_done_callback(_writing.discard)
