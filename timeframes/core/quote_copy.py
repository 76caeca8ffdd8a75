"""Quotes as the bytes of PostgreSQL's binary COPY, built from whole columns."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_MICROS_TO_2000 = 946_684_800_000_000  # PostgreSQL counts from 2000


def quote_rows(
    texts: Sequence[str],
    place: NDArray[np.int64],
    time: NDArray[np.int64],
    source: str,
    numbers: Sequence[NDArray[np.float64]],
) -> Iterator[bytes]:
    """Yield rows of (text, timestamptz, text, float8 ...): `texts[place]`, `time`, `source` and the numbers.

    `time` is in microseconds since 1970. A NaN is null. Rows of one shape (length of text, which numbers are null) have
    one size, so each shape is one block of memory; rows keep their order within a shape only.
    """
    encoded = [text.encode() for text in texts]
    names, origin = np.array(encoded), source.encode()
    shape = np.array([len(each) for each in encoded], dtype=np.int64)[place]
    for column in numbers:
        shape = shape * 2 + np.isnan(column)
    order = np.argsort(shape, kind="stable")
    ends = np.flatnonzero(np.diff(shape[order])) + 1
    for some in np.split(order, ends):
        first = int(some[0])
        length = len(encoded[place[first]])
        fields = [("count", ">i2"), ("key_size", ">i4"), ("key", f"S{length}"), ("time_size", ">i4"), ("time", ">i8")]
        fields += [("source_size", ">i4"), ("source", f"S{len(origin)}")]
        for at, column in enumerate(numbers):
            fields.append((f"size{at}", ">i4"))
            if not np.isnan(column[first]):
                fields.append((f"number{at}", ">f8"))
        rows = np.zeros(len(some), dtype=fields)
        rows["count"] = 3 + len(numbers)
        rows["key_size"], rows["key"] = length, names[place[some]]
        rows["time_size"], rows["time"] = 8, time[some] - _MICROS_TO_2000
        rows["source_size"], rows["source"] = len(origin), origin
        for at, column in enumerate(numbers):
            if np.isnan(column[first]):
                rows[f"size{at}"] = -1
            else:
                rows[f"size{at}"], rows[f"number{at}"] = 8, column[some]
        yield rows.tobytes()
