"""The contract of a computation: one declaration that yields the fields of requests, the API's schema, the columns of
results, command-line options, the client's types and the docs.

Pure: no Django. OpenBB's providers (QueryParams, Data, Fetcher) have the same idea for rows; here it is columns.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from signalsite.foundation.computations.columns import (
    COMMON,
    INSTRUMENT,
    OK,
    PLACE,
    VERDICT,
    Column,
    ItemKind,
    StatusWord,
)

Params = Mapping[str, Any]  # every parameter by name, with defaults
Context = Mapping[str, Any]  # what all chunks of a job share, as JSON values
Overrides = Mapping[str, Mapping[int, float]]  # name -> index of the item -> value
Runs = Iterable[Sequence[str]]
"""The keys of a job's items, one run per chunk. It can be iterated again, and never is one list of a million."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The range of a number: finite, within [lowest, highest], and over `above` when that is given."""

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


@dataclass(frozen=True, slots=True)
class TextForm:
    """What a text must look like, where its values are too many to list.

    `pattern` and `longest` are for schemas. `check` decides, and raises InvalidInput, which says what is allowed.
    """

    pattern: str
    longest: int
    check: Callable[[str], object]
    allowed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of a computation. A number has `bounds`, a text has `choices` or a `form`.

    `most` makes it a list of so many. `picks_columns`: the choices are columns, and answers have only those that this
    list names.
    """

    name: str
    type: type  # float, int, bool or str
    default: Any
    help: str
    bounds: Bounds | None = None
    choices: Sequence[str] = ()
    form: TextForm | None = None
    nullable: bool = False
    most: int = 0
    picks_columns: bool = False


@dataclass(frozen=True, slots=True)
class Override:
    """A number that an item may set to replace the market's."""

    name: str
    bounds: Bounds
    help: str


MOST_LEGS = 10_000
LEG_FIELDS = (
    Override("quantity", Bounds(-1e12, 1e12), "How much is held, negative for short; `quantity_in` says of what."),
    Override("lot_size", Bounds(0.0, 1e9, above=0.0), "Units of the underlying in a lot."),
    Override("price_paid", Bounds(0.0, 1e12), "For one unit of the underlying."),
)
"""What a leg of a portfolio has beside its contract and its overrides."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a job's chunks share. `keys` are the items that a selector chose, or None when the request listed items."""

    as_of: datetime | None
    context: dict[str, Any]
    keys: list[str] | None = None
    newest: datetime | None = None
    """The newest quote there is, when a selector chose nothing at as_of."""


class Inputs(Protocol):
    """Exactly what an evaluation needs."""

    def digest(self) -> str:
        """Return a digest of the stored data: with equal items and parameters, equal digests mean equal answers."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Columns of equal length by name, with NaN and None for null.

    `item` is the index of each row's item, ascending, when items may have several rows; else None."""

    columns: Mapping[str, Sequence[Any] | np.ndarray]
    item: np.ndarray | None = None


