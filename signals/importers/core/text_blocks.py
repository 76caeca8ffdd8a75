"""Cuts a stream of bytes into blocks of whole lines, in bounded memory whatever the stream holds."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from signals.importers.core.raw_table import NotATable, Rejects

MAX_LINE = 1 << 20
"""A longer line is rejected: it is no row of prices."""
MAX_SKIPPED = 64 << 20
"""Bytes without a line end after which a file is no text."""
MAX_LINES = 200_000
TOO_LONG = "line too long"
BLOCK = 8 << 20


@dataclass
class TextBlocks:
    """Cuts a stream into blocks of whole lines. `number` is the line with which the next block begins."""

    chunks: Iterator[bytes]
    rest: bytes = b""
    number: int = 1
    blank: int = 0  # bytes of blank lines in a row
    rejects: Rejects = field(default_factory=Rejects)

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        for chunk in self.chunks:
            self.rest += chunk
            if len(self.rest) < BLOCK:
                continue
            if (end := self.rest.rfind(b"\n") + 1) == 0:
                yield from self._skip_line()
                continue
            block, self.rest = self.rest[:end], self.rest[end:]
            yield from self._numbered(block)
        if self.rest:
            block, self.rest = self.rest, b""
            yield from self._numbered(block)

    def _numbered(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Number the lines, in parts of at most MAX_LINES."""
        if not block.strip():
            self.number += block.count(b"\n")
            self.blank += len(block)
            if self.blank > MAX_SKIPPED:
                raise NotATable(f"over {MAX_SKIPPED >> 20} MiB of blank lines end at line {self.number:,}")
            return
        self.blank = 0
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
        at = 0
        for end in [*ends[MAX_LINES - 1 :: MAX_LINES].tolist(), len(block)]:
            if part := block[at:end]:
                start = self.number
                self.number += part.count(b"\n") + (not part.endswith(b"\n"))
                yield start, part
            at = end

    def _skip_line(self) -> Iterator[tuple[int, bytes]]:
        """Reject a line longer than a block, and leave an empty one in its place."""
        skipped, beginning = len(self.rest), self.rest[:200]
        for chunk in self.chunks:
            end = chunk.find(b"\n")
            skipped += len(chunk) if end < 0 else end
            if skipped > MAX_SKIPPED:
                raise NotATable(f"line {self.number} has no end within {MAX_SKIPPED >> 20} MiB: this is no text")
            if end >= 0:
                self.rest = chunk[end + 1 :]
                break
        else:
            self.rest = b""
        self.rejects.add(self.number, TOO_LONG, f"{skipped:,} bytes", beginning.decode("latin-1"))
        self.number += 1
        if not self.rest:
            yield self.number - 1, b"\n"  # carries the rejected line, if it is the last
