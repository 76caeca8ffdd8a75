"""The pages that explain the code name functions and tests that are there, and show diagrams of their sources."""

import ast
import re
from pathlib import Path

import pytest

from docs.diagrams.draw import mark, sources

ROOT = Path(__file__).parents[2]
PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
REFERENCE = re.compile(r"`([\w/]+\.py)::([\w.:]+)`")
CALL = re.compile(r"\d+  ([\w.]+)\(\)")


def names(path: Path) -> set[str]:
    """Every function, class and method of a module, as Name and Class.name."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}" for each in node.body if hasattr(each, "name")}
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_function_that_a_page_names_is_there(page: str) -> None:
    references = REFERENCE.findall((ROOT / page).read_text())
    assert references
    gone = [
        f"{path}::{name}"
        for path, name in references
        if not (ROOT / path).exists() or name.replace("::", ".") not in names(ROOT / path)
    ]
    assert not gone


def test_the_diagrams_name_functions_of_the_tables() -> None:
    known = {name for _, name in REFERENCE.findall((ROOT / "docs/architecture.md").read_text())}
    shown = {call for source in sources() for call in CALL.findall(source.read_text())}
    assert shown
    assert shown <= known


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_a_diagram_is_drawn_from_its_source(source: Path) -> None:
    assert source.with_suffix(".svg").read_text().endswith(mark(source)), "make diagrams"
