"""The walls one by one: which of them this machine has, and what happens where the one that must be there is missing."""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.test import Client

from signals.functions import running
from signals.functions.inside.seccomp import ALLOW, EQUAL, LOAD, PR_SET_SECCOMP, REFUSE, RETURN
from signals.functions.sandbox.process import FunctionProcess
from signals.functions.sandbox.starter import FIRST_UID, UIDS, SandboxUnavailable, Zygote
from tests.integration.functions.conftest import DATA, LIMITS, called, needs_filter, plain

ROOT = Path(__file__).resolve().parents[3]
HONEST = "def compute(data, params):\n    return float(np.mean(data['close']))\n"
PRCTL = {"x86_64": 157, "aarch64": 167}
_WITHOUT = f"""
import platform, struct, sys
sys.path.insert(0, {str(ROOT)!r})
from signals.functions.inside.seccomp import install
step = lambda *s: struct.pack("HBBI", s[0], *(s[2:] or (0, 0)), s[1])
prctl = {PRCTL!r}[platform.machine()]
install(b"".join([
    step({LOAD}, 0), step({EQUAL}, prctl, 0, 4), step({LOAD}, 16), step({EQUAL}, {PR_SET_SECCOMP}, 0, 1),
    step({RETURN}, {REFUSE}), step({RETURN}, {ALLOW}), step({RETURN}, {ALLOW}),
]))
from signals.functions.sandbox.probe import why_unavailable
from signals.functions.sandbox.starter import SandboxUnavailable, Zygote
print(why_unavailable())
try:
    Zygote()
except SandboxUnavailable as error:
    print(error)
"""
_AS_A_USER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from signals.functions.sandbox.process import FunctionProcess, Limits
from signals.functions.sandbox.starter import Zygote
zygote = Zygote()
with FunctionProcess({HONEST!r}, Limits(), zygote) as process:
    print(zygote.layers.uid, process.call({{"close": np.arange(3.0)}}, {{}}).values["value"])
raw = Zygote(restricted=False)
source = "def compute(data, params):\\n    return 666 if open('/etc/passwd') else 0\\n"
with FunctionProcess(source, Limits(), raw) as process:
    print(process.call({{}}, {{}}).error)
"""


def test_a_process_has_the_walls_that_the_machine_has(raw_zygote: Zygote) -> None:
    with FunctionProcess(HONEST, LIMITS, raw_zygote) as process:
        assert plain(process.call(DATA, {})) == 30.5
        folder = Path(f"/proc/{process._process.pid}")
        status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert status["Threads"] == "1"
        limits = (folder / "limits").read_text()
        uids = {int(each) for each in status["Uid"].split()}
        environment = None
        if os.geteuid() == 0:
            assert all(FIRST_UID <= each < FIRST_UID + UIDS for each in uids)
            assert status["CapEff"].strip("0") == status["CapPrm"].strip("0") == ""
            environment = (folder / "environ").read_bytes()
            assert sorted(each.name for each in (folder / "fd").iterdir()) == ["10", "11"]
        else:
            assert uids == {os.geteuid()}
    assert environment is None or (
        b"DJANGO" not in environment and b"SECRET" not in environment and b"PATH" not in environment
    )
    for name in ("Max file size", "Max core file size", "Max processes"):
        (row,) = (line for line in limits.splitlines() if line.startswith(name))
        assert row.split()[len(name.split())] == "0", row


def test_a_call_leaves_no_process_and_no_descriptor(zygote: Zygote) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for source in (HONEST, "x", "def compute(data, params):\n    while True: pass\n"):
        called(zygote, source)
    assert len(os.listdir("/proc/self/fd")) == before
    children = Path(f"/proc/{zygote._process.pid}/task/{zygote._process.pid}/children")
    if children.exists():
        assert children.read_text() == ""


def test_want_of_descriptors_is_an_error_and_loses_none() -> None:
    """Without room for the pipes, and then for the handle that the zygote sends."""
    needs_filter()
    own = Zygote()
    before = set(os.listdir("/proc/self/fd"))
    highest = max(map(int, before))
    fillers = [os.dup(2)]
    while fillers[-1] <= highest:
        fillers.append(os.dup(2))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        for left in range(5):
            resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1] + 1 + left, hard))
            with pytest.raises(SandboxUnavailable):
                own.fork(memory_bytes=1 << 28, cpu_seconds=5)
            assert own.alive() == (left < 4)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        own.close()
        for each in fillers:
            os.close(each)
    assert len(os.listdir("/proc/self/fd")) == len(before) - 1, "the zygote's socket is closed, and all else"


def test_without_the_filter_nothing_runs() -> None:
    needs_filter()
    done = subprocess.run([sys.executable, "-c", _WITHOUT], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["the kernel takes no filter of system calls (seccomp)"] * 2


def test_root_that_may_become_nobody_runs_nothing() -> None:
    needs_filter()
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, and setpriv")
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + (
        "from signals.functions.sandbox.probe import why_unavailable\n"
        "from signals.functions.sandbox.starter import SandboxUnavailable, Zygote\n"
        "print(why_unavailable())\n"
        "try:\n    Zygote()\nexcept SandboxUnavailable as error:\n    print(error)\n"
    )
    command = ["setpriv", "--bounding-set=-setuid,-setgid", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "setpriv" in done.stderr and "failed" in done.stderr:
        pytest.skip(done.stderr)
    probe, zygote = done.stdout.splitlines()
    assert probe == "the service runs as root and may not become another user"
    assert "does not start: PermissionError" in zygote


def test_an_ordinary_user_has_the_filter_too() -> None:
    needs_filter()
    if os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user already")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    # Python may be installed where only root looks: the user keeps the right to read, and no other.
    only = "+dac_read_search"
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    command += [f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set=-all,{only}"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*command, sys.executable, "-c", _AS_A_USER],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "setpriv" in done.stderr and "failed" in done.stderr:
        pytest.skip(done.stderr)
    assert done.stdout.splitlines() == ["65534 1.0", "PermissionError"], done.stderr


@pytest.mark.django_db
def test_ready_says_that_functions_are_refused(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(headers={"host": "localhost"})
    if not running.unavailable():
        assert orjson.loads(client.get("/ready").content) == {"status": "ok"}
    settings.FUNCTIONS_ENABLED = False
    answer = client.get("/ready")
    assert answer.status_code == 200, "everything else works"
    assert orjson.loads(answer.content) == {"status": "ok", "functions": "refused: FUNCTIONS_ENABLED is off"}


def test_a_killed_service_leaves_no_process_behind() -> None:
    needs_filter()
    program = f"""
import sys
import time
sys.path.insert(0, {str(ROOT)!r})
from signals.functions.sandbox.process import FunctionProcess, Limits
from signals.functions.sandbox.starter import Zygote
zygote, limits = Zygote(), Limits(cpu_seconds=60, wall_seconds=60, batch_seconds=60)
process = FunctionProcess("def compute(data, params):\\n    while True: pass\\n", limits, zygote)
print(zygote._process.pid, process._process.pid, flush=True)
process.call({{}}, {{}})
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        pids = [int(each) for each in service.stdout.readline().split()]
        service.kill()
    assert len(pids) == 2
    until = time.monotonic() + 10
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
