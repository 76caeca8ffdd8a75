"""Bars of instruments, of any timeframe: several rows an item."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from signals.greeks.core.conventions import GreeksParams
from signals.greeks.selection import InstrumentComputation
from signals.greeks.selectors import newest_quote_time
from signals.instruments.models import Instrument
from signalsite.foundation.computations.columns import BAD_INPUT, OK, Column, StatusWord
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
from timeframes.bars.parts import load_parts
from timeframes.bars.stored import Stored, newest_moment, stored_of
from timeframes.core.bars import BarColumns, FoldedBars, TickColumns, join_folded
from timeframes.core.exchanges import exchange_named
from timeframes.core.fold import fold
from timeframes.core.grid import (
    Anchor,
    Grid,
    bars_within,
    check_anchor,
    dates_of,
    default_anchor,
    ended,
    instant,
    make_grid,
    microseconds,
    usual_length,
)
from timeframes.core.keys import parse_key, why_unknown
from timeframes.core.timeframe import (
    LONGEST_TEXT,
    MOST_DAYS,
    MOST_MONTHS,
    PATTERN,
    STANDARD,
    format_timeframe,
    parse_timeframe,
)

DEFAULT_ANCHOR = "default"
TIMEFRAME = Parameter(
    name="timeframe",
    type=str,
    default="1d",
    form=TextForm(
        PATTERN,
        LONGEST_TEXT,
        parse_timeframe,
        f"a whole number and one of s, m, h, d, w, mo; at most {MOST_DAYS}d or {MOST_MONTHS}mo",
    ),
    help=f"The length of a bar: {', '.join(STANDARD)}, 7m, 90s, 1w, 3mo.",
)
DAYS = Parameter(
    name="days",
    type=float,
    default=1.0,
    bounds=Bounds(0.0, 36_600.0, above=0.0),
    help="Bars that begin in the so many times 24 hours before as_of.",
)
ANCHOR = Parameter(
    name="anchor",
    type=str,
    default=DEFAULT_ANCHOR,
    choices=[DEFAULT_ANCHOR, *(each.value for each in Anchor)],
    help="session: bars count from the opening of each session; epoch: from 1970-01-01T00:00Z; default: epoch "
    "on crypto exchanges, else session.",
)
_grid = lru_cache(maxsize=32)(make_grid)  # many items share one
_EMPTY = "nothing that is stored of it is in the range"
_COLUMNS = ("bar_time", "open", "high", "low", "close", "volume", "vwap", "open_interest", "vwap_source", "trades")
_NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "open_interest")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one item's bars are made of, or the status word and reason for which there are none."""

    exchange: str = ""
    anchor: Anchor = Anchor.SESSION
    grid: Grid | None = None
    bars: Mapping[int, BarColumns] | None = None
    ticks: TickColumns | None = None
    word: str = OK
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BarInputs:
    parts: Sequence[Part]
    timeframe: str
    begin: datetime
    as_of: datetime

    def digest(self) -> str:
        found = hashlib.blake2b(digest_size=16)
        for part in self.parts:
            found.update(f"{part.word} {part.reason} {part.anchor}".encode())
            for columns in (*(part.bars or {}).values(), part.ticks):
                if columns is not None:
                    for column in vars(columns).values():
                        found.update(column.tobytes())
        return found.hexdigest()


