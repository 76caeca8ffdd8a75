"""Which process has stalled, and which only waits for a server or slept with the machine."""

import os
import subprocess
import sys

import pytest

from signalsite.embedded.heart import FRESH, QUIET, STARTING, Heart, Servers

PATIENCE = 20.0


class Watched:
    """The heart of one process, checked each second."""

    def __init__(self, folder):
        self.file = folder / "worker"
        self.heart = Heart(self.file, PATIENCE)
        self.moment = 0

    def beat(self):
        self.moment += 1
        self.file.touch()
        os.utime(self.file, (self.moment, self.moment))

    def blamed(self, seconds, *, answering=True, beating=False, elapsed=1.0):
        """Return after how many checks it counts as stalled, or None."""
        for second in range(int(seconds)):
            if beating:
                self.beat()
            if self.heart.stands_still(elapsed, lambda: answering):
                return second + 1
        return None


@pytest.fixture
def watched(tmp_path):
    made = Watched(tmp_path)
    made.beat()
    assert made.blamed(1) is None
    return made


def test_one_that_works_is_left_alone(watched):
    assert watched.blamed(3600, beating=True) is None


def test_one_that_stands_still_is_found(watched):
    assert watched.blamed(60) == QUIET + PATIENCE


@pytest.mark.parametrize("pause", [15, 60, 3600])
def test_who_waits_for_a_server_has_all_its_patience_afterwards(watched, pause):
    assert watched.blamed(15) is None
    assert watched.blamed(pause, answering=False) is None
    assert watched.blamed(PATIENCE - 1) is None
    watched.beat()
    assert watched.blamed(PATIENCE) is None


def test_a_process_that_does_not_come_back_with_the_servers_is_found(watched):
    watched.blamed(60, answering=False)
    assert watched.blamed(60) == PATIENCE


def test_a_night_of_sleep_counts_for_little(watched):
    assert watched.blamed(3, elapsed=8 * 3600.0) is None
    assert watched.blamed(3, beating=True) is None


def test_a_start_has_more_time(tmp_path):
    fresh = Watched(tmp_path)
    assert fresh.blamed(STARTING) is None
    fresh.beat()
    assert fresh.blamed(60) == 1 + QUIET + PATIENCE
    fresh.heart.begin()  # killed and restarted: its old heartbeats do not count
    assert not fresh.file.exists() and fresh.blamed(STARTING) is None


# The kernel refuses each byte of a file, as on a full disk; pipes go on.
WITHOUT_SPACE = """
import os, pathlib, resource, sys
from django.conf import settings
file = pathlib.Path(sys.argv[1])
settings.configure(HEARTBEAT_FILE=str(file))
from signalsite.foundation import heartbeat
heartbeat.EVERY = 0.0
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
heartbeat.beat()
os.utime(file, (1, 1))
heartbeat.beat()
assert file.stat().st_mtime > 1 and not file.read_text()
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
heartbeat.beat()
assert file.read_text() == str(os.getpid())
"""


@pytest.mark.parametrize("left", [None, "12345"], ids=["nothing there", "an earlier process's id"])
def test_a_full_disk_stops_no_sign_of_life(tmp_path, left):
    file = tmp_path / "worker"
    if left:
        file.write_text(left)
    done = subprocess.run([sys.executable, "-c", WITHOUT_SPACE, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"{file} cannot be written") == 2


def test_servers_that_hang_or_refuse_do_not_answer(monkeypatch):
    now = 100.0
    monkeypatch.setattr("signalsite.embedded.heart.time.monotonic", lambda: now)
    state = {"up": True}

    def ask():
        if not state["up"]:
            raise ConnectionError("refused")

    servers = Servers(ask)

    def answer():
        servers.answer()
        servers._asking.join()
        return servers.answer()

    assert answer()
    state["up"] = False
    now += FRESH - 1
    assert answer()  # a moment ago it did
    now += 2
    assert not answer()
    state["up"] = True
    now += 1
    assert answer()
