"""Declared computations in the live cycle: evaluated for each tick and each repricing, from what the ticks say."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import orjson

from realtime.ticks.core import cycle
from signalsite.foundation.computations.answers import declared
from signalsite.foundation.computations.contract import LiveComputation, Params, TickColumns
from signalsite.foundation.computations.registry import computations


def live_computations() -> dict[str, LiveComputation]:
    return {name: each for name, each in computations().items() if isinstance(each, LiveComputation)}


def joining(names: Sequence[str]) -> Mapping[str, cycle.Computation]:
    """What the cycle is given for live computations of these names, with their default parameters."""
    known = live_computations()
    return {name: partial(answer_ticks, known[name], known[name].defaults) for name in names}


def answer_ticks(computation: LiveComputation, params: Params, due: cycle.Due) -> list[bytes]:
    """The answer to each row as a JSON object, null for NaN."""
    own, repriced = np.array([tick.fields.oi for tick in due.ticks], np.float64), due.rows[len(due.ticks) :]
    columns = TickColumns(
        keys=[due.book.contracts[row].text for row in due.rows.tolist()],
        **{name: getattr(due.quotes, name) for name in ("bid", "ask", "last", "volume", "time")},
        open_interest=np.concatenate([own, due.book.oi[repriced]]),
        now=due.now,
    )
    answers = declared(computation, computation.evaluate(computation.from_ticks(columns, params)))
    rows = zip(*map(_values, answers.values()), strict=True)
    return [orjson.dumps(dict(zip(answers, row, strict=True))) for row in rows]


def _values(column: Sequence[Any] | np.ndarray) -> Sequence[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else column
