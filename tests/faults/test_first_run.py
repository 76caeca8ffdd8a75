"""Kill `make setup` at a random moment on a new state: the next `make demo` works.

What is there after the kill is what a user has: half a venv, half a package, a database being created.
"""

import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import django.contrib.admin
import pytest

from signalsite.embedded.state import own_state_dir
from tests.integration.processes import ROOT, fresh_state, running_on, until

SOURCES = ("Makefile", "manage.py", "pyproject.toml", "requirements.txt", "requirements-dev.txt")
FOLDERS = ("signalsite", "timeframes", "signals", "moneyness", "realtime", "batch", "migrations", "templates")
MARKS = (".made", ".installed-requirements", ".installed-requirements-dev", ".collected-static")


@dataclass
class Checkout:
    """A checkout with its own venv and state, and with its own account if we are root."""

    folder: Path
    venv: Path
    state: Path
    account: str
    variables: dict[str, str]

    def make(self, *arguments: str) -> "subprocess.Popen[str]":
        # Without the variables of the tests' processes and of an outer make.
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        kept |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        own = {"SIGNALSITE_STATE": str(self.state), "SIGNALSITE_SYSTEM_USER": self.account}
        python = Path(sys.base_prefix) / "bin" / "python3"
        return subprocess.Popen(
            ["make", f"VENV={self.venv}", f"PYTHON={python}", *arguments],
            cwd=self.folder,
            env={**kept, **own, **self.variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def setup_killed_after(self, seconds: float, *, servers_too: bool) -> bool:
        """Return whether it was still running."""
        setup = self.make("setup")
        try:
            setup.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(setup.pid, signal.SIGKILL)
            for pid in running_on(self.state) if servers_too else ():  # keepers and servers are outside the group
                with suppress(ProcessLookupError):  # it has ended by itself
                    os.kill(pid, signal.SIGKILL)
        setup.wait()
        return setup.returncode == -signal.SIGKILL

    def setup(self) -> None:
        run = self.make("setup")
        said = run.communicate(timeout=600)[0]
        assert run.returncode == 0, said[-5000:]

    def demo(self) -> None:
        run = self.make("demo", "ARGS=--items 100")
        said = run.communicate(timeout=600)[0]
        assert run.returncode == 0, said[-5000:]
        assert "100 answers read" in said, said[-5000:]

    def use_installed(self) -> None:
        """Use the packages of the current venv, so that nothing needs installing."""
        self.venv.mkdir()
        for name in ("bin", "lib", "pyvenv.cfg"):
            (self.venv / name).symlink_to(Path(sys.prefix) / name)
        for name in MARKS:
            (self.venv / name).touch()

    def begin_anew(self) -> None:
        """Remove state and account, as on a new machine."""
        until(lambda: not running_on(self.state), 30, "servers stopped")
        shutil.rmtree(self.state, ignore_errors=True)
        if os.geteuid() == 0:
            for command in ("userdel", "groupdel"):  # userdel also removes the group, if the user exists
                subprocess.run([f"/usr/sbin/{command}", self.account], capture_output=True, check=False)


@pytest.fixture
def here() -> Iterator[Checkout]:
    """This checkout with its compiled kernels, on a new state."""
    with fresh_state() as state:
        kernels = {"NUMBA_CACHE_DIR": f"{own_state_dir()}-test/numba"}
        checkout = Checkout(ROOT, state.parent / "venv", state, f"sigtest-{secrets.token_hex(4)}", kernels)
        yield checkout
        checkout.begin_anew()


@pytest.fixture
def copy() -> Iterator[Checkout]:
    """A fresh copy of this checkout."""
    with fresh_state() as state:
        folder = state.parent / "checkout"
        folder.mkdir()
        for name in SOURCES:
            shutil.copy2(ROOT / name, folder / name)
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        checkout = Checkout(folder, folder / ".venv", state, f"sigtest-{secrets.token_hex(4)}", {})
        yield checkout
        checkout.begin_anew()


@pytest.fixture
def kill_and_demo(measured: dict[str, float]) -> Callable[[Checkout, float], None]:
    def act(checkout: Checkout, longest: float) -> None:
        """Kill `make setup` within `longest` seconds, then run `make demo`."""
        seconds, servers_too = random.uniform(0.1, longest), random.random() < 0.5
        killed = checkout.setup_killed_after(seconds, servers_too=servers_too)
        begun = time.monotonic()
        checkout.demo()
        also = " with its servers" if servers_too else ""
        what = f"killed{also} after {seconds:.2f} s" if killed else f"not killed: done within {seconds:.2f} s"
        measured[f"make setup {what}: the next demo"] = time.monotonic() - begun

    return act


def test_a_setup_killed_once(here: Checkout, kill_and_demo: Callable[[Checkout, float], None]) -> None:
    here.use_installed()
    kill_and_demo(here, 5)


@pytest.mark.faults
def test_a_setup_killed_while_it_makes_the_state(
    copy: Checkout, kill_and_demo: Callable[[Checkout, float], None]
) -> None:
    """Interrupt collected files, account, initdb, database, migrations, kernels: twelve times on a new state."""
    copy.use_installed()
    (copy.venv / ".collected-static").unlink()
    begun = time.monotonic()
    copy.setup()
    setup = time.monotonic() - begun
    for _ in range(12):
        copy.begin_anew()
        (copy.venv / ".collected-static").unlink()
        kill_and_demo(copy, setup)
        check_collected(copy.folder / "staticfiles" / "admin")


@pytest.mark.faults
def test_a_setup_killed_while_it_installs(copy: Checkout, kill_and_demo: Callable[[Checkout, float], None]) -> None:
    """Interrupt the venv and its packages too (from pip's cache): eight times, without a venv or with an old one."""
    begun = time.monotonic()
    copy.setup()
    setup = time.monotonic() - begun
    for number in range(8):
        copy.begin_anew()
        if number % 4 == 3:
            (copy.venv / ".installed-requirements").unlink()
        else:
            shutil.rmtree(copy.venv)
        kill_and_demo(copy, setup)


def check_collected(folder: Path) -> None:
    source = Path(django.contrib.admin.__file__).parent / "static" / "admin"
    for file in (path for path in source.rglob("*") if path.is_file()):
        assert (folder / file.relative_to(source)).read_bytes() == file.read_bytes()
