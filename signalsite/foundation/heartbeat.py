"""Signs of life: a process touches a file from the loop that does its work (`signalsite.embedded.heart` reads it)."""

import os
import time
from pathlib import Path

from django.conf import settings

EVERY = 1.0  # seconds; calls in between do nothing
_due = 0.0


def beat() -> None:
    """Touch HEARTBEAT_FILE, if it is set; the file contains this process's id."""
    global _due
    now = time.monotonic()
    if not settings.HEARTBEAT_FILE or now < _due:
        return
    _due = now + EVERY
    try:
        os.utime(settings.HEARTBEAT_FILE)  # needs no space on a full disk
    except FileNotFoundError:
        Path(settings.HEARTBEAT_FILE).write_text(str(os.getpid()))
