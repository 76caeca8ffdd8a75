"""Compute a day of an exchange from the command line, with `batch_greeks` and with a script. python -m bench.day

The script uses pandas and py_vollib, and reads the exchange's file. For `batch_greeks`, the day is imported and the
servers run, but no worker does, so starting workers counts. Each round deletes the earlier jobs, so computing counts
too. This needs a file of a whole day in ../shared/data.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.state import CHECKOUT, own_state_dir

DAY = CHECKOUT.parent / "shared" / "data" / "1_bhavcopy" / "fo_legacycols_20260611.csv.gz"
SCRIPT = Path(__file__).with_name("day_script.py")
ROUNDS = 5
FORGET = "from batch.models import Job; Job.objects.all().delete()"  # or the next job would reuse its answers


def run() -> dict[str, float]:
    if not DAY.exists():
        print(f"left out: no {DAY.name} in {DAY.parent}")
        return {}
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    with keep_running(wait=True), tempfile.TemporaryDirectory() as folder:
        for arguments in (["migrate", "-v0"], ["flush", "--noinput", "-v0"], ["import_bhavcopy", str(DAY)]):
            _seconds(["manage.py", *arguments])
        ours, theirs = Path(folder) / "ours.csv", Path(folder) / "theirs.csv"
        command = ["manage.py", "batch_greeks", "--out", str(ours)]
        script = [str(SCRIPT), str(DAY), str(theirs)]
        _seconds(command)  # warm: files read once
        _seconds(script)
        taken = []
        for _ in range(ROUNDS):
            _seconds(["manage.py", "shell", "-v0", "-c", FORGET])
            taken.append((_seconds(command), _seconds(script)))
        rows = [path.read_bytes().count(b"\n") - 1 for path in (ours, theirs)]
    cli, peer = (median(each) for each in zip(*taken, strict=True))
    print("\n| a day, from command to file | batch_greeks | pandas and py_vollib |\n| --- | --- | --- |")
    print(f"| options | {rows[0]:,} | {rows[1]:,} |")
    print(f"| seconds, median of {ROUNDS} | {cli:.2f} | {peer:.2f} |")
    return {"batch.day_cli_seconds": cli, "batch.day_script_seconds": peer}


def _seconds(arguments: list[str]) -> float:
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - begun


if __name__ == "__main__":
    run()
