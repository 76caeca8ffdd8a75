"""The client as others get it: built as a wheel, and installed into a venv of its own."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "batch" / "client"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", str(out), str(SOURCE))
    (made,) = out.iterdir()
    return made


def installed(wheel: Path, folder: Path, *, borrowing: bool = False) -> str:
    """Return the Python of a fresh venv where the wheel is installed.

    Its dependencies are installed from the index, or `borrowing` takes them from this environment, which is quicker.
    """
    venv.create(folder, with_pip=False)  # pip takes seconds to install, and the one here installs elsewhere too
    python = str(folder / "bin" / "python")
    pip("--python", python, "install", *(["--no-deps"] if borrowing else []), str(wheel))
    if borrowing:
        ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        packages = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
        paths = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
        Path(packages, "borrowed.pth").write_text("\n".join(sorted(paths)) + "\n")
    return python


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
