"""Functions of the bars of instruments: ours, and users' own, which run in the sandbox."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from signals.computations.bars import ANCHOR, DAYS, TIMEFRAME, Bars, Part, load_part, made_of, newest_of, unknown
from signals.functions.answer_rows import MOST_OUTPUTS, UNAVAILABLE, Row, failure, rows_of
from signals.functions.core.internal import BENCHMARK, SESSION, SESSION_BEGIN, InternalFunction
from signals.functions.core.naming import MOST_ARGUMENT_CHARACTERS, read_arguments
from signals.functions.core.registry import complete
from signals.functions.models import FunctionRun
from signals.functions.references import LONGEST, PATTERN, check_reference, is_internal, resolve, settle
from signals.functions.running import FunctionRefused, process_of, run_internal
from signals.functions.sandbox.results import Outcome
from signals.functions.sandbox.starter import SandboxUnavailable
from signals.functions.selectors import Runnable
from signals.functions.services import record
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.selection import InstrumentComputation
from signalsite.foundation.computations.contract import (
    OK,
    Answers,
    Bounds,
    Column,
    Context,
    Overrides,
    Parameter,
    Params,
    Prepared,
    Runs,
    StatusWord,
    TextForm,
)
from signalsite.foundation.errors import InvalidInput, LimitExceeded
from timeframes.core.bars import FoldedBars
from timeframes.core.keys import MAX_KEY_LENGTH, parse_key

MOST_LAST = 10_000
_EMPTY = "nothing that is stored of it is in the range"


def _check_benchmark(text: str) -> None:
    if text:
        parse_key(text)


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
LAST = Parameter(
    name="last",
    type=int,
    default=1,
    bounds=Bounds(1, MOST_LAST),
    help="How many of the last elements of a column are returned.",
)


@dataclass(frozen=True, slots=True)
class FunctionInputs:
    """`function`: None where it has been deleted. `benchmark`: moments and closes, None without one."""

    parts: Sequence[Part]
    bars: Sequence[FoldedBars]
    function: InternalFunction | Runnable | None
    arguments: Mapping[str, Any]
    benchmark: FoldedBars | None
    last: int

    def digest(self) -> str:
        found = hashlib.blake2b(digest_size=16)
        which = self.function
        found.update(
            repr(which.digest if isinstance(which, Runnable) else which and (which.name, which.version)).encode()
        )
        for bars in (*self.bars, *([] if self.benchmark is None else [self.benchmark])):
            for name in ("time", "open", "high", "low", "close", "volume"):
                found.update(np.ascontiguousarray(getattr(bars, name)).tobytes())
        for part in self.parts:
            found.update(f"{part.word} {part.reason} {part.anchor}".encode())
        return found.hexdigest()


class Functions(InstrumentComputation):
    """A function of the bars that begin in the `days` before `as_of`."""

    name = "functions"
    version = 1
    summary = "Functions of the bars of instruments"
    parameters = (FUNCTION, ARGUMENTS, TIMEFRAME, DAYS, ANCHOR, BENCHMARK_KEY, LAST)
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
        StatusWord("failed", "the function raised an error, or returned what is no result"),
        StatusWord("stopped", "the function took too long, or the chunk's time was over", retryable=True),
        StatusWord("unavailable", "users' functions do not run, or the function has been deleted", retryable=True),
    )

    def conventions(self, params: Params) -> GreeksParams:
        return GreeksParams()

    def rows_per_item(self, params: Params) -> int:
        function = resolve(params["function"]) if is_internal(params["function"]) else None
        outputs = len(function.outputs) if isinstance(function, InternalFunction) else MOST_OUTPUTS
        return outputs * int(params["last"])

    def granted(self, params: Params, caller: Any) -> Params:
        function = settle(params["function"], caller, "params.function")
        arguments = read_arguments(params["arguments"], "params.arguments")
        if isinstance(known := resolve(function), InternalFunction):
            complete(known, arguments, "params.arguments")
            if BENCHMARK in known.needs and not params["benchmark"]:
                raise InvalidInput("params.benchmark", f"{known.name} needs the key of an instrument to compare with")
        return {**params, "function": function}

    def answers_at_once(self, params: Params) -> bool:
        return is_internal(params["function"])  # users' may take seconds each

    def prepare(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        return Prepared(as_of or newest_of(runs), {})

    def load(
        self, keys: Sequence[str], overrides: Overrides, as_of: datetime, params: Params, context: Context
    ) -> FunctionInputs:
        begin = as_of - timedelta(days=params["days"])
        loaded = {key: load_part(key, begin, as_of, params) for key in dict.fromkeys(keys)}
        loaded |= unknown(key for key, part in loaded.items() if part.word == "no_bars")
        bars = {key: made_of(part, begin, as_of) for key, part in loaded.items()}
        benchmark = None
        if key := params["benchmark"]:
            benchmark = made_of(load_part(key, begin, as_of, params), begin, as_of)
        return FunctionInputs(
            [loaded[key] for key in keys],
            [bars[key] for key in keys],
            resolve(params["function"]),
            read_arguments(params["arguments"], "arguments"),
            benchmark,
            int(params["last"]),
        )

    def evaluate(self, inputs: FunctionInputs) -> Answers:
        able = [place for place, part in enumerate(inputs.parts) if part.word == OK and len(inputs.bars[place])]
        outcomes = dict(zip(able, _outcomes(inputs, able), strict=True))
        rows: list[Row] = []
        for place, part in enumerate(inputs.parts):
            if place in outcomes:
                rows += rows_of(place, outcomes[place], inputs.bars[place].time, inputs.last)
            else:
                word = "no_bars" if part.word == OK else part.word
                rows.append((place, word, part.reason or _EMPTY, None, None, None, np.nan))
        item, *columns = zip(*rows, strict=True) if rows else [()] * 7
        names = ("status", "reason", "output", "place", "bar_time", "value")
        return Answers(
            {name: list(column) for name, column in zip(names, columns, strict=True)}, np.array(item, np.intp)
        )


def _data(inputs: FunctionInputs, place: int, *, session: bool) -> dict[str, np.ndarray]:
    bars, grid = inputs.bars[place], inputs.parts[place].grid
    data = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    data["timestamp"] = bars.time / 1e6
    if inputs.benchmark is not None:
        data[BENCHMARK] = _aligned(inputs.benchmark, bars.time)
    if session and grid is not None:
        stretch = np.searchsorted(grid.begins, bars.time, side="right") - 1
        data[SESSION], data[SESSION_BEGIN] = stretch.astype(np.float64), grid.begins[np.maximum(stretch, 0)] / 1e6
    return data


def _aligned(benchmark: FoldedBars, moments: np.ndarray) -> np.ndarray:
    """Return the benchmark's close at each of these moments, NaN where it has no bar."""
    if not len(benchmark):
        return np.full(len(moments), np.nan)
    place = np.minimum(np.searchsorted(benchmark.time, moments), len(benchmark) - 1)
    return np.where(benchmark.time[place] == moments, benchmark.close[place], np.nan)


