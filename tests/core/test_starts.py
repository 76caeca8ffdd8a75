"""What a command and a web process load when they start."""

import subprocess
import sys

from tests.integration.processes import ROOT

SCRIPT = """
import os, sys
import django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
django.setup()
import signalsite.urls
print(sorted({"numba", "pandas", "scipy"} & sys.modules.keys()))
"""


def test_neither_commands_nor_urls_load_the_kernels_which_takes_a_second() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