class Bars(InstrumentComputation):
    """The bars that begin in the `days` before `as_of`, made of what was known at `as_of`."""

    name = "bars"
    version = 1
    summary = "Bars of instruments, of any timeframe"
    parameters = (TIMEFRAME, DAYS, ANCHOR)
    columns = (
        Column("bar_time", str, "The beginning of the bar, ISO 8601 in UTC."),
        Column("open", float, "The first price."),
        Column("high", float, "The highest price."),
        Column("low", float, "The lowest price."),
        Column("close", float, "The last price."),
        Column("volume", float, "Traded in the bar, in units of the underlying."),
        Column("vwap", float, "Volume-weighted average price."),
        Column("vwap_source", str, "trades, or typical where (high + low + close) / 3 stood in."),
        Column("open_interest", float, "The last known in the bar, in units of the underlying."),
        Column("trades", int, "How many trades, or ticks that traded."),
        Column("complete", bool, "Whether the bar has ended at as_of."),
    )
    most_rows = 600_000
    statuses = (
        StatusWord("no_bars", "nothing is stored from which a bar in the range can be made", retryable=True),
        StatusWord("unfit", "bars of this timeframe and anchor cannot be made of what is stored", retryable=True),
    )

    def conventions(self, params: Params) -> GreeksParams:
        return GreeksParams()

    def rows_per_item(self, params: Params) -> int:
        return bars_within(parse_timeframe(params["timeframe"]), params["days"])

    def prepare(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        return Prepared(as_of or newest_of(runs), {})

    def load(
        self, keys: Sequence[str], overrides: Overrides, as_of: datetime, params: Params, context: Context
    ) -> BarInputs:
        begin = as_of - timedelta(days=params["days"])
        loaded = {key: load_part(key, begin, as_of, params) for key in dict.fromkeys(keys)}
        loaded |= unknown(key for key, part in loaded.items() if part.word == "no_bars")
        return BarInputs([loaded[key] for key in keys], params["timeframe"], begin, as_of)

    def evaluate(self, inputs: BarInputs) -> Answers:
        made, words, reasons = list[FoldedBars](), list[str](), list[str | None]()
        for part in inputs.parts:
            found = made_of(part, inputs.begin, inputs.as_of)
            made.append(found)
            empty = part.word == OK and not len(found)
            words.append("no_bars" if empty else part.word)
            reasons.append(_EMPTY if empty else part.reason)
        rows = np.array([max(len(each), 1) for each in made], np.intp)
        item = np.repeat(np.arange(len(made)), rows)
        columns: dict[str, list[Any]] = {
            name: [] for name in ("bar_time", *_NUMBERS, "vwap_source", "trades", "complete")
        }
        for part, found in zip(inputs.parts, made, strict=True):
            for name, values in _columns(part, found, inputs).items():
                columns[name] += values
        return Answers(
            {
                "status": np.repeat(np.array(words, object), rows).tolist(),
                "reason": np.repeat(np.array(reasons, object), rows).tolist(),
                **columns,
            },
            item,
        )


def newest_of(runs: Runs) -> datetime | None:
    """Return the time of the newest quote, bar or tick."""
    moments = [newest_quote_time(runs), *(newest_moment(run) for run in runs)]
    return max((moment for moment in moments if moment is not None), default=None)


def unknown(keys: Iterable[str]) -> dict[str, Part]:
    """Return the answer for each of these keys of which nothing is stored and that are not listed either."""
    nothing = list(keys)
    listed = set(Instrument.objects.filter(key__in=nothing).values_list("key", flat=True)) if nothing else set()
    return {key: Part(word=BAD_INPUT.word, reason=why_unknown(key)) for key in set(nothing) - listed}


def load_part(key: str, begin: datetime, as_of: datetime, params: Params, stored: Stored | None = None) -> Part:
    """Read what the bars that begin in [begin, as_of) are made of. `stored`: where it is known already."""
    try:
        exchange = exchange_named(parse_key(key).exchange).name
    except InvalidInput as error:
        return Part(word=BAD_INPUT.word, reason=str(error))
    stored = stored_of(key) if stored is None else stored
    if not stored:
        return Part(word="no_bars", reason="no bars or ticks of it are stored")
    timeframe = parse_timeframe(params["timeframe"])
    anchor = default_anchor(exchange) if params["anchor"] == DEFAULT_ANCHOR else Anchor(params["anchor"])
    try:
        check_anchor(timeframe, anchor)
        lengths = stored.fitting(timeframe, anchor)
        if not lengths and stored.ticks is None:
            raise InvalidInput("timeframe", f"only {_lengths(stored)} bars of it are stored, and no ticks")
    except InvalidInput as error:
        return Part(word="unfit", reason=str(error))
    begin, end = stored.clipped(begin, as_of, lengths, usual_length(exchange, timeframe, anchor, 1))
    grid = _grid(exchange, timeframe, anchor, *dates_of(exchange, anchor, begin, end))
    bars, ticks = load_parts(key, grid, lengths, ticks=stored.ticks is not None, until=as_of)
    return Part(exchange, anchor, grid, bars, ticks)


def _lengths(stored: Stored) -> str:
    return ", ".join(map(format_timeframe, sorted(stored.bars)))


def made_of(part: Part, begin: datetime, as_of: datetime) -> FoldedBars:
    """Return the bars that begin in [begin, as_of)."""
    if part.grid is None or part.bars is None:
        return join_folded([])
    found = fold(part.bars, part.ticks, part.grid)
    return found.take((found.time >= microseconds(begin)) & (found.time < microseconds(as_of)))


def _columns(part: Part, found: FoldedBars, inputs: BarInputs) -> dict[str, list[Any]]:
    if not len(found):
        return {name: [None] for name in (*_COLUMNS, "complete")}
    assert part.grid is not None
    over = ended(part.grid, part.exchange, parse_timeframe(inputs.timeframe), part.anchor, found.time, inputs.as_of)
    return {
        "bar_time": [instant(time).isoformat() for time in found.time.tolist()],
        **{name: getattr(found, name).tolist() for name in _NUMBERS},
        "vwap_source": found.vwap_sources(),
        "trades": [None if trades != trades else int(trades) for trades in found.trades.tolist()],
        "complete": over.tolist(),
    }
