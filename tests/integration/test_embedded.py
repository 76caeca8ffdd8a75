"""The embedded servers, run on state folders of their own and killed in every way."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
import redis

from signalsite.embedded import binaries
from signalsite.embedded import keep_running as holding
from signalsite.embedded import state as places
from signalsite.embedded.account import make_system_user, system_user
from signalsite.embedded.binaries import EmbeddedError
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.servers import SERVERS, check_socket_dir
from tests.integration.processes import environment, fresh_state, running_on, until

HOLDER = """
import sys
from signalsite.embedded.keep_running import keep_running
with keep_running(wait=True) as held:
    print(*[server.server_pid() for server in held], flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder():
    """One state folder for the module, since a new database takes long. Each test starts and stops the servers."""
    with fresh_state() as state:
        yield state


@pytest.fixture
def state(folder, monkeypatch):
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIGNALSITE_STATE", str(folder))
    yield folder
    until(lambda: not running_on(folder), 10, "servers stopped")


def database(state):
    settings = places.database(state)
    return psycopg.connect(
        host=settings["HOST"], port=settings["PORT"], user=settings["USER"], dbname=settings["NAME"], autocommit=True
    )


def cache(state):
    return redis.Redis.from_url(places.redis_url(state), decode_responses=True)


def holder(state):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], env=environment(state), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, [int(pid) for pid in process.stdout.readline().split()]


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def kill(held, pids):
    """Kill processes, and return when every server was restarted and answers."""
    old = [server.server_pid() for server in held]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for server, before in zip(held, old, strict=True):
        until(lambda server=server, before=before: is_new(server, before), 30, "server is back")
        server.await_answer()


def is_new(server, before):
    server.ensure()
    return server.server_pid() not in (None, before)


def write(state, value):
    with database(state) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])
    cache(state).rpush("kept", value)


