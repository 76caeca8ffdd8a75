"""The samples of docs/client.md, run as they stand with the installed wheel against the real service."""

import os
import re
import subprocess
from pathlib import Path

from tests.client_wheel import installed, wheel
from tests.e2e.conftest import ROOT
from tests.e2e.sockets import publish

__all__ = ["wheel"]  # a fixture


def test_the_samples_of_the_docs_run_as_they_stand(
    wheel: Path, address: str, passwords: dict[str, str], tmp_path: Path
) -> None:
    python = installed(wheel, tmp_path / "venv", borrowing=True)
    publish("SIM@NIFTY", equity_spot={"ltp": 24010.5})
    samples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "client.md").read_text(), re.DOTALL)
    assert len(samples) == 5
    text = "\n".join(samples).replace('"demo"', '"alice"')  # the account that these tests have
    (tmp_path / "samples.py").write_text(text)
    environment = {"SIGNALS_URL": address, "SIGNALS_PASSWORD": passwords["alice"], "PATH": os.environ["PATH"]}
    command = [python, "-W", "error", "samples.py"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("completed", "results", "rows in batches", "SIM@NIFTY@equity_spot", "400 [('params.forward'"):
        assert words in done.stdout
    assert (tmp_path / "greeks.parquet").read_bytes()[:4] == b"PAR1"