class Computation(ABC):
    """A declaration with three steps: `prepare` runs once per job, `load` and `evaluate` once per chunk."""

    name: ClassVar[str]
    item_kind: ClassVar[ItemKind] = INSTRUMENT
    version: ClassVar[int]
    """Increase it when the same inputs give another answer, so that earlier jobs are not reused."""
    summary: ClassVar[str]
    parameters: ClassVar[Sequence[Parameter]] = ()
    overrides: ClassVar[Sequence[Override]] = ()
    columns: ClassVar[Sequence[Column]]
    """After the identity and VERDICT."""
    most_rows: ClassVar[int] = 1000
    """The most rows that parameters may request for one item."""
    rows_a_chunk: ClassVar[int] = 5000
    """How many rows a large job's chunk has: more where a chunk's fixed cost is more than some milliseconds."""
    receipts: ClassVar[Mapping[str, type]] = {}
    """What `receipt` returns: the dataclass of each list's rows, by the list's name."""
    statuses: ClassVar[Sequence[StatusWord]] = ()
    """Status words besides ok and those of every computation: bad_input, cancelled, internal_error."""

    @cached_property
    def words(self) -> tuple[StatusWord, ...]:
        """All status words except ok."""
        own = {status.word: status for status in self.statuses}
        return tuple({**own, **{each.word: each for each in COMMON if each.word not in own}}.values())

    @cached_property
    def retryable(self) -> tuple[str, ...]:
        return tuple(each.word for each in self.words if each.retryable)

    @cached_property
    def verdicts(self) -> dict[str, bool]:
        """Every status word, and whether a retry may succeed."""
        return {OK: False} | {each.word: each.retryable for each in self.words}

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The default of every parameter."""
        return {each.name: list(each.default) if each.most else each.default for each in self.parameters}

    @cached_property
    def identity(self) -> tuple[Column, ...]:
        """The first columns of every answer."""
        return (*PLACE, self.item_kind.column)

    @cached_property
    def answer_columns(self) -> tuple[Column, ...]:
        """All columns that answers can have, except the identity, in order."""
        return (*VERDICT, *self.columns)

    @cached_property
    def picked(self) -> dict[str, str]:
        """The columns that exist only on request: the parameter that must name each."""
        return {name: each.name for each in self.parameters if each.picks_columns for name in each.choices}

    def columns_for(self, params: Params) -> tuple[Column, ...]:
        """Return the columns that answers have with these parameters, except the identity, in order.

        A parameter that is missing, as in jobs of earlier versions, has its default.
        """
        asked = {**self.defaults, **params}
        return tuple(
            each
            for each in self.answer_columns
            if (parameter := self.picked.get(each.name)) is None or each.name in asked[parameter]
        )

    @cached_property
    def key_columns(self) -> tuple[Column, ...]:
        """Those of the items' keys, as files name them: `underlying_key` where there is an `underlying` already."""
        own = {column.name for column in self.answer_columns}
        columns = self.item_kind.key_columns
        return tuple(replace(each, name=f"{each.name}_key") if each.name in own else each for each in columns)

    @cached_property
    def file_columns(self) -> tuple[Column, ...]:
        """All columns that files can have, in order."""
        return (*self.identity, *self.key_columns, *self.answer_columns)

    def file_columns_for(self, params: Params) -> tuple[Column, ...]:
        """Return the columns that files have with these parameters, in order."""
        return (*self.identity, *self.key_columns, *self.columns_for(params))

    @cached_property
    def bounds(self) -> dict[str, Bounds]:
        """The bounds of the overrides, by name."""
        return {each.name: each.bounds for each in self.overrides}

    def rows_per_item(self, params: Params) -> int:
        """Return the most rows that an item has with these parameters."""
        return 1

    def rows_per_item_of(self, params: Params, keys: Iterable[str]) -> int:
        """Return the same for items with these keys, where it depends on them. There may be a million."""
        return self.rows_per_item(params)

    def chunk_rows_of(self, params: Params, keys: Iterable[str]) -> int:
        """Return how many rows an item counts as in the size of a chunk, where that is more than it has."""
        return self.rows_per_item_of(params, keys)

    def granted(self, params: Params, caller: Any) -> Params:
        """Return the parameters that a job of this caller (a user) stores.

        Raises InvalidInput, which names the field, for what the caller may not use."""
        return params

    def answers_at_once(self, params: Params) -> bool:
        """Return whether a few items may be answered within a request. If not, they are a job."""
        return True

    @abstractmethod
    def exchange(self, keys: Iterable[str], selector: Mapping[str, Any] | None) -> str:
        """Return the exchange whose time zone applies to instants without one.

        There may be many `keys`, and some may not be keys at all. Read only as many as needed."""

    @abstractmethod
    def check_selector(self, selector: Mapping[str, Any]) -> None:
        """Raise InvalidInput, which names the field, for a selector that cannot select anything."""

    def completed_selector(self, selector: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the job stores of a valid selector: every name in its one form."""
        return selector

    @abstractmethod
    def prepare(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        """Find what all items need, once per job. With as_of None, use the newest quote of the keys."""

    @abstractmethod
    def prepare_selector(self, selector: Mapping[str, Any], as_of: datetime | None, params: Params) -> Prepared:
        """Do the same, and find the keys that the selector chooses."""

    @abstractmethod
    def load(
        self, keys: Sequence[str], overrides: Overrides, as_of: datetime, params: Params, context: Context
    ) -> Inputs:
        """Read what the evaluation of these items needs. Keys may be unknown or malformed."""

    @abstractmethod
    def evaluate(self, inputs: Any) -> Answers:
        """Turn what `load` returned into the columns of VERDICT and of the declaration. Pure.

        An item without a value gets a status word. No single item raises."""

    def receipt(self, context: Context) -> dict[str, Any]:
        """Return what the items share for the caller, by name, as JSON values. `receipts` declares its shape."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class TickColumns:
    """The values of ticks, one element each, as float64 with NaN for unknown. `now` is in seconds since 1970."""

    keys: Sequence[str]
    bid: np.ndarray
    ask: np.ndarray
    last: np.ndarray
    volume: np.ndarray
    open_interest: np.ndarray
    time: np.ndarray
    now: float


class LiveComputation(Computation):
    """A computation that runs on each arriving tick: one row per tick, without the database."""

    @abstractmethod
    def from_ticks(self, ticks: TickColumns, params: Params) -> Inputs:
        """Return what `load` would read, from the ticks."""
