"""docs/settings.md and the settings name the same variables."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
READ = re.compile(r"""env\.\w+\(\s*["'](\w+)["']""")


def documented() -> set[str]:
    rows = [line.split("|")[1] for line in (ROOT / "docs/settings.md").read_text().splitlines() if "|" in line]
    return {name for cell in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", cell)}


def test_every_setting_has_a_row() -> None:
    files = [path for path in (ROOT / "signalsite").rglob("*.py") if "settings" in path.relative_to(ROOT).as_posix()]
    read = {name for path in files for name in READ.findall(path.read_text())}
    assert read
    assert read - documented() == set()


def test_every_row_is_read_somewhere() -> None:
    code = "".join(path.read_text() for path in (ROOT / "signalsite").rglob("*.py"))
    assert [name for name in sorted(documented()) if f'"{name}"' not in code] == []
