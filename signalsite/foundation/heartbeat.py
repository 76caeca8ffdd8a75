"""Heartbeats: a process touches a file from its main loop, and `signalsite.embedded.heart` watches the file."""

import logging
import os
import time
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)

EVERY = 1.0  # seconds; calls in between do nothing
_due = 0.0


def beat() -> None:
    """Touch HEARTBEAT_FILE, if it is set, and keep this process's id in it."""
    global _due
    now = time.monotonic()
    if not settings.HEARTBEAT_FILE or now < _due:
        return
    _due = now + EVERY
    file, pid = Path(settings.HEARTBEAT_FILE), str(os.getpid())
    try:
        file.touch()  # works on a full disk too, where writing the id must wait
        if file.read_text() != pid:
            file.write_text(pid)
    except OSError as error:
        logger.warning("%s cannot be written, so a health check cannot end this process: %s", file, error.strerror)
