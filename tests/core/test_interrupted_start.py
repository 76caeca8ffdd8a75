"""Ctrl-C while a command starts."""

import signal
import subprocess
import sys

import pytest

from signalsite.embedded.state import CHECKOUT

INTERRUPTED = """
import runpy, signal, sys

module, sys.argv = sys.argv[1], ["manage.py", "diffsettings"]
signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background, it is ignored

class Finder:
    def find_spec(name, path=None, target=None):
        if name == module:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Finder)
runpy.run_path("manage.py", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("module", "status"),
    [
        ("django.core.exceptions", -signal.SIGINT),
        ("signalsite.embedded.keep_running", -signal.SIGINT),
        ("signalsite.settings.storage", 130),
        ("signals.models", 130),
    ],
)
def test_a_command_that_is_interrupted_while_it_loads_a_module_shows_no_traceback(module, status):
    command = [sys.executable, "-c", INTERRUPTED, module]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
