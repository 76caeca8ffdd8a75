"""Health check of the containers of worker, consumer and beat: `python -m signalsite.embedded.alive`.

Exits with 0 while the process behind HEARTBEAT_FILE touches that file. Docker does not restart unhealthy containers,
so this check kills a stalled process (see `heart`), and the container's restart policy starts it again.
"""

import os
import signal
import sys
import time
from pathlib import Path

import psycopg
import redis

from .heart import FRESH, QUIET, Heart, Servers


def problem(file: Path, patience: float) -> str:
    """Return what is wrong, or an empty string. May take `patience` and some seconds."""
    begun = time.time()
    try:
        if begun - file.stat().st_mtime < patience:
            return ""
        pid = file.read_text()
    except FileNotFoundError:
        return "no sign of life yet"
    if not pid:
        return f"{file} names no process: its disk was full"
    heart, servers = Heart(file, patience), Servers(_ask_servers)
    looked = begun
    while (now := time.time()) - begun < QUIET + patience + FRESH:
        elapsed, looked = now - looked, now
        if heart.stands_still(elapsed, servers.answer):
            os.kill(int(pid), signal.SIGKILL)
            return f"killed process {pid}: no sign of life though the servers answer"
        if file.stat().st_mtime > begun:
            return ""
        time.sleep(1.0)
    return "no sign of life, while a server does not answer"


def _ask_servers() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=3) as connection:
        connection.execute("SELECT 1")
    with redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=2, socket_connect_timeout=2) as client:
        client.ping()


if __name__ == "__main__":
    sys.exit(problem(Path(os.environ["HEARTBEAT_FILE"]), float(os.environ.get("STALL_SECONDS", "20"))) or 0)
