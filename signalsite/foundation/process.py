"""Children that end with their parent, and processes by their working folder."""

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def ends_with_parent(by: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that makes the kernel send `by` to the child when its parent dies.

    Linux counts the thread that forks as the parent: call Popen from a thread that lives as long as the process.
    subprocess runs this after setuid(), which would clear the request.
    """
    parent = os.getpid()

    def before_exec() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the parent may block signals to wait for them
        end_with_parent(by, parent)

    return before_exec


def end_with_parent(by: signal.Signals, parent: int) -> None:
    """Make the kernel send `by` to this child process when `parent`, a process id, dies."""
    if _libc.prctl(PR_SET_PDEATHSIG, int(by), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before prctl()
        os._exit(1)


def give_way(niceness: int) -> None:
    """Let other processes have the processors first. Add `niceness`, 0 to 19, to this leader of a session.

    Safe between fork and exec: system calls only.
    """
    if not niceness:
        return
    os.nice(niceness)
    with contextlib.suppress(OSError):  # a kernel without groups of sessions, which would weigh more than niceness
        group = os.open("/proc/self/autogroup", os.O_WRONLY)
        os.write(group, b"%d" % niceness)
        os.close(group)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Raise the KeyboardInterrupt of a Ctrl-C at the end of the block. A second Ctrl-C raises it at once.

    For imports and set-up of libraries, which can be half done after an interruption and fail when they are used again.
    """
    if threading.current_thread() is not threading.main_thread():  # only that one is interrupted
        yield
        return
    pressed = False

    def wait(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, before)

    before = signal.getsignal(signal.SIGINT)
    if before != signal.default_int_handler:  # it is ignored, or somebody else's
        yield
        return
    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def living_in(folder: Path) -> list[int]:
    """Return the ids of processes whose working folder is `folder`. Only root sees those of other users."""
    home = os.path.realpath(folder)
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _working_folder(entry) == home]


def _working_folder(pid: str) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:  # gone, a zombie, or someone else's
        return None
