"""The account that runs root's servers, created and replaced under temporary names, and the owners of its files."""

import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from signalsite.embedded import account
from signalsite.embedded import state as places
from signalsite.embedded.binaries import EmbeddedError
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.servers import SERVERS
from tests.integration.processes import ROOT, fresh_state, running_on, until
from tests.integration.test_embedded import read, write

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as someone else")

_MAKE = """
import sys
from signalsite.embedded.account import make_system_user, system_user
sys.stdin.readline()  # all at once
make_system_user()
print(system_user().pw_uid)
"""


@contextmanager
def throw_away_account():
    """A name without an account. What was created under it is removed afterwards."""
    name = f"sigtest-{secrets.token_hex(4)}"
    try:
        yield name
    finally:
        for command in ("userdel", "groupdel"):  # userdel removes the group too, when there is a user
            subprocess.run([f"/usr/sbin/{command}", name], capture_output=True, check=False)


@pytest.fixture
def name(monkeypatch):
    with throw_away_account() as name:
        monkeypatch.setenv("SIGNALSITE_SYSTEM_USER", name)
        yield name


@pytest.fixture
def state(monkeypatch):
    for variable in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        monkeypatch.delenv(variable, raising=False)
    with fresh_state() as folder:
        monkeypatch.setenv("SIGNALSITE_STATE", str(folder))
        yield folder
        until(lambda: not running_on(folder), 10, "servers stopped")


def foreign(path):
    os.chown(path, 1, 1)  # Debian's account `daemon`
    return path


def test_twenty_processes_at_once_make_one_account(name):
    command = [sys.executable, "-c", _MAKE]
    racers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(20)
    ]
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    with ThreadPoolExecutor(20) as pool:
        said = list(pool.map(lambda racer: racer.communicate(timeout=60)[0].strip(), racers))
    assert set(said) == {str(pwd.getpwnam(name).pw_uid)}
    assert [line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()].count(name) == 1


def test_an_account_whose_group_a_killed_useradd_has_left(name):
    subprocess.run(["/usr/sbin/groupadd", "--system", name], check=True)
    account.make_system_user()
    assert account.system_user().pw_shell == "/usr/sbin/nologin"


def test_a_useradd_outlives_its_killed_caller_and_keeps_the_lock(name, tmp_path, monkeypatch):
    """Otherwise the next caller would start a second one."""
    slow = tmp_path / "useradd"
    slow.write_text(f'#!/bin/sh\ntouch {tmp_path}/begun; sleep 1; exec /usr/sbin/useradd "$@"\n')
    slow.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    first = subprocess.Popen(
        [sys.executable, "-c", _MAKE],
        cwd=ROOT,
        env={**os.environ, **path},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    first.stdin.write(b"\n")
    first.stdin.flush()
    until(lambda: (tmp_path / "begun").exists(), 20, "useradd begins")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    first.stdin.close()
    account.make_system_user()
    made = pwd.getpwnam(name)
    assert account.system_user() == made


def test_a_replaced_account_gets_its_folders_back(state, name, monkeypatch):
    """The second of two concurrent accounts replaces the first, whose folders then have no owner."""
    with keep_running(wait=True):
        write(state, 1)
    assert (state / "postgres").stat().st_uid == pwd.getpwnam(name).pw_uid
    with throw_away_account() as second:
        monkeypatch.setenv("SIGNALSITE_SYSTEM_USER", second)
        for _ in range(2):  # and the other way round, with both accounts there
            places.socket_dir(state).chmod(0o755)
            with keep_running(wait=True):
                assert read(state) == ([1], [1])
                for folder in (places.socket_dir(state), state / "postgres", state / "valkey"):
                    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
                    for path in (folder, *folder.rglob("*")):
                        assert path.lstat().st_uid == pwd.getpwnam(os.environ["SIGNALSITE_SYSTEM_USER"]).pw_uid, path
            monkeypatch.setenv("SIGNALSITE_SYSTEM_USER", name)


def test_what_belongs_to_somebody_else_is_not_taken(name, tmp_path, monkeypatch):
    """SIGNALSITE_STATE may name a folder in which another program keeps data under the same name."""
    account.make_system_user()
    user = account.system_user()
    outside = tmp_path / "lib"
    monkeypatch.setattr(sys.modules["signalsite.embedded.servers"], "all_may_enter", lambda folder: True)
    outside.mkdir()
    (outside / "valkey").mkdir()
    theirs = foreign(outside / "valkey")
    theirs.chmod(0o750)
    with pytest.raises(EmbeddedError, match=r"valkey belongs to user 1 and not to .*SIGNALSITE_STATE"):
        SERVERS["valkey"](outside)
    assert (theirs.stat().st_uid, stat.S_IMODE(theirs.stat().st_mode)) == (1, 0o750)

    ours = tmp_path / "ours"
    ours.mkdir()
    target = tmp_path / "target"
    target.write_text("not ours")
    (ours / "link").symlink_to(target)
    account.hand_over(ours, user)
    assert (target.stat().st_uid, ours.stat().st_uid, (ours / "link").lstat().st_uid) == (0, user.pw_uid, user.pw_uid)
    (ours / "second_name").hardlink_to(target)
    with pytest.raises(EmbeddedError, match="second_name"):
        account.hand_over(ours, user)
    assert target.stat().st_uid == 0


def test_a_foreign_socket_folder_in_tmp_is_refused(name, state, monkeypatch):
    long = state.parent / ("long " * 12) / ("state " * 12)
    long.parent.mkdir(mode=0o711)
    sockets = places.socket_dir(long)
    assert sockets.parent == Path("/tmp")
    account.make_system_user()
    sockets.mkdir(mode=0o700)
    try:
        foreign(sockets)
        with pytest.raises(EmbeddedError, match="not a private folder"):
            SERVERS["valkey"](long)
        assert sockets.stat().st_uid == 1
    finally:
        shutil.rmtree(sockets)
