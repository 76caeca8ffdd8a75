"""The formats that results are given in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    name: str  # also the ending of its files
    media_type: str
    rows_per_page: int  # 1 MB of Greeks: an export whose reader takes nothing holds it twice
    parameters: str = ""
    compressed: bool = False  # by itself: a content coding would only cost

    @property
    def content_type(self) -> str:
        return self.media_type + self.parameters


FORMATS = {
    each.name: each
    for each in (
        Format("ndjson", "application/x-ndjson", 2500),
        Format("csv", "text/csv", 2500, "; charset=utf-8; header=present"),
        Format("parquet", "application/vnd.apache.parquet", 5000, compressed=True),
        Format("arrow", "application/vnd.apache.arrow.stream", 5000),
    )
}
