"""States of their own for tests of the embedded servers, and what runs on one."""

import os
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.state import SHARED, own_state_dir
from signalsite.foundation.process import living_in

ROOT = Path(__file__).parents[2]


@contextmanager
def fresh_state():
    """A state folder that root's system user can reach too (pytest's tmp_path cannot be)."""
    parent = None
    if os.geteuid() == 0:
        SHARED.mkdir(parents=True, exist_ok=True)
        parent = SHARED
    folder = Path(tempfile.mkdtemp(prefix="test-", dir=parent))
    folder.chmod(0o711)
    try:
        yield folder / "state"
    finally:
        until(lambda: not running_on(folder / "state"), 30, "the servers of the folder have ended")  # they remove files
        shutil.rmtree(folder)


@contextmanager
def servers_of(state):
    """Keep the servers of a state running for the body: otherwise each command starts and stops its own."""
    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
                patch.delenv(name, raising=False)
            patch.setenv("SIGNALSITE_STATE", str(state))
            running.enter_context(keep_running(wait=True))
        yield


def environment(state, **more):
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL", "CACHE_URL")}
    compiled = f"{own_state_dir()}-test/numba"  # no need to compile for every state
    return {**kept, "SIGNALSITE_STATE": str(state), "NUMBA_CACHE_DIR": compiled, "PYTHONPATH": str(ROOT), **more}


def running_on(state):
    """Command lines of all processes that work on `state` or were started for it, by id; this process is not one."""
    found = {}
    mark = f"SIGNALSITE_STATE={state}".encode()
    servers = {pid for name in ("postgres", "valkey") for pid in living_in(state / name)}
    for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        try:
            ours = mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # gone, or not ours to see
            continue
        if (ours or pid in servers) and pid != os.getpid() and command:
            found[pid] = command
    return found


def until(condition, seconds, what, *, step=0.05):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(step)
    return result
