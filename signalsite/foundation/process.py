"""Children that end with their parent, and the processes that live in a folder."""

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def ends_with_parent(by: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn` after which the kernel sends `by` to the child when its parent dies, however it dies.

    Linux counts the thread that forks as the parent: call Popen from a thread that lives as long as the process.
    subprocess runs this after setuid(), which would clear the request.
    """
    parent = os.getpid()

    def before_exec() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the parent may wait for signals by blocking them
        end_with_parent(by, parent)

    return before_exec


def end_with_parent(by: signal.Signals, parent: int) -> None:
    """In a child: have the kernel send `by` when the parent, whose process id is given, dies."""
    if _libc.prctl(PR_SET_PDEATHSIG, int(by), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before prctl()
        os._exit(1)


def living_in(folder: Path) -> list[int]:
    """Ids of the processes whose working folder is `folder`, as far as we may see them (our own; root: all)."""
    home = os.path.realpath(folder)
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _working_folder(entry) == home]


def _working_folder(pid: str) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:  # gone, a zombie, or someone else's
        return None
