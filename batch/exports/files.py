"""Files that commands write: the same columns and formats as exports over HTTP."""

from pathlib import Path

import pyarrow as pa

from batch.exports.formats import SUFFIXES
from batch.exports.writers import WRITERS


def write_file(path: Path, rows: pa.Table) -> None:
    """Write rows in the format of the file's suffix, which is one of SUFFIXES."""
    with path.open("wb") as file:
        writer = WRITERS[SUFFIXES[path.suffix.lower()]](file, rows.schema)
        writer.write(rows)
        writer.close()
