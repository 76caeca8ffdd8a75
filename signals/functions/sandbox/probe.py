"""Whether users' functions can run here: asked once, in some milliseconds, without a zygote."""

import subprocess
import sys
from functools import cache

from signals.functions.inside.zygote import HELD
from signals.functions.sandbox.starter import ENVIRONMENT, FIRST_UID, PROGRAM, ROOT

PROBE_SECONDS = 10.0


@cache
def why_unavailable() -> str:
    """Return why no user's function can run here; empty if they can."""
    command = [sys.executable, "-I", "-S", "-B", str(PROGRAM.with_name("probe.py")), str(ROOT), str(FIRST_UID)]
    try:
        done = subprocess.run(
            command, env=ENVIRONMENT, cwd="/", capture_output=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the filter of system calls cannot be tried: {type(error).__name__}"
    if done.returncode == HELD:
        return ""
    if b"in become" in done.stderr:
        return "the service runs as root and may not become another user"
    return "the kernel takes no filter of system calls (seccomp)"
