"""What a computation is. It is declared once, and everything else follows from that: the fields of a request, the API's
schema, the columns of results, command-line options, the client's types and the docs.

Pure: no Django. OpenBB's providers (QueryParams, Data, Fetcher) have the same idea a row at a time; here it is columns.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

Params = Mapping[str, Any]  # every parameter by name, defaults filled in
Context = Mapping[str, Any]  # what the chunks of a job share, as JSON values
Overrides = Mapping[str, Mapping[int, float]]  # name -> place of the item -> value
Runs = Iterable[Sequence[str]]
"""The instrument keys of a job, one run a chunk. It can be iterated again, and is never one list of a million."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number may be: finite, over `above` (when given), within [lowest, highest]."""

    lowest: float
    highest: float
    above: float | None = None

    def __str__(self) -> str:
        return (
            f"over {self.above:g} and at most {self.highest:g}"
            if self.above is not None
            else (f"from {self.lowest:g} to {self.highest:g}")
        )

    def admits(self, value: float) -> bool:
        return self.lowest <= value <= self.highest and (self.above is None or value > self.above)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A choice of the caller. A number has `bounds`, a text its `choices`; with `most`, it is a list of so many."""

    name: str
    type: type  # float, int, bool or str
    default: Any
    help: str
    bounds: Bounds | None = None
    choices: Sequence[str] = ()
    nullable: bool = False
    most: int = 0


@dataclass(frozen=True, slots=True)
class Override:
    """A number that an item may say for itself, better known than what the market says."""

    name: str
    bounds: Bounds
    help: str


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: type  # str, float, bool or int; any value may be null
    help: str


@dataclass(frozen=True, slots=True)
class StatusWord:
    """`retryable`: trying again can help, since what was missing may have come."""

    word: str
    help: str
    retryable: bool = False


OK = "ok"
BAD_INPUT = StatusWord("bad_input", "the item itself: an unknown instrument, a bad override, a repeated `custom_id`")
CANCELLED = StatusWord("cancelled", "the job was cancelled first", retryable=True)
INTERNAL_ERROR = StatusWord("internal_error", "computing failed three times (the log says why)", retryable=True)

IDENTITY = (
    Column("position", int, "Place of the item in the request, from 0."),
    Column("custom_id", str, "The caller's own name for the item."),
    Column("instrument_key", str, "Which instrument."),
)
"""The columns that every answer begins with, whatever is computed."""
VERDICT = (
    Column("status", str, "ok, or the word for why there is no value."),
    Column("reason", str, "Why, in a sentence."),
    Column("retryable", bool, "Whether trying again can help."),
)
"""Those that follow them. `retryable` follows from the status word, and evaluations need not give it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a job's chunks share. `keys` are the items that a selector stood for; None where items were given."""

    as_of: datetime | None
    context: dict[str, Any]
    keys: list[str] | None = None
    newest: datetime | None = None
    """Where a selector stands for nothing at as_of: the newest quote there is."""


class Inputs(Protocol):
    """What an evaluation needs and nothing else."""

    def digest(self) -> str:
        """Of the stored data in it: the same digest means the same answers, of the same items and parameters."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Columns of equal length by name, NaN and None for null. `item`: the place of each row's item, ascending, where
    items may have several rows; None where each has one."""

    columns: Mapping[str, Sequence[Any] | np.ndarray]
    item: np.ndarray | None = None


class Computation(ABC):
    """A declaration, and the three steps: prepare once a job, load and evaluate once a chunk."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Counted up when the same inputs would get another answer: earlier jobs are not reused then."""
    summary: ClassVar[str]
    parameters: ClassVar[Sequence[Parameter]] = ()
    overrides: ClassVar[Sequence[Override]] = ()
    columns: ClassVar[Sequence[Column]]
    """After IDENTITY and VERDICT."""
    most_rows: ClassVar[int] = 1000
    """That parameters may ask for of one item."""
    statuses: ClassVar[Sequence[StatusWord]] = ()
    """Besides ok, and what any computation may say: bad_input, cancelled, internal_error."""

    @cached_property
    def words(self) -> tuple[StatusWord, ...]:
        """All status words but ok, each once."""
        own = {status.word: status for status in self.statuses}
        return tuple({**own, **{each.word: each for each in _COMMON if each.word not in own}}.values())

    @cached_property
    def retryable(self) -> tuple[str, ...]:
        return tuple(each.word for each in self.words if each.retryable)

    @cached_property
    def verdicts(self) -> dict[str, bool]:
        """Every status word, and whether trying again can help."""
        return {OK: False} | {each.word: each.retryable for each in self.words}

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Every parameter as it is where a caller does not say."""
        return {each.name: list(each.default) if each.most else each.default for each in self.parameters}

    @cached_property
    def answer_columns(self) -> tuple[Column, ...]:
        """All but IDENTITY, in order."""
        return (*VERDICT, *self.columns)

    @cached_property
    def bounds(self) -> dict[str, Bounds]:
        """Of the overrides, by name."""
        return {each.name: each.bounds for each in self.overrides}

    def rows_per_item(self, params: Params) -> int:
        """The most rows that an item has under these parameters."""
        return 1

    @abstractmethod
    def exchange(self, keys: Iterable[str], selector: Mapping[str, Any] | None) -> str:
        """The exchange in whose time zone an instant without one is meant. `keys` are read as far as is needed: each
        may be no key at all, and they may be many."""

    @abstractmethod
    def check_selector(self, selector: Mapping[str, Any]) -> None:
        """Raise InvalidInput, naming the field, where a selector can't select anything."""

    @abstractmethod
    def prepare(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        """Find, once for the whole job, what every item needs. as_of None: the newest that is known of the keys."""

    @abstractmethod
    def prepare_selector(self, selector: Mapping[str, Any], as_of: datetime | None, params: Params) -> Prepared:
        """The same, and the keys that the selector stands for."""

    @abstractmethod
    def load(
        self, keys: Sequence[str], overrides: Overrides, as_of: datetime, params: Params, context: Context
    ) -> Inputs:
        """Read what the evaluation of these items needs. A key may be unknown, or no key at all."""

    @abstractmethod
    def evaluate(self, inputs: Any) -> Answers:
        """Pure: from what `load` gave to the columns of VERDICT and of the declaration. An item that has no value is
        answered with a status word; nothing about one item raises."""

    def receipt(self, context: Context) -> dict[str, Any]:
        """What a caller is told of what the items share, by name, as JSON values."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class TickColumns:
    """What ticks say, an element each: float64, NaN for what one does not say. `now`: seconds since 1970."""

    keys: Sequence[str]
    bid: np.ndarray
    ask: np.ndarray
    last: np.ndarray
    volume: np.ndarray
    open_interest: np.ndarray
    time: np.ndarray
    now: float


class LiveComputation(Computation):
    """One that can be evaluated for each tick as it comes: a row a tick, no database."""

    @abstractmethod
    def from_ticks(self, ticks: TickColumns, params: Params) -> Inputs:
        """What `load` would read, taken from the ticks."""


_COMMON = (BAD_INPUT, CANCELLED, INTERNAL_ERROR)
