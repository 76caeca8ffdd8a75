"""The keeper of one embedded server: `python -m signalsite.embedded.keeper postgres|valkey STATE LOCK_FD`.

It is the server's parent. It restarts a server that dies, stops it once nobody holds it, and takes it along when it is
itself killed (the kernel tells the server). Two lock files per server, under `STATE`/locks:

    NAME.holders  a shared lock for everyone who needs the server (see `hold`). The keeper tries for the exclusive one:
                  to have it means that nobody holds the server. It then stops the server before it lets go, so that a
                  newcomer waits for a clean end and starts the next keeper.
    NAME.keeper   an exclusive lock for the life of the keeper: there is one at a time. Who starts the keeper takes it
                  and hands it over as an open file, so that there is no moment in between. The file contains the
                  server's process id while the server is up.

The kernel drops the locks of whoever is killed: nothing has to be cleaned up.
"""

import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from signalsite.foundation.process import living_in

from .servers import SERVERS, Server
from .state import CHECKOUT

log = logging.getLogger("keeper")

POLL = 0.3  # seconds between looks at the holders' lock
LINGER = 1.0  # how long an unheld server stays, so that one command after another does not restart it
# For the end of a server that a killed keeper has left, and of our own; then it is killed, which loses nothing.
# PostgreSQL 18 hangs when it is told to stop in the moment after one of its processes was killed.
PATIENCE = 10.0
STEADY = 10.0  # a server that has lived so long starts with the shortest delay when it dies
DELAYS = (0.1, 5.0)
SYNC_SECONDS = 1.0  # between two syncs of what a server only appends: what a power cut can cost, and the sync's length
LOG_BYTES = 10 << 20  # a longer log is put aside at the next start, over the one before it


class Keeper:
    def __init__(self, server: Server, log_file: Path, holders: Path, lock_fd: int):
        self.server = server
        self.log_file = log_file
        self.holders = os.open(holders, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.lock_fd = lock_fd
        self.process: subprocess.Popen[bytes] | None = None
        self.begun = time.monotonic()
        self.started = 0.0
        self.delay = DELAYS[0]
        self.due = 0.0
        self.unheld_since: float | None = None

    def run(self) -> None:
        """Return when nobody holds the server any more or SIGTERM comes, with the server stopped."""
        wakes = {signal.SIGCHLD, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, wakes)
        if self.server.synced:  # in a thread: a slow disk does not keep us from our server
            threading.Thread(target=keep_synced, args=[self.server.synced], daemon=True).start()
        while not self._unheld():
            self._keep_alive()
            wake = signal.sigtimedwait(wakes, POLL)
            if wake and wake.si_signo == signal.SIGTERM:
                break
        self._stop()

    def _unheld(self) -> bool:
        """Whether nobody has held the server for LINGER seconds; when true, the exclusive lock is ours for good."""
        try:
            fcntl.flock(self.holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.unheld_since = None
            return False
        now = time.monotonic()
        self.unheld_since = self.unheld_since or now
        if now - self.unheld_since >= LINGER:
            return True
        fcntl.flock(self.holders, fcntl.LOCK_UN)
        return False

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if self.process and self.process.poll() is not None:
            self._tell("")
            log.warning("pid %d ended with status %d", self.process.pid, self.process.returncode)
            if now - self.started >= STEADY:
                self.delay = DELAYS[0]
            self.process, self.due, self.begun = None, now + self.delay, now
            self.delay = min(self.delay * 2, DELAYS[1])
        if self.process is None and now >= self.due and self._alone(now):
            self.process = self.server.start(self.log_file)
            self.started = now
            self._tell(str(self.process.pid))
            log.info("started pid %d", self.process.pid)

    def _alone(self, now: float) -> bool:
        """Whether no process of an earlier server is left on the data; past PATIENCE such a process is killed."""
        others = living_in(self.server.folder)
        if not others:
            for path in self.server.leftovers:
                path.unlink(missing_ok=True)
        elif now - self.begun > PATIENCE:
            log.warning("killing what an earlier server left: %s", others)
            for pid in others:
                os.kill(pid, signal.SIGKILL)
        return not others

    def _stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.server.stop_signal)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                log.warning("pid %d does not stop: killing it", self.process.pid)
                self.process.kill()
                self.process.wait()
        self._tell("")
        log.info("stopped")

    def _tell(self, pid: str) -> None:
        os.ftruncate(self.lock_fd, 0)
        os.pwrite(self.lock_fd, pid.encode(), 0)


def keep_synced(folder: Path) -> None:
    """Sync the files of `folder` to the disk once a second, for ever; what has not changed costs nothing."""
    while True:
        time.sleep(SYNC_SECONDS)
        for path in folder.glob("*.aof"):
            try:
                with path.open("rb") as file:
                    os.fdatasync(file.fileno())
            except FileNotFoundError:  # replaced meanwhile by a shorter one, which the server has synced
                continue
            except OSError as error:
                log.error("%s could not be synced: %s", path, error)


def start_keeper(name: str, state: Path, lock_fd: int) -> "subprocess.Popen[bytes]":
    """Start the keeper of server `name`, apart from our terminal and its Ctrl-C. `lock_fd` has the keeper's lock."""
    with (state / "log" / "keeper.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "signalsite.embedded.keeper", name, str(state), str(lock_fd)],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock_fd],
        )


def main(name: str, state: Path, lock_fd: int) -> None:
    os.set_inheritable(lock_fd, False)
    os.umask(0o077)
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {name}: %(message)s", stream=sys.stdout)
    server = SERVERS[name](state)
    log_file = state / "log" / f"{name}.log"
    if log_file.exists() and log_file.stat().st_size > LOG_BYTES:
        log_file.replace(f"{log_file}.1")
    Keeper(server, log_file, state / "locks" / f"{name}.holders", lock_fd).run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
