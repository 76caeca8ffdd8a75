"""What our docs need of Sphinx beyond its own: the sidebar, docstrings in plain text, and pages without inline code."""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.S)
INLINE_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.S)
STYLE_ATTRIBUTE = re.compile(r'(<[^<>]*?) style="([^"]*)"')
MOVED_STYLE = re.compile(r'<[^<>]*? data-style="([^"]*)"')
BACKTICKS = re.compile(r"(?<![`:])`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
LONG_TYPES = {stringify_annotation(ArrayLike, mode): "ArrayLike" for mode in ("fully-qualified-except-typing", "smart")}
SPECIAL = re.compile(r"([*|\\]|(?<=\w)_(?!\w))")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("sidebar", {}, "env")
    app.connect("source-read", add_sidebar)
    app.connect("autodoc-process-docstring", plain_docstring)
    app.connect("autodoc-process-signature", short_signature)
    app.connect("build-finished", move_inline_code)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_sidebar(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the table of contents to the index, in the order of `sidebar`."""
    if page != "index" or "{toctree}" in source[0]:
        return
    known = app.env.found_docs
    listed = {name: [each for each in pages if each in known] for name, pages in app.config.sidebar.items()}
    placed = {"index", *(each for pages in listed.values() for each in pages)}
    listed["More"] = sorted(each for each in known - placed if not each.startswith("reference/"))
    for caption, pages in listed.items():
        if pages:
            source[0] += "\n".join(
                ["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""],
            )


def plain_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Read a docstring as plain paragraphs with code in single backticks. An indented block is shown as it stands."""
    if any(line.lstrip().startswith((">>> ", ".. ", ":param", ":return")) for line in lines):
        return
    lines[:] = "\n".join(_reshaped(lines)).splitlines()


def short_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Write numpy's ArrayLike by its name, as the code does, and not as the union that it stands for."""
    for long, short in LONG_TYPES.items():
        signature = signature.replace(long, short) if signature else signature
    return signature, returns


def _reshaped(lines: list[str]) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines)):
        if paragraph.startswith((" ", "\t")):
            yield from ("::", "", paragraph, "")
        elif re.match(r"(\d+\.|[-*]) ", paragraph):
            yield from (_escaped(paragraph), "")
        else:
            yield from (_escaped("\n".join(line.strip() for line in paragraph.splitlines())), "")


def _escaped(text: str) -> str:
    """With code in double backticks, as RST writes it, and everything else taken literally."""
    parts = BACKTICKS.split(text)
    code = (f"``{' '.join(part.split())}``" for part in parts[1::2])
    words = (SPECIAL.sub(r"\\\1", part) for part in parts[::2])
    return next(words) + "".join(a + b for a, b in zip(code, words, strict=True))


def move_inline_code(app: Sphinx, exception: Exception | None) -> None:
    """Move scripts and styles out of the pages. The service's Content-Security-Policy runs nothing that is inline."""
    if exception is not None or app.builder.name != "html":
        return
    folder = Path(app.outdir)
    styles: set[str] = set()
    for page in folder.rglob("*.html"):
        up = "../" * (len(page.relative_to(folder).parts) - 1)
        text = page.read_text()
        moved = _moved(text, folder, up)
        styles.update(MOVED_STYLE.findall(moved))
        if moved != text:
            page.write_text(moved)
    rules = "".join(f'[data-style="{style}"] {{ {style} }}\n' for style in sorted(styles))
    (folder / "_static" / "moved.css").write_text(rules)  # site.css imports it


def _moved(text: str, folder: Path, up: str) -> str:
    text = INLINE_SCRIPT.sub(lambda it: f'<script src="{up}{_kept(folder, it[1], "js")}"></script>', text)
    text = INLINE_STYLE.sub(lambda it: f'<link rel="stylesheet" href="{up}{_kept(folder, it[1], "css")}">', text)
    return STYLE_ATTRIBUTE.sub(r'\1 data-style="\2"', text)


def _kept(folder: Path, code: str, suffix: str) -> str:
    digest = base64.b32encode(hashlib.sha256(code.encode()).digest())[:12].decode().lower()
    name = f"_static/moved-{digest}.{suffix}"
    (folder / name).write_text(code)
    return name
