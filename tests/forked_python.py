"""Stands for `python` in the scripts of the docs: `python manage.py ...` runs in a fork (tests.forks).

It imports little and no site, so it starts in 30 ms. Anything else than `manage.py` is for Python itself.
"""

import json
import os
import signal
import socket
import sys


def main() -> int:
    program, *arguments = sys.argv[1:] or [""]
    if program != "manage.py":
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as told:
        told.connect(os.environ["FORKS"])
        order = [arguments, "", dict(os.environ), os.getcwd()]  # noqa: PTH109 - pathlib takes time to load
        socket.send_fds(told, [json.dumps(order).encode()], [0, 1, 2])
        child = int(told.recv(100))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _: os.kill(child, received))
        code = int(told.recv(100) or b"-9")
    return 128 - code if code < 0 else code


sys.exit(main())
