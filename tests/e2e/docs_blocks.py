"""The fenced blocks of a page of docs, in order, each with what the page says of running it."""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

RUNNABLE = frozenset({"console", "bash", "sh", "python", "json", "http"})
MARKER = re.compile(r"<!--\s*(not run|send on a socket|file)\b:?\s*(.*?)\s*-->", re.S)
REASON_WORDS = 2  # "needs Docker" is the shortest reason that says anything


@dataclass(frozen=True, slots=True)
class Block:
    page: str
    line: int
    language: str  # "" where the fence names none, or the block is only indented
    code: str
    not_run: str | None = None  # the reason, which may be empty
    for_socket: bool = False
    file: str = ""  # where the reader is to save it

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path, name: str) -> list[Block]:
    found: list[Block] = []
    comment = ""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        if token.type in ("fence", "code_block"):
            words = token.info.split()
            marker = MARKER.search(comment)
            found.append(
                Block(
                    page=name,
                    line=(token.map or [0])[0] + 1,
                    language=words[0] if words else "",
                    code=token.content,
                    not_run=marker[2] if marker and marker[1] == "not run" else None,
                    for_socket=bool(marker and marker[1] == "send on a socket"),
                    file=Path(marker[2]).name if marker and marker[1] == "file" else "",
                )
            )
        comment = token.content if token.type == "html_block" else ""
    return found


def is_excused(block: Block) -> bool:
    """Whether the page says why this block is not run."""
    return block.not_run is not None and len(block.not_run.split()) >= REASON_WORDS
