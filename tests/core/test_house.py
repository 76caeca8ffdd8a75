"""The contracts of import-linter name every module that they speak of: a new one cannot slip past them."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    each["name"]: each
    for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}


def test_the_roof_is_forbidden_whole():
    on_disk = {
        f"signalsite.{each.stem}"
        for each in (ROOT / "signalsite").iterdir()
        if each.stem not in {"__init__", "foundation"} and (each.suffix == ".py" or (each / "__init__.py").exists())
    }
    assert set(CONTRACTS["No app imports the roof"]["forbidden_modules"]) == on_disk


def test_every_core_is_pure():
    on_disk = {
        ".".join(each.relative_to(ROOT).parts)
        for app in ("timeframes", "signals", "moneyness", "realtime", "batch")
        for each in (ROOT / app).rglob("core")
        if (each / "__init__.py").exists()
    }
    assert set(CONTRACTS["core is pure: no Django, Celery, Redis or I/O"]["source_modules"]) == on_disk
