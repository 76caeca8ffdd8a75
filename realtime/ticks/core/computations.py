"""Further computations that run with each cycle, beside the Greeks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from realtime.core.states import encode_member
from realtime.ticks.core.applied_ticks import AppliedTicks, join_quotes
from realtime.ticks.core.book import Book, Rows
from realtime.ticks.core.tick import Tick
from signals.greeks.core.prices import QuoteColumns


@dataclass(frozen=True, slots=True)
class ComputationInput:
    """The ticks of a cycle, followed by the options that are repriced without a tick of their own.

    `rows` and `quotes` cover both. The book has applied the ticks.
    """

    book: Book
    ticks: Sequence[Tick]
    rows: Rows
    quotes: QuoteColumns
    now: float


Computation = Callable[[ComputationInput], Sequence[bytes | None]]
"""Returns one JSON value for each row, None for null. An exception costs only the computation's own results."""


def run_computations(
    computations: Mapping[str, Computation], book: Book, applied: AppliedTicks, repriced: Rows, now: float
) -> tuple[list[bytes], list[tuple[str, Exception]]]:
    """Return the results as JSON members, for each tick and then each repriced row, and what failed, by name.

    Each element begins with a comma; it is empty if there are no computations.
    """
    members = [b""] * (len(applied.ticks) + len(repriced))
    failures: list[tuple[str, Exception]] = []
    if not computations or not members:
        return members, failures
    rows = np.concatenate([applied.rows, repriced])
    quotes = join_quotes(applied.quotes, np.arange(len(applied.ticks)), book.quotes(repriced))
    given = ComputationInput(book, applied.ticks, rows, quotes, now)
    for name, computation in computations.items():
        try:
            results = computation(given)
            if len(results) != len(members):
                raise ValueError(f"{len(results)} results for {len(members)} rows")
        except Exception as error:  # noqa: BLE001 - any fault of a computation costs only its own results
            failures.append((name, error))
            results = [None] * len(members)
        label = encode_member(name)
        for place, value in enumerate(results):
            members[place] += label + (value or b"null")
    return members, failures
