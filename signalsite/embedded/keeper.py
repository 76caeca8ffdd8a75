"""The keeper of one embedded server: `python -m signalsite.embedded.keeper postgres|valkey STATE LOCK_FD`.

The keeper is the server's parent process. It restarts a server that dies, and stops it once nobody needs it. When the
keeper is killed, the kernel signals the server to end. Each server has two lock files under `STATE`/locks:

    NAME.holders  Every process that needs the server holds a shared lock (see `keep_running`). The keeper tries to take
                  the exclusive lock. When it succeeds, nobody needs the server, and the keeper stops the server before
                  it releases the lock. So a newcomer waits for a clean stop and then starts the next keeper.
    NAME.keeper   The keeper holds an exclusive lock, so that only one runs. The process that starts the keeper takes
                  the lock and passes the open file on, which leaves no gap. The file contains the server's process id
                  while the server is up.

The kernel releases the locks of a killed process, so that nothing has to be cleaned up.
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

POLL = 0.3  # seconds between attempts to take the holders' lock
LINGER = 1.0  # how long an unused server stays up, so that consecutive commands do not restart it
# Seconds for a server to stop, ours or one that a killed keeper left. Then it is killed, which loses no data.
# PostgreSQL 18 hangs when it is stopped in the moment after one of its processes was killed.
PATIENCE = 10.0
STEADY = 10.0  # a server that has lived this long restarts with the shortest delay
DELAYS = (0.1, 5.0)
SYNC_SECONDS = 1.0  # between two syncs of an append-only file; a power cut loses no more than this and one sync
LOG_BYTES = 10 << 20  # at the next start a longer log is renamed and replaces the previous one


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
        """Run the server until nobody needs it or SIGTERM arrives. The server has stopped when this returns."""
        wakes = {signal.SIGCHLD, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, wakes)
        if self.server.synced:  # in a thread, so that a slow disk does not delay restarts
            threading.Thread(target=keep_synced, args=[self.server.synced], daemon=True).start()
        while not self._unheld():
            self._keep_alive()
            wake = signal.sigtimedwait(wakes, POLL)
            if wake and wake.si_signo == signal.SIGTERM:
                break
        self._stop()

    def _unheld(self) -> bool:
        """Return whether nobody has needed the server for LINGER seconds. If so, keep the exclusive lock."""
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
            self._write_pid("")
            log.warning("pid %d ended with status %d", self.process.pid, self.process.returncode)
            if now - self.started >= STEADY:
                self.delay = DELAYS[0]
            self.process, self.due, self.begun = None, now + self.delay, now
            self.delay = min(self.delay * 2, DELAYS[1])
        if self.process is None and now >= self.due and self._alone(now):
            self.process = self.server.start(self.log_file)
            self.started = now
            self._write_pid(str(self.process.pid))
            log.info("started pid %d", self.process.pid)

    def _alone(self, now: float) -> bool:
        """Return whether no process of an earlier server is left. After PATIENCE seconds, kill such processes."""
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
        self._write_pid("")
        log.info("stopped")

    def _write_pid(self, pid: str) -> None:
        os.ftruncate(self.lock_fd, 0)
        os.pwrite(self.lock_fd, pid.encode(), 0)


def keep_synced(folder: Path) -> None:
    """Sync the files of `folder` to the disk once a second, for ever. Unchanged files cost nothing."""
    while True:
        time.sleep(SYNC_SECONDS)
        for path in folder.glob("*.aof"):
            try:
                with path.open("rb") as file:
                    os.fdatasync(file.fileno())
            except FileNotFoundError:  # the server has replaced it with a shorter one, and synced that
                continue
            except OSError as error:
                log.error("%s could not be synced: %s", path, error)


def start_keeper(name: str, state: Path, lock_fd: int) -> "subprocess.Popen[bytes]":
    """Start the keeper of server `name` in a session of its own, which Ctrl-C does not reach. It inherits `lock_fd`."""
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
