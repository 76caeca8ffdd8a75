"""The formats of exports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    name: str  # also the file extension
    media_type: str
    rows_per_page: int  # 1 MB of Greeks; an export with a stalled reader holds two pages
    parameters: str = ""
    compressed: bool = False  # already; a content coding would only cost time
    is_text: bool = False

    @property
    def content_type(self) -> str:
        return self.media_type + self.parameters


FORMATS = {
    each.name: each
    for each in (
        Format("ndjson", "application/x-ndjson", 2500, is_text=True),
        Format("csv", "text/csv", 2500, "; charset=utf-8; header=present", is_text=True),
        Format("parquet", "application/vnd.apache.parquet", 5000, compressed=True),
        Format("arrow", "application/vnd.apache.arrow.stream", 5000),
    )
}

SUFFIXES = {f".{name}": name for name in ("csv", "parquet", "ndjson", "arrow")}
"""The format of a file that a command writes, by its suffix."""
