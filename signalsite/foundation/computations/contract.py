"""What a computation declares about itself.

From one declaration come the serializer, the OpenAPI schema, the Arrow schema, the table in the docs, the options of
the command line and the digest by which answers are reused. Pure: no framework knows of it, and it knows of none.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np

OK = "ok"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number may be: finite, within [lowest, highest], and over `above` where that is given."""

    lowest: float
    highest: float
    above: float | None = None

    def __str__(self) -> str:
        if self.above is not None:
            return f"over {self.above:g} and at most {self.highest:g}"
        return f"from {self.lowest:g} to {self.highest:g}"

    def admits(self, value: float) -> bool:
        return self.lowest <= value <= self.highest and (self.above is None or value > self.above)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A choice of the caller: for a whole request, or for one item (an override).

    `type` is str, float, int or bool. A text has `choices`, a number has `bounds`. `most` makes it a list of up to so
    many values. A default of None means that the parameter may be null.
    """

    name: str
    type: type
    default: Any = None
    help: str
    unit: str = ""
    bounds: Bounds | None = None
    choices: tuple[str, ...] = ()
    most: int = 0

    def fault(self, value: Any) -> str | None:
        """Why this number cannot be the parameter's value, or None where it can. For overrides, read a column at a
        time; a serializer checks what stands in `params`."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
            return f"{self.name} must be a number"
        if self.bounds is not None and not self.bounds.admits(value):
            return f"{self.name} must be {self.bounds}, not {value:g}"
        return None


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond any double
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the answers; any value may be null. `type` is str, float, int or bool."""

    name: str
    type: type
    help: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class StatusWord:
    """A status that an answer may have. `retryable`: trying again can help, since data may still arrive."""

    word: str
    help: str
    retryable: bool = False


IDENTITY = (
    Column(name="position", type=int, help="Place of the item in the request, from 0."),
    Column(name="custom_id", type=str, help="The caller's own name of the item."),
    Column(name="instrument_key", type=str, help="The instrument."),
)
"""The columns that every answer begins with."""

VERDICT = (
    Column(name="status", type=str, help="A word of the statuses."),
    Column(name="reason", type=str, help="Why there is no value, or what stands in for it, in a sentence."),
    Column(name="retryable", type=bool, help="Whether trying again can help."),
)
"""The columns that follow them; the computation's own come last."""

SHARED_STATUSES = (
    StatusWord(OK, "there is a value"),
    StatusWord("bad_input", "the item is wrong, or names no instrument of the right kind"),
    StatusWord("cancelled", "the job was cancelled before this item was computed", retryable=True),
    StatusWord("internal_error", "computing failed several times", retryable=True),
)
"""What any computation's answers may say."""


@dataclass(frozen=True, slots=True)
class Words:
    """A column of texts as indexes into a few words; -1 is null."""

    codes: np.ndarray
    words: Sequence[str | None]


Values = np.ndarray | Words | Sequence[Any]
"""One column of answers: an array (NaN is null), words, or a sequence (None is null)."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Columns of equal length by the names that the declaration gives, but for `retryable`, which follows from status.

    `item`: the place of the item that each row answers, ascending; None where there is a row for each item.
    """

    columns: Mapping[str, Values]
    item: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """What all items of a request have in common, found once: the instant, and JSON for `load`.

    `as_of` None: nothing is known of any item. The context may not depend on how a request is cut.
    """

    as_of: datetime | None
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Items:
    """The items to compute, as columns. `overrides`: name -> place -> value, for the few that have one."""

    keys: Sequence[str]
    overrides: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    def override(self, name: str) -> np.ndarray:
        """One override as a column; NaN where an item has none."""
        column = np.full(len(self.keys), np.nan)
        for place, value in self.overrides.get(name, {}).items():
            column[place] = value
        return column


class Inputs(Protocol):
    """What `load` found for some items."""

    def digest(self) -> str:
        """Of all that is here: the same digest means the same answers."""


class Computation(ABC):
    """Declared once in a module `computations` of an app, and registered there (see `registry`)."""

    name: str
    version: int
    """Counted up when the same inputs get another answer: answers of another version are not reused."""
    summary: str
    params: tuple[Parameter, ...]
    overrides: tuple[Parameter, ...] = ()
    own_columns: tuple[Column, ...]
    own_statuses: tuple[StatusWord, ...] = ()
    many_rows = False
    """Whether an item may have any number of rows; otherwise it has one."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of an answer after IDENTITY, in order."""
        return (*VERDICT, *self.own_columns)

    @property
    def statuses(self) -> tuple[StatusWord, ...]:
        return (*SHARED_STATUSES, *self.own_statuses)

    @property
    def retryable(self) -> tuple[str, ...]:
        """The status words of answers that trying again can help."""
        return tuple(status.word for status in self.statuses if status.retryable)

    @abstractmethod
    def prepare(self, keys: Sequence[Sequence[str]], as_of: datetime | None, params: Mapping[str, Any]) -> Shared:
        """Find what the items share, once for the whole request. `keys`: of all items, in runs of bounded length.

        `as_of` None: the newest instant that is known of the keys.
        """

    @abstractmethod
    def load(self, items: Items, as_of: datetime, params: Mapping[str, Any], context: Mapping[str, Any]) -> Inputs:
        """Read what these items need."""

    @abstractmethod
    def evaluate(self, inputs: Any) -> Answers:
        """Compute. Pure: no I/O, no clock; columns in, columns out."""