def _outcomes(inputs: FunctionInputs, places: Sequence[int]) -> list[Outcome]:
    function = inputs.function
    if function is None:
        return [failure(UNAVAILABLE, "there is no such function, or it has been deleted", lasting=False)] * len(places)
    if isinstance(function, InternalFunction):
        arguments = complete(function, inputs.arguments, "arguments")
        return [run_internal(function, _data(inputs, place, session=True), arguments) for place in places]
    return _of_user(inputs, function, places)


def _of_user(inputs: FunctionInputs, function: Runnable, places: Sequence[int]) -> list[Outcome]:
    """Call a user's function for each item in one warm process, and log the chunk in one row."""
    begun = time.perf_counter()
    try:
        with process_of(function.source, of_request=False) as process:
            calls = [_data(inputs, place, session=False) for place in places]
            outcomes = list(process.call_many(calls, inputs.arguments))
    except FunctionRefused as error:
        outcomes = [Outcome({}, error="Refused", faults=error.faults)] * len(places)
    except (SandboxUnavailable, LimitExceeded) as error:
        outcomes = [failure(UNAVAILABLE, str(error), lasting=False)] * len(places)
    record(
        function.owner_id,
        name=function.name,
        digest=function.digest,
        action=FunctionRun.Action.JOB,
        now=timezone.now(),
        reasons=[each.reason for each in outcomes],
        milliseconds=1000 * (time.perf_counter() - begun),
    )
    return outcomes
