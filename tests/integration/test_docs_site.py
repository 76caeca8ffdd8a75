"""The docs site: Sphinx builds it without a warning, and the service serves what was built and nothing beside it."""

import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.test import Client

from tests.integration.processes import ROOT

OUTSIDE = re.compile(r"<(?:script|link|img|iframe)[^>]*\b(?:src|href)=\"(?:https?:)?//[^\"]*\"", re.I)
IMPORTED = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", re.I)
INLINE = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|<style\b|<[^<>]*\s(?:style|on\w+)=\"", re.I)
PAGE = b"<title>a page</title>"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built as `make check` builds it."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"]
    done = subprocess.run(
        [*command, "--doctree-dir", str(folder / "doctrees"), "docs", str(folder / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


def test_every_page_is_in_the_site(built: Path) -> None:
    pages = [file.relative_to(ROOT / "docs") for file in (ROOT / "docs").rglob("*.md") if "_build" not in file.parts]
    assert len(pages) > 14
    menu = (built / "index.html").read_text()
    for page in pages:
        assert (built / page.with_suffix(".html")).is_file(), page
        if page.parent == Path() and page.stem != "index":
            assert f'href="{page.stem}.html"' in menu, page


def test_the_site_loads_nothing_from_elsewhere_and_runs_nothing_inline(built: Path) -> None:
    for page in built.rglob("*.html"):
        text = page.read_text()
        assert not OUTSIDE.findall(text), page
        assert not INLINE.findall(text), page
    for sheet in built.rglob("*.css"):
        assert not IMPORTED.findall(sheet.read_text()), sheet


def test_the_reference_shows_the_docstrings(built: Path) -> None:
    page = (built / "reference/engine.html").read_text()
    assert 'id="signals.greeks.core.engine.implied_greeks"' in page and "NO_TIME_VALUE" in page
    assert "<code" in page and "`status`" not in page


def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("_build", "reference", "*.md"))
    (tmp_path / "docs" / "index.md").write_text("# Index\n\n[nowhere](no-such-page.md) and [none](#no-such-heading)\n")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "--quiet", "-W", "--keep-going", str(source), str(tmp_path / "html")],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "no-such-page.md" in done.stderr and "no-such-heading" in done.stderr


@pytest.fixture
def site(tmp_path: Path, settings: object) -> Path:
    folder = tmp_path / "html"
    (folder / "reference").mkdir(parents=True)
    (folder / "index.html").write_bytes(PAGE)
    (folder / "reference" / "index.html").write_bytes(PAGE)
    (folder / "_static").mkdir()
    for name in ("a.js", "a.css", "a.svg", "a.png", "objects.inv"):
        (folder / "_static" / name).write_bytes(b"x")
    (folder / ".buildinfo").write_text("hidden")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "loop").symlink_to(folder / "loop")
    settings.DOCS_SITE = folder  # type: ignore[attr-defined]
    return folder


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("", "text/html; charset=utf-8"),
        ("index.html", "text/html; charset=utf-8"),
        ("reference/", "text/html; charset=utf-8"),
        ("_static/a.js", "text/javascript; charset=utf-8"),
        ("_static/a.css", "text/css; charset=utf-8"),
        ("_static/a.svg", "image/svg+xml"),
        ("_static/a.png", "image/png"),
        ("_static/objects.inv", "application/octet-stream"),
    ],
)
def test_files_of_the_site_are_served_to_strangers(site: Path, client: Client, path: str, content_type: str) -> None:
    answer = client.get(f"/docs/{path}")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == content_type
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    again = client.get(f"/docs/{path}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304 and not again.content


def test_a_file_that_changed_has_another_etag(site: Path, client: Client) -> None:
    before = client.get("/docs/").headers["ETag"]
    (site / "index.html").write_bytes(PAGE + b" changed")
    answer = client.get("/docs/", headers={"If-None-Match": before})
    assert answer.status_code == 200 and answer.headers["ETag"] != before


@pytest.mark.parametrize(
    "path",
    [
        "nothing.html",
        "../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "reference/../../secret",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "link",
        ".buildinfo",
        "index.html/more",
        "index.html/",
        "reference//",
        "/index.html",
        "loop",
        "loop/",
        "loop/index.html",
        "a%00b",
        "x" * 5000,
        "_static",
        "%F0%9F%92%A9",
    ],
)
def test_nothing_beside_the_site_is_served(site: Path, client: Client, path: str) -> None:
    answer = client.get(f"/docs/{path}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8" and b"/docs/" in answer.content


def test_a_folder_has_its_slash(site: Path, client: Client) -> None:
    """Without it the links of its page would lead elsewhere."""
    answer = client.get("/docs/reference?a=b%20c")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/docs/reference/?a=b%20c")
    (site / "a b").mkdir()
    (site / "a b" / "index.html").write_bytes(PAGE)
    assert client.get("/docs/a%20b").headers["Location"] == "/docs/a%20b/"


def test_a_file_that_goes_meanwhile_is_no_page(site: Path, client: Client) -> None:
    """`make docs` replaces files."""
    ended, file = threading.Event(), site / "index.html"

    def replace() -> None:
        while not ended.is_set():
            file.unlink()
            file.write_bytes(PAGE)

    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(replace)
        try:
            answers = {client.get("/docs/").status_code for _ in range(1_000)}
        finally:
            ended.set()
        replacing.result()
    assert 200 in answers <= {200, 404}


def test_only_reading_is_taken(site: Path, client: Client) -> None:
    assert client.head("/docs/").status_code == 200
    assert client.post("/docs/").status_code == 405
    assert client.get("/docs").headers["Location"] == "/docs/"


def test_where_nothing_was_built_the_answer_says_what_to_do(tmp_path: Path, client: Client, settings: object) -> None:
    settings.DOCS_SITE = tmp_path / "none"  # type: ignore[attr-defined]
    answer = client.get("/docs/engine.html")
    assert answer.status_code == 404 and b"make docs" in answer.content
