"""The supervisor of `manage.py up`, with real processes, and `up` itself with the whole service."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.integration.consume.live import server_pid
from tests.integration.processes import ROOT, environment, fresh_state, running_on, servers_of, until

# A child with a child of its own; the second process ignores TERM.
SUPERVISED = """
import pathlib, sys
from signalsite.embedded import supervisor
supervisor.GRACE = 1.0
kinds = [
    supervisor.Process("polite", ["sh", "-c", "echo hello; sleep 1000 & wait"]),
    supervisor.Process("stubborn", ["sh", "-c", "trap '' TERM; echo here; while :; do sleep 1; done"], {"MARK": "own"}),
]
def step():
    if "fail" in sys.argv:
        raise RuntimeError("step failed")
record = pathlib.Path(sys.argv[2]) if "record" in sys.argv else None
supervisor.Supervisor(kinds, record=record).run(step)
"""
STANDING_BACK = """
from signalsite.embedded.supervisor import Process, Supervisor
say = "echo niceness $(nice); cat /proc/self/autogroup; echo said; sleep 1000"
Supervisor([Process("modest", ["sh", "-c", say], niceness=5)]).run(lambda: None)
"""
# What the first start does.
MAKE_ACCOUNT = """
from django.core.management import call_command
from signalsite.accounts.first_account import make_first_account
call_command("migrate", verbosity=0)
assert make_first_account()
"""


def supervise(state, *arguments, stdout=subprocess.PIPE):
    command = [sys.executable, "-c", SUPERVISED, *arguments]
    return subprocess.Popen(command, env=environment(state), cwd=ROOT, stdout=stdout, text=True)


def ids(state, text):
    return [pid for pid, command in running_on(state).items() if text in command and "supervisor" not in command]


@pytest.fixture
def state(tmp_path):
    return tmp_path / "mark"  # no servers: it only marks the processes


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_logs_restarts_and_a_clean_end(state, ending):
    process = supervise(state)
    first = {process.stdout.readline(), process.stdout.readline()}
    assert first == {"polite   | hello\n", "stubborn | here\n"}
    (old,) = ids(state, "echo hello")
    assert len(ids(state, "sleep 1000")) == 2  # sh and its sleep
    os.kill(old, signal.SIGKILL)
    new = until(lambda: [pid for pid in ids(state, "echo hello") if pid != old], 5, "polite runs again")
    assert len(new) == 1
    assert len(ids(state, "sleep 1000")) == 2  # the old process's child was killed too
    assert b"MARK=own" in Path(f"/proc/{ids(state, 'trap')[0]}/environ").read_bytes()
    process.send_signal(ending)
    assert process.wait(10) == 0
    assert not running_on(state)
    assert "polite ended with status -9; starting it again in 0.5 s" in process.stdout.read()


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="a kernel that weighs no sessions")
def test_what_stands_back_does_so_within_its_session_and_as_a_session(state):
    command = [sys.executable, "-c", STANDING_BACK]
    with subprocess.Popen(command, env=environment(state), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        while not any("said" in line for line in lines):
            lines.append(process.stdout.readline())
            assert lines[-1]
        process.terminate()
    assert f"niceness {os.nice(0) + 5}\n" in "".join(lines)
    assert re.search(r"/autogroup-\d+ nice 5\n", "".join(lines))


def test_an_error_ends_everything(state):
    process = supervise(state, "fail")
    assert process.wait(10) == 1
    assert not running_on(state)


def test_a_full_disk_under_the_record_ends_nothing(state, tmp_path):
    record = tmp_path / "restarts.json"
    fresh = tmp_path / "restarts.new"
    fresh.symlink_to("/dev/full")
    process = supervise(state, "record", record)
    try:
        first = until(lambda: ids(state, "echo hello"), 5, "polite runs")
        os.kill(first[0], signal.SIGKILL)
        second = until(lambda: [pid for pid in ids(state, "echo hello") if pid not in first], 5, "polite runs again")
        assert not record.exists()
        fresh.unlink()  # there is space again
        os.kill(second[0], signal.SIGKILL)
        until(record.exists, 5, "the record is kept")
        assert ["polite", "ended", 2] in json.loads(record.read_text())
    finally:
        process.terminate()
    assert process.wait(10) == 0
    assert not running_on(state)
    assert f"{record} is out of date, it cannot be written: No space left on device" in process.stdout.read()


def test_a_full_disk_under_the_log_ends_nothing(state):
    with Path("/dev/full").open("w") as full:
        process = supervise(state, stdout=full)
    try:
        first = until(lambda: ids(state, "echo hello"), 5, "polite runs")
        stubborn = until(lambda: ids(state, "trap"), 5, "stubborn runs")
        os.kill(first[0], signal.SIGKILL)
        until(lambda: [pid for pid in ids(state, "echo hello") if pid not in first], 5, "polite runs again")
        assert process.poll() is None and ids(state, "trap") == stubborn
    finally:
        process.terminate()
    process.wait(10)
    assert not running_on(state)


def test_nothing_outlives_a_killed_supervisor(state):
    process = supervise(state)
    (stopped,) = until(lambda: ids(state, "echo hello"), 5, "polite runs")
    until(lambda: ids(state, "trap"), 5, "stubborn, who does not hear TERM, runs")
    os.kill(stopped, signal.SIGSTOP)
    process.kill()
    process.wait()
    until(lambda: not ids(state, "echo hello") and not ids(state, "trap"), 5, "both ended with their parent")
    for pid in running_on(state):  # their children: ours end by themselves
        os.kill(pid, signal.SIGKILL)


def test_a_busy_port_is_named_before_anything_starts(state):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        command = [sys.executable, "manage.py", "up", "--port", str(port)]
        done = subprocess.run(command, env=environment(state), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1" in done.stderr and "--port" in done.stderr
    assert not (state / "postgres").exists() and not running_on(state)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_up_runs_the_whole_service_and_leaves_nothing():
    with fresh_state() as state:
        with servers_of(state):
            run = [sys.executable, "manage.py", "shell", "-v0", "-c", MAKE_ACCOUNT]
            subprocess.run(run, env=environment(state), cwd=ROOT, check=True)
        port, flower_port = free_port(), free_port()
        command = [sys.executable, "manage.py", "up", "--port", str(port), "--flower-port", str(flower_port)]
        log = state.parent / "up.log"
        with log.open("w") as output:
            process = subprocess.Popen([*command, "--workers", "1"], env=environment(state), cwd=ROOT, stdout=output)
        try:
            until(lambda: "ready in" in log.read_text() or process.poll() is not None, 60, "ready")
            assert process.poll() is None
            assert f"http://127.0.0.1:{port}/" in log.read_text()
            password = state / "secrets/admin_password"  # said when the account was made
            assert f"the first password is in {password}" in log.read_text()
            assert password.read_text() not in log.read_text()
            (web,) = ids(state, "bin/uvicorn")
            os.kill(web, signal.SIGKILL)
            until(lambda: [pid for pid in ids(state, "bin/uvicorn") if pid != web], 10, "web runs again")
            until(lambda: answers(f"http://127.0.0.1:{port}/health") == 200, 20, "web answers again")
            until(lambda: answers(f"http://127.0.0.1:{flower_port}/healthcheck") == 200, 30, "Flower answers")
            assert answers(f"http://127.0.0.1:{flower_port}/workers") == 401
            until(lambda: "flower_worker_online{" in page(f"http://127.0.0.1:{flower_port}/metrics"), 20, "its metrics")
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 0
            assert time.monotonic() - begun < 20
            assert not running_on(state)
            assert re.search(r"^web +\| ", log.read_text(), re.MULTILINE) or "web ended" in log.read_text()
        finally:
            process.kill()
            until(lambda: not running_on(state), 30, "all ended")


@pytest.mark.faults
def test_up_starts_anew_what_stands_still_and_leaves_nothing_when_killed():
    with fresh_state() as state:
        port = free_port()
        command = [sys.executable, "manage.py", "up", "--no-flower", "--port", str(port), "--workers", "1"]
        log = state.parent / "up.log"
        variables = environment(state, STALL_SECONDS="3")
        with log.open("w") as output:
            process = subprocess.Popen(command, env=variables, cwd=ROOT, stdout=output, stderr=output)

        def metric(name, **labels):
            wanted = "".join(f',{label}="{value}"' for label, value in labels.items())[1:]
            text = page(f"http://127.0.0.1:{port}/metrics")
            found = re.search(rf"^{name}{{{re.escape(wanted)}}} (\S+)", text, re.MULTILINE)
            return float(found[1]) if found else 0.0

        try:
            until(lambda: "ready in" in log.read_text() or process.poll() is not None, 60, "ready")
            old = {name: leader(state, name) for name in ("worker", "urgent", "beat", "consumer", "configs")}
            for name in old:  # a process has a minute until its first heartbeat
                until((state / "heartbeats" / name).exists, 30, f"a sign of {name}")
            for pid in old.values():
                os.kill(pid, signal.SIGSTOP)
            for name, pid in old.items():
                until(lambda name=name, pid=pid: leader(state, name) not in (None, pid), 30, f"another {name}")
                restarts = {"process": name, "reason": "stalled"}
                until(lambda restarts=restarts: metric("signal_service_restarts_total", **restarts) == 1, 20, name)
                heart = {"process": name}
                assert f"{name} shows no sign of life though the servers answer; killing it" in log.read_text()
                until(lambda heart=heart: 0 < metric("signal_service_heartbeat_age_seconds", **heart) < 3, 30, name)
            until(lambda: metric("signal_batch_events_total", event="swept"), 30, "a sweep")

            postgres = [pid for pid, command in running_on(state).items() if command.startswith("postgres: ")]
            postgres.append(server_pid(state, "postgres"))
            beat = leader(state, "beat")
            for pid in postgres:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(1.5)  # by now beat waits for its answer
            os.kill(beat, signal.SIGTERM)
            try:
                until(lambda: leader(state, "beat") != beat, 8, "beat ends though PostgreSQL hangs")
                time.sleep(2)  # longer than any patience: a process that waits for PostgreSQL is not killed
            finally:
                for pid in postgres:
                    os.kill(pid, signal.SIGCONT)
            swept = metric("signal_batch_events_total", event="swept")
            until(lambda: metric("signal_batch_events_total", event="swept") > swept, 30, "the next sweep")
            for name in old:
                assert metric("signal_service_restarts_total", process=name, reason="stalled") == 1
            assert metric("signal_service_restarts_total", process="beat", reason="ended") == 1

            os.kill(leader(state, "worker"), signal.SIGSTOP)
            process.kill()
            until(lambda: not running_on(state), 15, "all ended with it, servers and stopped worker too")
        finally:
            process.kill()
            until(lambda: not running_on(state), 30, "all ended")


def leader(state, name):
    """Return the process of that name that `up` started. The worker's pool has the same command."""
    marks = {"worker": "signalsite worker --concurrency", "urgent": "urgent@", "beat": "signalsite beat"}
    mark = {**marks, "consumer": "consume_ticks", "configs": "consume_configs"}[name]
    found = [pid for pid, command in running_on(state).items() if mark in command and os.getsid(pid) == pid]
    return found[0] if found else None


def page(url):
    try:
        return urllib.request.urlopen(url, timeout=5).read().decode()
    except OSError:  # including HTTP errors
        return ""


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
