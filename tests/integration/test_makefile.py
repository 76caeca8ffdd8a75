"""Which Pythons the Makefile accepts, and when it recreates the venv."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tests.integration.processes import ROOT

RANGE = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])


def make(*arguments: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *arguments], cwd=ROOT, env=kept, capture_output=True, text=True, check=False)


def interpreter(folder: Path, version: str) -> Path:
    """This Python, which claims another version."""
    parts = tuple(int(part) for part in version.split("."))
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.version_info = {parts}\nsys.version = '{version} (x)'\n")
    program = folder / "python3"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={folder} exec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("version", ["3.10.13", "3.15.0", "4.0.0"])
@pytest.mark.parametrize("target", ["setup", "test", "lock"])
def test_a_python_outside_the_range_is_refused_before_anything_is_made(
    tmp_path: Path, version: str, target: str
) -> None:
    assert version not in RANGE
    venv = tmp_path / "venv"
    done = make(target, f"VENV={venv}", f"PYTHON={interpreter(tmp_path, version)}")
    assert done.returncode == 2
    assert f"Python 3.11 or newer, below 3.15, is needed; {tmp_path}/python3 is {version}." in done.stderr
    assert not venv.exists() and not done.stdout


@pytest.mark.parametrize("version", ["3.11.0", "3.12.9", "3.13.1", "3.14.0"])
def test_every_python_of_the_range_will_do(tmp_path: Path, version: str) -> None:
    assert version in RANGE
    python = interpreter(tmp_path, version)
    done = make("--dry-run", "setup", f"VENV={tmp_path / 'venv'}", f"PYTHON={python}")
    assert done.returncode == 0 and f"{python} -m venv --clear" in done.stdout


def test_no_python_is_said_too(tmp_path: Path) -> None:
    done = make("setup", f"VENV={tmp_path / 'venv'}", f"PYTHON={tmp_path / 'none'}")
    assert done.returncode == 2 and f"{tmp_path}/none is not there." in done.stderr


@pytest.mark.parametrize("half", ["no mark", "killed in pip", "no python", "another python"])
def test_a_venv_that_is_not_whole_is_made_anew(tmp_path: Path, half: str) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.symlink_to(sys.executable)
    for name in (".made", ".installed-requirements", ".collected-static"):
        (venv / name).touch()
    anew = "-m venv --clear"
    assert anew not in make("--dry-run", "setup", f"VENV={venv}").stdout
    match half:
        case "no mark":
            (venv / ".made").unlink()
        case "killed in pip":
            (venv / ".installing").touch()
        case "no python":
            python.unlink()
            python.symlink_to(tmp_path / "removed")
        case "another python":
            python.unlink()
            interpreter(venv / "bin", "3.10.0").rename(python)
    planned = make("--dry-run", "setup", f"VENV={venv}").stdout
    assert anew in planned and "install --quiet" in planned


def test_the_docs_site_is_built_where_it_is_served_from_and_checked_for_warnings() -> None:
    assert "sphinx --quiet" in make("--dry-run", "docs").stdout
    assert "docs/_build/html --fail-on-warning --keep-going --fresh-env" in make("--dry-run", "check").stdout
    (line,) = re.findall(r"^up: .*\n(?:\t.*\n)*", (ROOT / "Makefile").read_text(), re.M)
    assert "$(SITE)" in line
