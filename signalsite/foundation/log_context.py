"""What a log line says of the work that it belongs to: the request's id, and whose request it is.

Both are context variables: they follow a request from the event loop to Django's thread, and into the task that it
enqueues. A line that is written outside of any request has neither.
"""

import os
import random
import re
import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

LONGEST_ID = 128
_SANE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,%d}" % (LONGEST_ID - 1))
_COMMANDS = {
    "consume_ticks": "consumer",
    "consume_configs": "configs",
    "simulate_market": "feed",
    "simulate_configs": "manager",
}
_CELERY = ("worker", "beat", "flower")
_numbers = random.Random()
os.register_at_fork(after_in_child=_numbers.seed)  # or all workers would have the same ids

request_id: ContextVar[str] = ContextVar("request_id", default="")
find_user: ContextVar[Callable[[], str] | None] = ContextVar("find_user", default=None)


def new_request_id() -> str:
    """An id is no secret, so it need not cost a system call."""
    return f"{_numbers.getrandbits(64):016x}"


def request_id_of(shown: bytes | None) -> str:
    """The caller's own id where it is sane (letters, digits and `._:/+=-`, up to 128 of them), else a new one."""
    return shown.decode() if shown is not None and _SANE.fullmatch(shown) else new_request_id()


def user_id() -> str:
    """The primary key of the user whose request is being answered. Never asks the database."""
    find = find_user.get()
    return find() if find is not None else ""


def component(arguments: list[str] | None = None) -> str:
    """Which part of the service this process is, from its command line: web, worker, beat, consumer, configs, feed,
    manager, flower, or the name of a management command."""
    program, *words = sys.argv if arguments is None else arguments
    name = Path(program).name
    if name in ("celery", "__main__.py"):
        return next((word for word in words if word in _CELERY), name)
    if name in ("manage.py", "django-admin"):
        command = next((word for word in words if not word.startswith("-")), "manage")
        return _COMMANDS.get(command, command)
    return "web" if name in ("uvicorn", "gunicorn") else name
