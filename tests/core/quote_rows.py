"""One row of quotes, written and read in ways."""

from pathlib import Path
from typing import Any

from signals.importers.core.mapping import Mapping
from signals.importers.core.presets import PRESETS
from signals.importers.quote_files import QuoteFrame, read_quote_frame

PLAIN = PRESETS["plain"]
HEADER = "exchange,symbol,expiry,strike,right,time,bid,ask,last,volume"
ROW = "NSE,NIFTY,2026-08-27,24000,call,2026-08-20T10:00:00,100,101,100.5,650"
KEY = "NSE@NIFTY@equity_options@2026-08-27@call@24000"


def read(path: Path, data: bytes | str, mapping: Mapping = PLAIN) -> QuoteFrame:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_quote_frame(path, mapping)


def rows(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


def changed(**values: str) -> str:
    return ",".join(values.get(name, value) for name, value in zip(HEADER.split(","), ROW.split(","), strict=True))


def only(found: QuoteFrame) -> Any:
    assert not found.counts, found.rejected
    assert len(found.table) == 1
    return found.table.iloc[0]
