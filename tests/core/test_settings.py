"""The settings and their page in the docs."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_docs_name_every_variable():
    text = "".join(each.read_text() for each in (ROOT / "signalsite/settings").glob("*.py"))
    read = set(re.findall(r"""env\.\w+\(\s*["'](\w+)["']""", text))
    assert len(read) > 80
    assert read <= set(re.findall(r"`(\w+)`", (ROOT / "docs/settings.md").read_text()))
