"""The client's wheel, its types, and what `pip install .` of the project says."""

import email
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.client_wheel import ROOT, SOURCE, installed, wheel

__all__ = ["wheel"]  # a fixture

# Following the large packages takes most of the time. The client names only their tables.
CONFIGURATION = """
[mypy]
strict = true
python_version = 3.10
ignore_missing_imports = true
warn_unused_ignores = false
follow_imports = silent

[mypy-numpy.*,pandas.*,polars.*]
follow_imports = skip
"""


def test_the_wheel_has_each_module_once_and_its_types(wheel: Path) -> None:
    packed = {name.removeprefix("signalsite_client/") for name in zipfile.ZipFile(wheel).namelist()}
    source = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py")} | {"py.typed"}
    assert {name for name in packed if ".dist-info" not in name} == source


def test_it_stands_alone(wheel: Path, tmp_path: Path) -> None:
    python = installed(wheel, tmp_path / "venv")
    code = "import sys, signalsite_client; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    loaded = set(done.stdout.split())
    assert {"httpx", "signalsite_client"} <= loaded
    assert not {"batch", "django", "numpy", "pandas", "polars", "pyarrow"} & loaded


def test_its_extras_bring_what_the_tests_use(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        about = email.message_from_bytes(packed.read(name))
    needs = [Requirement(line) for line in about.get_all("Requires-Dist", [])]
    for need in needs:
        assert need.specifier.contains(version(need.name)), need
    brought = {
        extra: {each.name for each in needs if each.marker is not None and each.marker.evaluate({"extra": extra})}
        for extra in about.get_all("Provides-Extra", [])
    }
    assert brought == {"arrow": {"pyarrow"}, "pandas": {"pyarrow", "pandas"}, "polars": {"pyarrow", "polars"}}


def test_it_is_right_by_its_types_on_python_3_10(tmp_path: Path) -> None:
    (tmp_path / "signalsite_client").symlink_to(SOURCE)
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)
    command = [sys.executable, "-m", "mypy", "--config-file=mypy.ini", "-p", "signalsite_client"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("options", [[], ["--editable"]])
def test_the_project_itself_says_how_it_is_installed(options: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "install", "--no-deps", *options, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "runs from this folder" in said and "pip install ./batch/client" in said and "make setup" in said
    assert "Traceback" not in said
