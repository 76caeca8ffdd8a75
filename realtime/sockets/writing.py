"""Writing to many sockets at once, in turns with everything else that the event loop does."""

import asyncio
from collections.abc import Iterable

from realtime.sockets.session import Session

WRITE_COUNT = 100  # sockets, and then the event loop's turn: it hands over to the kernel what they were given

_writing: set[asyncio.Task[None]] = set()  # the loop itself does not keep its tasks


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
