"""Measure the same subjects on an earlier commit, in the same run: `make bench ONLY=batch BEFORE=458e1be`.

The commit gets a temporary checkout next to ours. It runs its own `bench`, with our Python and libraries, on its own
servers and state folder.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from signalsite.embedded.state import CHECKOUT

_STATE = "from signalsite.embedded.state import own_state_dir; print(own_state_dir())"


def run(commit: str, subjects: Sequence[str]) -> dict[str, float]:
    """Return the figures by name. Subjects that the commit lacks have none."""
    with _checked_out(commit) as folder:
        known = [name for name in subjects if (folder / "bench" / f"{name}.py").exists()]
        if not known:
            return {}
        print(f"-- {commit}: {', '.join(known)}", flush=True)
        environment = {name: value for name, value in os.environ.items() if name not in ("BEFORE", "SIGNALSITE_STATE")}
        subprocess.run(
            [sys.executable, "-m", "bench"], cwd=folder, env={**environment, "ONLY": ",".join(known)}, check=True
        )
        print("-- now", flush=True)
        figures: dict[str, float] = json.loads((folder / "bench" / "out" / "latest.json").read_text())
        return figures


def show(commit: str, before: Mapping[str, float], now: Mapping[str, float]) -> None:
    print(f"\n| figure | {commit} | now |\n| --- | --- | --- |")
    for name in sorted(before.keys() & now.keys()):
        print(f"| {name} | {before[name]:,.4g} | {now[name]:,.4g} |")


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-") as parent:
        folder = Path(parent) / "before"
        _git("worktree", "add", "--quiet", "--detach", str(folder), commit)
        try:
            yield folder
        finally:
            state = subprocess.run(
                [sys.executable, "-c", _STATE], cwd=folder, capture_output=True, text=True
            ).stdout.strip()
            if state:
                shutil.rmtree(f"{state}-bench", ignore_errors=True)
            _git("worktree", "remove", "--force", str(folder))


def _git(*arguments: str) -> None:
    if subprocess.run(["git", *arguments], cwd=CHECKOUT).returncode:
        raise SystemExit(f"git {' '.join(arguments)} failed: BEFORE takes a commit that this clone holds")
