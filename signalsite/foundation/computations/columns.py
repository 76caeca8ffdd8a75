"""What answers are about and what they have: kinds of items, columns, and status words. Pure: no Django."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: type  # str, float, bool or int; any value may be null
    help: str


@dataclass(frozen=True, slots=True)
class StatusWord:
    """A status of an answer. `retryable` means that a retry may succeed, since missing data may have arrived."""

    word: str
    help: str
    retryable: bool = False


OK = "ok"
BAD_INPUT = StatusWord("bad_input", "the item itself: no instrument's key, a bad field, a repeated `custom_id`")
CANCELLED = StatusWord("cancelled", "the job was cancelled first", retryable=True)
INTERNAL_ERROR = StatusWord("internal_error", "computing failed three times (the log says why)", retryable=True)
COMMON = (BAD_INPUT, CANCELLED, INTERNAL_ERROR)
"""Status words of every computation."""

PLACE = (
    Column("position", int, "Place of the item in the request, from 0."),
    Column("custom_id", str, "The caller's own name for the item."),
)
KEY_COLUMNS = (
    Column("underlying", str, "Of the key, such as NSE@NIFTY."),
    Column("expiry", str, "Of the key, as YYYY-MM-DD."),
    Column("strike", float, "Of the key."),
    Column("right", str, "Of the key: call or put."),
)
"""What files of instruments have besides, after the identity, so that no reader has to take keys apart."""


@dataclass(frozen=True, slots=True)
class ItemKind:
    """What the items of a computation are. `column`: the field that names an item, and the column of its answer.

    `by_terms`: an item may name an option by its terms instead. `key_columns`: what files take out of the key.
    """

    name: str
    column: Column
    by_terms: bool = False
    key_columns: Sequence[Column] = ()


INSTRUMENT = ItemKind("instrument", Column("instrument_key", str, "Which instrument."), True, KEY_COLUMNS)
UNDERLYING = ItemKind("underlying", Column("underlying", str, "Which underlying, such as NSE@NIFTY."))
PORTFOLIO = ItemKind("portfolio", Column("portfolio", str, "A digest of its legs: equal portfolios have equal ones."))
"""An item has `legs` in place of a key. Its key is a text of them, which `signals.positions.core` writes and reads."""
ITEM_KINDS = (INSTRUMENT, UNDERLYING, PORTFOLIO)
IDENTITY = (*PLACE, INSTRUMENT.column)
"""The first columns of every answer about an instrument."""
VERDICT = (
    Column("status", str, "ok, or the word for why there is no value."),
    Column("reason", str, "Why, in a sentence."),
    Column("retryable", bool, "Whether trying again can help."),
)
"""The columns after the identity. `retryable` follows from the status word, so evaluations need not return it."""
