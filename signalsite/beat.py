"""A Celery beat that ends on SIGTERM, even while its database hangs.

Celery's own handler saves the schedule inside the signal handler. When the signal interrupts a query, saving waits for
a lock that the interrupted code holds, and beat hangs for ever. Our handler only sets a flag for the scheduler's next
tick. If no tick comes, an alarm ends the process.
"""

import signal
from types import FrameType
from typing import Any

from celery import platforms
from celery.apps import beat

ENDING_SECONDS = 5  # to finish the current tick and save when each task ran last


class Beat(beat.Beat):
    """`celery beat`."""

    stopping = False

    def install_sync_handler(self, service: Any) -> None:
        def stop(number: int, frame: FrameType | None) -> None:
            Beat.stopping = True
            signal.alarm(ENDING_SECONDS)  # SIGALRM has no handler, so it ends the process

        platforms.signals.update(SIGTERM=stop, SIGINT=stop)
