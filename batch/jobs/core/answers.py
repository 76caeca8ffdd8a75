"""Pack a chunk's answers into one block of columns, and read rows from blocks."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from batch.jobs.core.items import KEY_NAMES, Items
from signalsite.foundation.blocks import UNREADABLE_BLOCK, Values, count_words, decode, encode, to_table
from signalsite.foundation.computations.columns import INSTRUMENT, PORTFOLIO

OK = "ok"
FAILED = "failed"
"""Used as a status word, this means every status but `ok`."""
_ITEM = "item"  # the column with the place of each row's item, if items may have several rows


@dataclass(frozen=True, slots=True)
class Block:
    """`counts`: rows by status word. `completed`: number of items whose rows all have a value."""

    data: bytes
    rows: int
    counts: Mapping[str, int]
    completed: int


def pack(items: Items, columns: Mapping[str, Values], item: np.ndarray | None = None) -> Block:
    """Pack the answers to these items. `item`: the item of each row, ascending; None if each item has one row.

    An item refused at submission keeps its reason, whatever the computation answered.
    """
    table = to_table(columns)
    if items.refused:
        table = _refuse(table, items.refused, item)
    counts = count_words(table.column("status"))
    if item is None:
        completed = counts.get(OK, 0)
    else:
        failed = item[pc.not_equal(table.column("status"), OK).to_numpy()]
        completed = len(items) - len(np.unique(failed))
        table = table.add_column(0, _ITEM, pa.array(item, pa.int32()))
    return Block(encode(table), len(table), counts, completed)


def without_value(items: Items, names: Sequence[str], status: str, reason: str) -> Block:
    """Pack a retryable row for each item, with the reason why it was not computed."""
    count = len(items)
    columns: dict[str, list[Any]] = {name: [None] * count for name in names}
    return pack(items, columns | {"status": [status] * count, "reason": [reason] * count, "retryable": [True] * count})


def _refuse(table: pa.Table, refused: Mapping[int, str], item: np.ndarray | None) -> pa.Table:
    places = np.arange(len(table)) if item is None else item
    where = pa.array(np.isin(places, list(refused)))
    verdict = {"status": "bad_input", "retryable": False}
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        columns[name] = pc.if_else(where, pa.scalar(verdict.get(name), column.type), column)
    reasons = zip(places.tolist(), columns["reason"].to_pylist(), strict=True)
    columns["reason"] = pa.array([refused.get(place, reason) for place, reason in reasons], pa.string())
    return pa.table(columns)


def whole(answer_block: bytes, item_block: bytes, first_position: int) -> pa.Table:
    """Return the rows of a chunk as callers get them: the item's identity, then its answer."""
    answers = decode(answer_block)
    if _ITEM in answers.column_names:
        places = answers.column(_ITEM).to_numpy()
        answers = answers.drop_columns([_ITEM])
    else:
        places = np.arange(len(answers))
    identity: dict[str, Any] = {"position": pa.array(places + first_position, pa.int64())}
    asked = _asked(item_block)
    key = next((name for name in asked.column_names if name in KEY_NAMES), INSTRUMENT.column.name)
    for name in ("custom_id", key):
        known = name in asked.column_names
        identity[name] = _shown(asked, name).take(pa.array(places)) if known else pa.nulls(len(places), pa.string())
    return pa.table({**identity, **{name: answers.column(name) for name in answers.column_names}})


def _shown(asked: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column of the items as callers get it: of a portfolio, which may have a megabyte, a digest."""
    column = asked.column(name)
    if name != PORTFOLIO.column.name:
        return column
    texts = (text and hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in column.to_pylist())
    return pa.chunked_array([pa.array([text or None for text in texts], pa.string())])


def _asked(item_block: bytes) -> pa.Table:
    """Return the items, or an empty table if they are unreadable: their answers can be read all the same."""
    try:
        return decode(item_block)
    except UNREADABLE_BLOCK:
        return pa.table({})


def lost(rows: int, first_position: int) -> pa.Table:
    """Return rows that replace a chunk's unreadable ones, with the reason."""
    columns: dict[str, Any] = {
        "position": range(first_position, first_position + rows),
        "custom_id": [None] * rows,
        "instrument_key": [None] * rows,
        "status": ["internal_error"] * rows,
        "reason": ["the stored answer cannot be read"] * rows,
        "retryable": [False] * rows,
    }
    return pa.table({name: pa.array(list(values)) for name, values in columns.items()})


def rows_of_status(table: pa.Table, status: str) -> np.ndarray:
    """Return the places of the rows with this status word. Empty means all, and `failed` all but `ok`."""
    if not status:
        return np.arange(len(table))
    words = table.column("status")
    found = pc.not_equal(words, OK) if status == FAILED else pc.equal(words, status)
    return np.flatnonzero(found.to_numpy())


def count_of_status(counts: Mapping[str, int], status: str) -> int:
    """Count the rows that `rows_of_status` returns."""
    if not status:
        return sum(counts.values())
    return sum(counts.values()) - counts.get(OK, 0) if status == FAILED else counts.get(status, 0)


def places_of_status(answer_block: bytes, words: Sequence[str]) -> np.ndarray:
    """Return the places of the items that have a row with one of these status words."""
    answers = decode(answer_block)
    found = np.flatnonzero(pc.is_in(answers.column("status"), pa.array(words)).to_numpy())
    if _ITEM in answers.column_names:
        found = np.unique(answers.column(_ITEM).to_numpy()[found])
    return found.astype(np.int32)