def read(state):
    with database(state) as connection:
        rows = [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY value")]
    return rows, [int(value) for value in cache(state).lrange("kept", 0, -1)]


def test_data_survives_every_kind_of_kill(state):
    with keep_running(wait=True) as held:
        write(state, 1)
        kill(held, [server.server_pid() for server in held])  # the servers: their keepers start them again
        assert read(state) == ([1], [1])

        write(state, 2)  # the keepers: their servers end with them, and the holder starts new ones
        kill(held, [parent(server.server_pid()) for server in held])
        assert read(state) == ([1, 2], [1, 2])

        write(state, 3)
        kill(held, running_on(state))  # all at once
        assert read(state) == ([1, 2, 3], [1, 2, 3])
    assert not running_on(state)
    with keep_running(wait=True):  # and a plain stop and start
        assert read(state) == ([1, 2, 3], [1, 2, 3])


def test_holders_share_and_the_last_one_stops_the_servers(state):
    first, pids = holder(state)
    with keep_running(wait=True) as held:
        assert [server.server_pid() for server in held] == pids
        first.kill()
        first.wait()
        second, seen = holder(state)
        assert seen == pids
    assert set(pids) <= set(running_on(state))  # the exit did not wait: another block needs them
    second.stdin.close()
    second.wait(20)
    assert not running_on(state)

    last, _ = holder(state)
    last.kill()  # without a clean exit
    last.wait()
    until(lambda: not running_on(state), 10, "servers stopped after their holder was killed")


def test_servers_are_private_durable_and_bounded(state):
    with keep_running(wait=True):
        with database(state) as connection:
            show = {
                name: connection.execute(f"SHOW {name}").fetchone()[0]
                for name in ("listen_addresses", "fsync", "synchronous_commit", "timezone", "server_encoding")
            }
            assert connection.execute("SELECT upper('straße é') < 'z'").fetchone()[0]
        assert show == {
            "listen_addresses": "",
            "fsync": "on",
            "synchronous_commit": "on",
            "timezone": "UTC",
            "server_encoding": "UTF8",
        }
        config = cache(state).config_get("*")
        assert (config["port"], config["appendonly"], config["appendfsync"]) == ("0", "yes", "no")
        assert (config["maxmemory"], config["maxmemory-policy"]) == (str(512 << 20), "volatile-lru")
        for folder in (places.socket_dir(state), state / "postgres", state / "valkey", state / "log", state / "locks"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_two_checkouts_run_side_by_side(state):
    with fresh_state() as other:
        process, pids = holder(other)
        with keep_running() as held:
            assert not {server.server_pid() for server in held} & set(pids)
            write(state, 1)
            with database(other) as connection, pytest.raises(psycopg.errors.UndefinedTable):
                connection.execute("SELECT * FROM kept")
        process.stdin.close()
        process.wait(20)
        assert not running_on(other)


def test_a_long_and_odd_path_works(state, monkeypatch):
    long = state.parent / ("long " * 12) / ("päth%" * 12)
    long.parent.mkdir(mode=0o711)
    monkeypatch.setenv("SIGNALSITE_STATE", str(long))
    sockets = places.socket_dir(long)
    assert sockets.parent == Path("/tmp") and len(bytes(sockets)) < 60
    try:
        with keep_running(wait=True):
            write(long, 1)
            assert read(long) == ([1], [1])
            assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        sockets.chmod(0o755)  # as if somebody else had made it
        with pytest.raises(EmbeddedError, match="not a private folder"):
            check_socket_dir(long)
    finally:
        until(lambda: not running_on(long), 10, "servers stopped")
        for left in sockets.iterdir():
            left.unlink()
        sockets.rmdir()


def test_only_what_the_environment_does_not_name_is_started(state, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere.invalid/x")
    with keep_running(wait=True) as held:
        assert [server.name for server in held] == ["valkey"]
        assert not any("postgres" in command for command in running_on(state).values())
        monkeypatch.setenv("REDIS_URL", "redis://elsewhere.invalid/0")
        with keep_running() as none:
            assert none == []


def test_a_failing_start_shows_the_log(state, monkeypatch):
    monkeypatch.setattr(holding, "TIMEOUT", 3.0)
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere.invalid/x")
    monkeypatch.setenv("SIGNALSITE_REDIS_MAXMEMORY", "plenty")
    with (
        pytest.raises(EmbeddedError, match=r"(?s)embedded valkey.*end of .*valkey\.log.*maxmemory"),
        keep_running(wait=True),
    ):
        pass


def test_services_says_how_to_connect_and_leaves_nothing(state):
    process = subprocess.Popen(
        [sys.executable, "manage.py", "services"], env=environment(state), stdout=subprocess.PIPE, text=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    text = "".join(lines)
    assert f"psql -h {places.socket_dir(state)} -U signalsite signalsite" in text
    assert "manage.py redis PING" in text and f"unix://{places.socket_dir(state)}/valkey.sock" in text
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert not running_on(state)


def test_a_management_command_holds_the_servers_only_while_it_runs(state):
    code = "from django.db import connection as c; k = c.cursor(); k.execute('SELECT 41 + 1'); print(k.fetchone()[0])"
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", code]
    done = subprocess.run(command, env=environment(state), capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"
    until(lambda: not running_on(state), 10, "servers stopped")


def test_a_secret_is_made_once(state):
    found = []
    threads = [threading.Thread(target=lambda: found.append(places.secret(state, "key"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16 and len(set(found)) == 1 and len(found[0]) == 32
    assert stat.S_IMODE((state / "secrets" / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((state / "secrets").stat().st_mode) == 0o700
    assert not [name for name in os.listdir(state / "secrets") if name.startswith(".")]  # no unfinished file is left


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as someone else")
def test_root_copies_programs_that_its_system_user_cannot_reach(monkeypatch):
    with fresh_state() as state:
        make_system_user()
        user = system_user()
        state.mkdir()
        (state / ".copy-killed").mkdir()
        monkeypatch.setattr(binaries, "SHARED", state)
        monkeypatch.setattr(binaries, "all_may_enter", lambda folder: False)
        for program in (binaries.postgres_bin() / "postgres", binaries.valkey_server()):
            assert program.is_relative_to(state)
            version = subprocess.run([program, "--version"], capture_output=True, check=True, user=user.pw_name)
            assert b"18.6" in version.stdout or b"9.1" in version.stdout
        assert binaries.valkey_server().is_relative_to(state)  # the same copy again
        assert len(list(state.iterdir())) == 3  # two copies and the lock, and no unfinished copy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as someone else")
def test_a_system_user_that_cannot_be_had_is_explained(monkeypatch):
    monkeypatch.setenv("SIGNALSITE_SYSTEM_USER", "no/such:name")
    with pytest.raises(EmbeddedError, match=r"could not be created: useradd: .*DATABASE_URL"):
        make_system_user()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as someone else")
def test_a_state_that_roots_system_user_cannot_enter_is_refused(tmp_path):
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedError, match=r"cannot enter .*SIGNALSITE_STATE"):
        SERVERS["valkey"](tmp_path / "state")


def test_state_folders(monkeypatch):
    monkeypatch.setenv("SIGNALSITE_STATE", "elsewhere")
    assert places.state_dir() == places.CHECKOUT / "elsewhere"
    monkeypatch.delenv("SIGNALSITE_STATE")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert places.state_dir() == places.CHECKOUT / ".state"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert places.state_dir().parent == Path("/var/lib/signalsite") and len(places.state_dir().name) == 12
