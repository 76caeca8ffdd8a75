"""Temporary files (TMPDIR) for what is too large for memory."""

import logging
from tempfile import TemporaryFile
from typing import IO

from signalsite.front.refusals import Refused, busy

logger = logging.getLogger(__name__)


def temporary_file() -> IO[bytes]:
    """Return an unbuffered file, so that closing it writes nothing. Raises Refused."""
    try:
        return TemporaryFile(buffering=0)
    except OSError as error:
        raise _no_room(error) from error


def write(file: IO[bytes], data: bytes) -> None:
    """Write all of `data`. Raises Refused when the disk is full."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> Refused:
    logger.error("no temporary file: %s", error)
    return busy("there is no room for a temporary file, try again")
