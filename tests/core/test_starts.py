"""What a command and a web process load when they start."""

import subprocess
import sys

from tests.integration.processes import ROOT

DJANGO = """
import os, sys
import django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
django.setup()
"""


def loaded(code: str, *names: str) -> str:
    code = f"{DJANGO}\n{code}\nprint(sorted({set(names)} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_neither_commands_nor_urls_load_the_kernels_which_takes_a_second() -> None:
    assert loaded("import signalsite.urls", "numba", "pandas", "scipy") == "[]\n"


def test_batch_greeks_forks_before_it_loads_what_the_workers_do_not_need() -> None:
    command = "import batch.management.commands.batch_greeks"
    assert loaded(command, "pandas", "rest_framework.serializers", "httpx", "signalsite.urls") == "[]\n"


def test_batch_greeks_needs_neither_urls_nor_views() -> None:
    running = "import batch.management.running"
    assert loaded(running, "numba", "httpx", "rest_framework.views", "signalsite.urls") == "[]\n"
