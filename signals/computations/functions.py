"""Functions of the bars of instruments: ours, and users' own, which run in the sandbox."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from signals.computations.bars import ANCHOR, DAYS, TIMEFRAME, Bars, newest_of
from signals.computations.function_calls import call_on_frames
from signals.computations.historical_greeks import HistoricalGreeks
from signals.computations.joined import Frame, greeks_params, load_frames
from signals.functions.answer_rows import MOST_OUTPUTS, Row, rows_of
from signals.functions.core.internal import BENCHMARK, COLUMNS, JOINABLE, SESSION, SESSION_BEGIN, InternalFunction
from signals.functions.core.joins import (
    MOST_TEXT_CHARACTERS,
    NO_JOINS,
    Join,
    Joins,
    Kind,
    needs_greeks,
    read_joins,
    written,
)
from signals.functions.core.naming import MOST_ARGUMENT_CHARACTERS, read_arguments
from signals.functions.core.reference_grammar import LONGEST, PATTERN
from signals.functions.core.registry import complete
from signals.functions.references import check_reference, is_internal, resolve, settle
from signals.functions.selectors import Runnable
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.selection import InstrumentComputation
from signalsite.foundation.computations.columns import OK, Column, StatusWord
from signalsite.foundation.computations.contract import (
    Answers,
    Bounds,
    Context,
    Overrides,
    Parameter,
    Params,
    Prepared,
    Runs,
    TextForm,
)
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import MAX_KEY_LENGTH, parse_key

MOST_LAST = 10_000
MOST_GREEKS_AT_ONCE = 400  # bars of an item, within a request


def _check_benchmark(text: str) -> None:
    if text:
        parse_key(text)


def _check_join(text: str) -> None:
    try:
        read_joins(text, "join")
    except InvalidInput as error:
        own = error.field.partition(".")[2]
        raise InvalidInput("join", f"{own}: {error}" if own else str(error)) from error


FUNCTION = Parameter(
    name="function",
    type=str,
    default="realised_volatility",
    form=TextForm(
        PATTERN, LONGEST, check_reference, "a name that GET functions/internal lists, mine/NAME or mine/NAME@VERSION"
    ),
    help="An internal function, or one of your own as `mine/NAME` or `mine/NAME@VERSION`.",
)
ARGUMENTS = Parameter(
    name="arguments",
    type=str,
    default="{}",
    form=TextForm(
        r"^\{.*\}$",
        MOST_ARGUMENT_CHARACTERS,
        lambda text: read_arguments(text, "arguments"),
        "a JSON object, as a text",
    ),
    help='What the function gets as `params`: a JSON object as a text, such as `{"length": 20}`.',
)
BENCHMARK_KEY = Parameter(
    name="benchmark",
    type=str,
    default="",
    form=TextForm(r"^.*$", MAX_KEY_LENGTH, _check_benchmark, "an instrument key, or nothing"),
    help="An instrument whose closes join as the column `benchmark`, at the same bars.",
)
JOIN = Parameter(
    name="join",
    type=str,
    default=NO_JOINS,
    form=TextForm(
        r"^\{.*\}$",
        MOST_TEXT_CHARACTERS,
        _check_join,
        'a JSON object, as a text, such as {"rsi": "indicators:rsi(length=14)"}',
    ),
    help="Columns that join, at the same bars: a JSON object, as a text, of sources by names. Sources are "
    "`indicators:SPEC`, `greeks:COLUMN` and `bars:INSTRUMENT_KEY:COLUMN`.",
)
LAST = Parameter(
    name="last",
    type=int,
    default=1,
    bounds=Bounds(1, MOST_LAST),
    help="How many of the last elements of a column are returned.",
)


@dataclass(frozen=True, slots=True)
class FunctionInputs:
    """`function`: None where it has been deleted. `frames`: of each item."""

    frames: Sequence[Frame]
    function: InternalFunction | Runnable | None
    arguments: Mapping[str, Any]
    last: int

    def digest(self) -> str:
        found = hashlib.blake2b(digest_size=16)
        which = self.function
        found.update(
            repr(which.digest if isinstance(which, Runnable) else which and (which.name, which.version)).encode()
        )
        for frame in self.frames:
            frame.update(found)
        return found.hexdigest()


class Functions(InstrumentComputation):
    """A function of the bars that begin in the `days` before `as_of`."""

    name = "functions"
    version = 2
    summary = "Functions of the bars of instruments"
    parameters = (FUNCTION, ARGUMENTS, TIMEFRAME, DAYS, ANCHOR, BENCHMARK_KEY, JOIN, LAST)
    columns = (
        Column("output", str, "Which of the function's results; `value` where it returned but one."),
        Column("place", int, "Place in the column, from 0; null for a single number."),
        Column("bar_time", str, "The beginning of the bar, where the column has one element a bar."),
        Column("value", float, "The number."),
    )
    most_rows = 160_000
    rows_a_chunk = 50_000
    statuses = (
        *Bars.statuses,
        StatusWord("failed", "the function raised an error, used up its processor time, or returned what is no result"),
        StatusWord("not_joined", "a column that the function needs has no value at any bar", retryable=True),
        StatusWord("stopped", "the call took too long by the clock, or the chunk's time was over", retryable=True),
        StatusWord("unavailable", "users' functions do not run, or the function has been deleted", retryable=True),
    )

    def conventions(self, params: Params) -> GreeksParams:
        return GreeksParams()

    def rows_per_item(self, params: Params) -> int:
        function = resolve(params["function"]) if is_internal(params["function"]) else None
        outputs = len(function.outputs) if isinstance(function, InternalFunction) else MOST_OUTPUTS
        return outputs * int(params["last"])

    def chunk_rows_of(self, params: Params, keys: Iterable[str]) -> int:
        """Return the rows of an item, or of the Greeks that join, where those are more."""
        return max(self.rows_per_item(params), _greek_rows(params, keys))

    def granted(self, params: Params, caller: Any) -> Params:
        function = settle(params["function"], caller, "params.function")
        arguments = read_arguments(params["arguments"], "params.arguments")
        joins = read_joins(params["join"], "params.join")
        rows, most = _greek_rows(params, ()), HistoricalGreeks.most_rows
        if rows > most:
            raise InvalidInput("params.join", f"up to {rows} bars of Greeks join; {most} are allowed: fewer days")
        if isinstance(known := resolve(function), InternalFunction):
            complete(known, arguments, "params.arguments")
            _check_needs(known, joins, params["benchmark"])
        return {**params, "function": function, "join": written(joins)}

    def answers_at_once(self, params: Params) -> bool:
        """Users' functions may take seconds each, and Greeks of many bars too."""
        return is_internal(params["function"]) and _greek_rows(params, ()) <= MOST_GREEKS_AT_ONCE

    def prepare(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        return Prepared(as_of or newest_of(runs), {})

    def load(
        self, keys: Sequence[str], overrides: Overrides, as_of: datetime, params: Params, context: Context
    ) -> FunctionInputs:
        joins = _joins(params)
        if key := params["benchmark"]:
            joins += ((BENCHMARK, Join(kind=Kind.BARS, key=key, column="close")),)
        begin = as_of - timedelta(days=params["days"])
        return FunctionInputs(
            load_frames(keys, joins, begin=begin, as_of=as_of, params=params),
            resolve(params["function"]),
            read_arguments(params["arguments"], "arguments"),
            int(params["last"]),
        )

    def evaluate(self, inputs: FunctionInputs) -> Answers:
        able = [place for place, frame in enumerate(inputs.frames) if frame.word == OK]
        made = call_on_frames(inputs.function, [inputs.frames[place] for place in able], inputs.arguments)
        outcomes = dict(zip(able, made, strict=True))
        rows: list[Row] = []
        for place, frame in enumerate(inputs.frames):
            if place in outcomes:
                rows += rows_of(place, outcomes[place], frame.bars.time, inputs.last)
            else:
                rows.append((place, frame.word, frame.reason, None, None, None, np.nan))
        item, *columns = zip(*rows, strict=True) if rows else [()] * 7
        names = ("status", "reason", "output", "place", "bar_time", "value")
        return Answers(
            {name: list(column) for name, column in zip(names, columns, strict=True)}, np.array(item, np.intp)
        )


def _joins(params: Params) -> Joins:
    return read_joins(params.get("join", NO_JOINS), "join")  # jobs of earlier versions have none


def _greek_rows(params: Params, keys: Iterable[str]) -> int:
    """Return the most bars of an item whose Greeks join."""
    if not needs_greeks(_joins(params)):
        return 0
    return HistoricalGreeks().rows_per_item_of(greeks_params(params), keys)


def _check_needs(function: InternalFunction, joins: Joins, benchmark: str) -> None:
    """Raise InvalidInput where nobody joins a column that a function of ours needs."""
    if BENCHMARK in function.needs and not benchmark:
        raise InvalidInput("params.benchmark", f"{function.name} needs the key of an instrument to compare with")
    there = {name for name, _ in joins} | {*COLUMNS, SESSION, SESSION_BEGIN, BENCHMARK}
    for name in function.needs:
        if name not in there:
            raise InvalidInput("params.join", f"{function.name} needs the column {name}: join it, {JOINABLE[name]}")
