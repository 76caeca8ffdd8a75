"""The client as others get it: built as a wheel, and installed into a venv of its own."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "batch" / "client"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(out), str(SOURCE))
    (made,) = out.iterdir()
    return made


def installed(wheel: Path, folder: Path, extras: str = "") -> str:
    """Return the Python of a fresh venv where the wheel is installed."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    pip(python, "install", f"{wheel}{extras}")
    return python


def pip(python: str, *arguments: str) -> None:
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
