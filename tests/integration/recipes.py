"""A copy of the project in which a recipe of CONTRIBUTING.md is followed, and the files that the recipe lists."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.integration.processes import ROOT, environment, fresh_state, running_on, until

CODE = ("signalsite", "timeframes", "signals", "moneyness", "realtime", "batch", "migrations", "templates")
BESIDE = ("docs", "deploy", "tests", "manage.py", "pyproject.toml", "docker-compose.yml", "CHANGELOG.md")
FILE = re.compile(r"`([\w./-]+\.(?:py|md|yml|example))`")


def files_of(recipe: str, name: str) -> set[str]:
    """Return the files that CONTRIBUTING.md says to touch: those that begin an entry of the recipe's list."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    section = page.partition(f"### {recipe}\n")[2].partition("\n##")[0]
    entries = [line.partition(":")[0] for line in section.splitlines() if re.match(r"\d+\. ", line)]
    return {file.replace("NAME", name) for entry in entries for file in FILE.findall(entry)}


class Copy:
    """The project in a folder of its own, with a database of its own."""

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder, self.state = folder, state
        self.touched: set[str] = set()

    def write(self, file: str, text: str) -> None:
        path = self.folder / file
        assert not path.exists(), f"{file} is there already"
        path.write_text(text)
        self.touched.add(file)

    def edit(self, file: str, before: str, after: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert before in text, f"{file} has no {before!r} any more"
        path.write_text(text.replace(before, after, 1))
        self.touched.add(file)

    def append(self, file: str, text: str) -> None:
        path = self.folder / file
        path.write_text(path.read_text() + text)
        self.touched.add(file)

    @contextmanager
    def servers(self) -> Iterator[None]:
        """Hold them: otherwise each command starts and stops its own."""
        command = [sys.executable, "manage.py", "services"]
        log = self.folder / "services.log"
        with (
            log.open("w") as output,
            subprocess.Popen(command, cwd=self.folder, env=self.environment(), stdout=output, stderr=output) as holder,
        ):
            try:
                until(lambda: "Ctrl-C" in log.read_text() or holder.poll() is not None, 60, "the servers run")
                assert holder.poll() is None, log.read_text()
                yield
            finally:
                holder.terminate()

    def environment(self, **variables: str) -> dict[str, str]:
        """Return that of a command. The engine's numpy twin answers: nobody waits for kernels to compile."""
        return {
            **environment(self.state),
            "PYTHONPATH": str(self.folder),
            "WORKERS": "1",
            "NUMBA_DISABLE_JIT": "1",
            **variables,
        }

    def run(self, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def manage(self, *arguments: str, **variables: str) -> str:
        done = self.run("manage.py", *arguments, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def test(self, *files: str) -> None:
        done = self.run("-m", "pytest", "-n0", *files)
        assert done.returncode == 0, done.stdout + done.stderr

    def stays_within_the_layers(self) -> None:
        done = self.run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def copied() -> Iterator[Copy]:
    with fresh_state() as state:
        folder = state.with_name("project")
        folder.mkdir(mode=0o755)
        for name in CODE:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in BESIDE:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, folder / name)
        copy = Copy(folder, state)
        with copy.servers():
            copy.manage("migrate", "-v0")
            yield copy
        until(lambda: not running_on(state), 30, "the servers have ended")


def follow(copy: Copy, recipe: str, name: str, new: Mapping[str, str]) -> None:
    """Write the recipe's new files, and check that with the edits made before they are all that the recipe lists."""
    for file, text in new.items():
        copy.write(file, text)
    assert copy.touched == files_of(recipe, name)
    copy.touched.clear()
