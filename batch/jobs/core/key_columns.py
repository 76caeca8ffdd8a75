"""What instrument keys say, as columns: underlying, expiry, strike and right.

The keys of a chunk share most of their parts, so each different part is read once.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from timeframes.core.keys import InvalidInstrumentKey, parse_key

_TYPES = (pa.string(), pa.string(), pa.float64(), pa.string())  # underlying, expiry, strike, right
_PARTS = (
    ("{}@call@1", (0, 1)),
    ("A@B@equity_options@2026-12-29@{}@1", (3,)),
    ("A@B@equity_options@2026-12-29@call@{}", (2,)),
)
"""The parts of an option's key, split at its last two @: an option's key around each, and the columns it gives."""


def key_columns(keys: pa.ChunkedArray) -> list[pa.Array]:
    """Return underlying, expiry (YYYY-MM-DD), strike (float64) and right, null where a key has none.

    A text that is no key has none of them.
    """
    texts = keys.combine_chunks().cast(pa.string())  # of answers that are lost it has no type
    parts = pc.split_pattern(texts, "@", max_splits=len(_PARTS) - 1, reverse=True).flatten()
    if texts.null_count or len(parts) != len(_PARTS) * len(texts):
        return _each(texts)
    found: list[Any] = [None] * len(_TYPES)
    for place, (template, columns) in enumerate(_PARTS):
        words = parts.take(pa.array(np.arange(place, len(parts), len(_PARTS)))).dictionary_encode()
        values = [_values(template.replace("{}", word)) for word in words.dictionary.to_pylist()]
        for column in columns:
            found[column] = pa.array([value[column] for value in values], _TYPES[column]).take(words.indices)
    return _each(texts) if any(column.null_count for column in found) else found


def _each(texts: pa.Array) -> list[pa.Array]:
    """Read key by key: some are of spots or futures, or are no keys."""
    rows = [_values(text or "") for text in texts.to_pylist()]
    return [pa.array([row[place] for row in rows], type_) for place, type_ in enumerate(_TYPES)]


@lru_cache(maxsize=16_384)
def _values(text: str) -> tuple[str | None, str | None, float | None, str | None]:
    try:
        key = parse_key(text)
    except InvalidInstrumentKey:
        return None, None, None, None
    expiry = key.expiry.isoformat() if key.expiry else None
    return key.underlying, expiry, None if key.strike is None else float(key.strike), key.right.value or None
