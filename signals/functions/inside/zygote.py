"""The process that functions' processes are forked from. It is executed afresh, with an empty environment.

It holds one descriptor: a socket to the service, of which each message is a request. It imports numpy, pandas and the
policy once, gives up what it can, and then forks on request. It never runs a user's code. When the service ends, the
socket does, and this process and all of its forks with it.

    python -I -S -B zygote.py SOCKET UID POLICY DIRECTORY...
"""

import gc
import json
import os
import platform
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST_MESSAGE = 4096
HELD = 7  # exit status of a process whose filter held


def main(arguments: list[str]) -> None:
    control = socket.socket(fileno=int(arguments[0]))
    try:
        _prepare_and_fork(control, arguments)
    except Exception as error:
        control.send(json.dumps({"failed": f"{type(error).__name__}: {error}"[:1000]}).encode())
        raise


def _prepare_and_fork(control: socket.socket, arguments: list[str]) -> None:
    uid, restricted, directories = int(arguments[1]), arguments[2] == "policy", arguments[3:]
    sys.path.extend(directories)
    os.umask(0o777)
    # Only now, when the path is set, and here, so that forks have them already.
    from signals.functions.inside.preload import forget_the_way_back, leave_out, preload

    leave_out()
    from signals.functions.inside import child, confine, seccomp
    from signals.functions.inside.facades import make_facades

    preload()
    make_facades()
    forget_the_way_back()
    os.environ.clear()
    size = _address_bytes()
    layers: dict[str, Any] = {"namespaces": confine.separate_namespaces(), "uid": os.geteuid()}
    if uid and os.geteuid() == 0:
        confine.become(uid)
        layers["uid"] = os.geteuid()
    layers["landlock"] = confine.restrict_files()
    layers["filter"] = _filter_holds(seccomp.install, seccomp.program(platform.machine()))
    gc.collect()
    gc.freeze()
    control.send(json.dumps(layers).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MOST_MESSAGE, 2)
        if not message:
            os._exit(0)
        asked = json.loads(message)
        if asked["ask"] == "end":
            control.send(json.dumps({"status": _end(asked["pid"])}).encode())
            continue
        pid = os.fork()
        if pid == 0:
            try:
                control.close()
                _take(*descriptors)
                child.live(
                    address_bytes=size + asked["memory_bytes"],
                    cpu_seconds=asked["cpu_seconds"],
                    restricted=restricted,
                )
            finally:
                os._exit(70)
        for each in descriptors:
            os.close(each)
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        socket.send_fds(control, [json.dumps({"pid": pid}).encode()], [handle])
        os.close(handle)


def _filter_holds(install: Callable[[bytes], None], program: bytes) -> bool:
    """Whether a process that has locked itself is refused a file. It is tried, since kernels and containers differ."""
    pid = os.fork()
    if pid == 0:
        try:
            install(program)
            os.open("/", os.O_RDONLY)
        except PermissionError:
            os._exit(HELD)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == HELD << 8


def _take(request: int, answer: int) -> None:
    """Keep the two pipes under their numbers, and close everything else."""
    from signals.functions.inside.wire import ANSWER_FD, REQUEST_FD

    os.dup2(os.dup2(request, 200), REQUEST_FD)
    os.dup2(os.dup2(answer, 201), ANSWER_FD)
    os.closerange(0, REQUEST_FD)
    os.closerange(ANSWER_FD + 1, os.sysconf("SC_OPEN_MAX"))


def _end(pid: int) -> int:
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def _address_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main(sys.argv[1:])
