"""Celery beat that ends when it is told to, whatever its database does.

Celery's own handler of SIGTERM saves the schedule inside the handler. When the signal interrupts a query, that waits
for a lock of the connection which the interrupted code holds: beat stands still for ever. Ours only leaves a word for
the scheduler's next round, and lets the kernel end the process when no next round comes.
"""

import signal
from types import FrameType
from typing import Any

from celery import platforms
from celery.apps import beat

ENDING_SECONDS = 5  # for the round that runs, and to save when each task ran last


class Beat(beat.Beat):
    """`celery beat`."""

    stopping = False

    def install_sync_handler(self, service: Any) -> None:
        def stop(number: int, frame: FrameType | None) -> None:
            Beat.stopping = True
            signal.alarm(ENDING_SECONDS)  # nobody handles SIGALRM: it ends the process

        platforms.signals.update(SIGTERM=stop, SIGINT=stop)
