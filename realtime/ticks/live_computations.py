"""Declared computations in the live cycle: evaluated for each tick and each repricing, from the ticks."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import orjson

from realtime.ticks.core.computations import Computation, ComputationInput
from signalsite.foundation.computations.answers import declared
from signalsite.foundation.computations.contract import LiveComputation, Params, TickColumns
from signalsite.foundation.computations.registry import computations


def live_computations() -> dict[str, LiveComputation]:
    return {name: each for name, each in computations().items() if isinstance(each, LiveComputation)}


def joining(names: Sequence[str]) -> Mapping[str, Computation]:
    """Return the live computations of these names for the cycle, with their default parameters."""
    known = live_computations()
    return {name: partial(answer_ticks, known[name], known[name].defaults) for name in names}


def answer_ticks(computation: LiveComputation, params: Params, given: ComputationInput) -> list[bytes]:
    """Return the answer to each row as a JSON object, null for NaN."""
    own, repriced = np.array([tick.fields.oi for tick in given.ticks], np.float64), given.rows[len(given.ticks) :]
    columns = TickColumns(
        keys=[given.book.contracts[row].text for row in given.rows.tolist()],
        **{name: getattr(given.quotes, name) for name in ("bid", "ask", "last", "volume", "time")},
        open_interest=np.concatenate([own, given.book.oi[repriced]]),
        now=given.now,
    )
    answers = declared(computation, computation.evaluate(computation.from_ticks(columns, params)), params)
    rows = zip(*map(_values, answers.values()), strict=True)
    return [orjson.dumps(dict(zip(answers, row, strict=True))) for row in rows]


def _values(column: Sequence[Any] | np.ndarray) -> Sequence[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else column
