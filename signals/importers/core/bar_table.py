"""Turns rows of any file into bars, as a mapping says: columns in, columns and rejected rows out.

A bar has all four prices, over 0, of which the highest and the lowest contain the other two. It stands where bars of
its timeframe begin on its exchange (`timeframes.core.grid`). A bar of a day may have any moment of its date, and gets
the opening of its session. A volume-weighted average price outside low and high is left out and counted: it may be in
another unit, and the bar's own prices are good without it.
"""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from signals.importers.core.columns import MAX_PRICE, Columns
from signals.importers.core.mapping import BAR_FIELDS, Mapping
from signals.importers.core.moments import read_times
from signals.importers.core.raw_table import NotATable, RawTable, Rejects, find_columns
from timeframes.core.bars import NUMBERS, BarColumns
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import SECOND, Anchor, Grid, default_anchor, instant, make_grid, microseconds
from timeframes.core.keys import InstrumentKey
from timeframes.core.sessions import expiry_moment, session_open
from timeframes.core.timeframe import DAY, format_timeframe

REPEATED = "repeated time, a later row counts"
VWAP_OUTSIDE = "bars whose vwap, or turnover / volume, is not between low and high: stored without vwap"
VWAP_SLACK = 1e-6  # turnovers and volumes are rounded
MAX_ROWS = 5_000_000
"""Rows of one file, which stay in memory as numbers: some 250 bytes each."""
FLAT_RUN = 10  # bars in a row without a move, at the end of a date
_PRICES = ("open", "high", "low", "close")
FIELDS = MappingProxyType(
    {
        "time": "beginning of the bar, or its time of day beside `date`",
        "date": "date of the bar, beside `time` or alone",
        **BAR_FIELDS,
        "close": "last price of the bar",
        "volume": "traded in the bar",
        "open_interest": "open interest at the end of the bar",
    }
)
"""What a mapping of bars may name."""
_COUNTS = ("volume", "open_interest", "trades")


@dataclass(frozen=True, eq=False)
class BarTable:
    """The usable bars of a file, in the order of time. `facts` counts what a reader of the file should know."""

    bars: BarColumns
    rejects: Rejects
    read: int
    facts: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()


def bar_table(raws: Iterable[RawTable], mapping: Mapping, key: InstrumentKey, seconds: int) -> BarTable:
    """Read the rows of a whole file by a mapping. Raises NotATable if columns are missing or rows are too many."""
    rejects, facts, notes, read = Rejects(), Counter[str](), dict[str, None](), 0
    parts, rows = list[BarColumns](), list[NDArray[np.int64]]()
    for raw in raws:
        bars, row = _read(raw, mapping, key, seconds, rejects, facts)
        parts.append(bars)
        rows.append(row)
        rejects.extend(raw.rejects)
        notes |= dict.fromkeys(raw.notes)
        read += raw.read
        if read > MAX_ROWS:
            raise NotATable(f"a file of bars has at most {MAX_ROWS:,} rows: split it")
    joined = BarColumns(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in ("time", *NUMBERS)}
    )
    bars = _without_repeats(joined, np.concatenate(rows), rejects)
    _look(bars, key, seconds, facts)
    rejects.rows.sort(key=lambda rejected: rejected.row)
    return BarTable(bars, rejects, read, facts, tuple(notes))


def _read(
    raw: RawTable, mapping: Mapping, key: InstrumentKey, seconds: int, rejects: Rejects, facts: Counter[str]
) -> tuple[BarColumns, NDArray[np.int64]]:
    wanted = find_columns(mapping, raw.names, [*raw.shared, *mapping.constants])
    names = dict(wanted.by_leg[""])
    if "date" in names and "time" not in names:  # a column named date often holds whole moments
        names["time"] = names.pop("date")
    columns = Columns(raw, names, {**mapping.constants, **raw.shared})
    for column in wanted.overruled.values():
        words = columns.words_of(column)
        for place, text in enumerate(words.values[:20]):
            if text.upper() not in (key.symbol, str(key)):
                many = int((words.codes == place).sum())
                facts[f"rows say {column}={text[:40]}, taken as {key} as you set"] += many
    time = _times(columns, mapping, key, seconds)
    prices = {name: columns.numbers(name, least=0.0) for name in (*_PRICES, "vwap")}
    counts = {name: columns.numbers(name, least=0.0) for name in (*_COUNTS, "turnover")}
    _check_prices(columns, prices)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        average = np.where(counts["volume"] > 0, counts["turnover"] / counts["volume"], np.nan)
        columns.reject(np.isfinite(counts["trades"]) & (counts["trades"] % 1 != 0), "trades is not a whole number")
        columns.reject(counts["trades"] > 2**53, "trades is not a whole number under 2^53")
    own = np.where(np.isnan(prices["vwap"]) | (prices["vwap"] == 0), average, prices["vwap"])
    usable = columns.reason == ""
    columns.collect(rejects, ~usable)
    outside = usable & ~_within(own, prices["low"], prices["high"])
    if outside.any():
        facts[VWAP_OUTSIDE] += int(outside.sum())
        own[outside] = np.nan
    bars = BarColumns(
        time=time[usable],
        **{name: prices[name][usable] for name in _PRICES},
        **{name: counts[name][usable] for name in _COUNTS},
        vwap=own[usable],
    )
    return bars, raw.row[usable]


def _times(columns: Columns, mapping: Mapping, key: InstrumentKey, seconds: int) -> NDArray[np.int64]:
    """Return the beginning of each bar, and reject rows whose time is none."""
    if seconds == DAY:  # a date alone is that date, and not the close of its session
        mapping = mapping.changed(time_format=f"%Y-%m-%d|%Y%m%d|{mapping.time_format}")
    time = read_times(columns, mapping, key.exchange)
    usable = columns.reason == ""
    if not usable.any():
        return time
    if seconds == DAY:
        zone = ZoneInfo(mapping.zone) if mapping.zone else exchange_named(key.exchange).zone
        days = time[usable]
        hours, codes = np.unique(days // (900 * SECOND), return_inverse=True)  # no zone's midnight is elsewhere
        found = [
            _session(key.exchange, instant(each * 900 * SECOND).astimezone(zone).date()) for each in hours.tolist()
        ]
        time = time.copy()
        time[usable] = np.array(found, np.int64)[codes]
    else:
        grid = grid_of(key.exchange, seconds, time[usable])
        place = _date_of(grid, time)
        off = (time - grid.origin[place]) % (seconds * SECOND) != 0
        name = format_timeframe(seconds)
        columns.reject(usable & off, f"no {name} bar begins then", lambda row: instant(int(time[row])).isoformat())
    if key.expiry is not None:
        end = microseconds(expiry_moment(key))
        columns.reject((columns.reason == "") & (time >= end), "after its expiry")
    return time


def grid_of(exchange: str, seconds: int, time: NDArray[np.int64]) -> Grid:
    """Return the grid of the dates of these times, and of the dates around them."""
    first, last = instant(int(time.min())).date(), instant(int(time.max())).date()
    one = timedelta(days=1)
    return make_grid(exchange, seconds, default_anchor(exchange), first - one, last + one)


def _session(exchange: str, day: date) -> int:
    return microseconds(session_open(exchange, day))


def _date_of(grid: Grid, time: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the stretch on whose date each time lies, also before its opening and after its close."""
    half = (grid.begins[1:] + grid.ends[:-1]) // 2
    return np.searchsorted(half, time, "right")


def _check_prices(columns: Columns, prices: dict[str, NDArray[np.float64]]) -> None:
    with np.errstate(invalid="ignore"):
        for name in _PRICES:
            columns.reject(~(prices[name] > 0), f"no {name}")
            columns.reject(prices[name] >= MAX_PRICE, f"{name} is {MAX_PRICE:g} or more")
        highest = np.maximum.reduce([prices[name] for name in _PRICES])
        lowest = np.minimum.reduce([prices[name] for name in _PRICES])
        inside = (prices["high"] == highest) & (prices["low"] == lowest)
        columns.reject(
            ~inside,
            "high and low do not contain open and close",
            lambda row: " ".join(f"{name} {prices[name][row]:.10g}" for name in _PRICES),
        )


def _within(vwap: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether each average lies between the lowest and the highest price, or is not given."""
    return np.isnan(vwap) | ((vwap >= low * (1 - VWAP_SLACK)) & (vwap <= high * (1 + VWAP_SLACK)))


def _without_repeats(bars: BarColumns, row: NDArray[np.int64], rejects: Rejects) -> BarColumns:
    """Put bars in the order of time. Of several of one time the last row counts."""
    order = np.argsort(bars.time, kind="stable")
    bars, row = bars.take(order), row[order]
    repeated = np.append(np.diff(bars.time) == 0, [False])[: len(bars)]
    for place in np.flatnonzero(repeated).tolist():
        text = instant(int(bars.time[place])).isoformat()
        rejects.add(int(row[place]), REPEATED, text, text)
    return bars.take(~repeated)


def _look(bars: BarColumns, key: InstrumentKey, seconds: int, facts: Counter[str]) -> None:
    """Count what nobody repairs, but a reader of the file should know."""
    if not len(bars) or seconds == DAY:
        return
    flat = (bars.high == bars.low) & (bars.open == bars.close)
    with np.errstate(invalid="ignore"):
        unmoved = np.append([False], flat[1:] & (bars.close[1:] == bars.close[:-1]))
        facts["bars without volume that repeat the price before them"] = int((unmoved & (bars.volume == 0)).sum())
    grid = grid_of(key.exchange, seconds, bars.time)
    if default_anchor(key.exchange) is Anchor.SESSION:
        inside = grid.place(bars.time) >= 0
        facts["bars outside the hours of their session: kept, and in no bar anchored at sessions"] = int(
            (~inside).sum()
        )
    tails = 0
    of_date = _date_of(grid, bars.time)
    for begin, end in _runs(of_date):
        run = 0
        while end - run > begin + 1 and unmoved[end - 1 - run]:
            run += 1
        tails += run if run >= FLAT_RUN else 0
    facts[f"bars at the end of a date that repeat one price, {FLAT_RUN} or more in a row"] = tails
    place = grid.place(bars.time)
    dates, counts = np.unique(place[place >= 0], return_counts=True)
    length = seconds * SECOND
    expected = -(-(grid.ends[dates] - grid.begins[dates]) // length)
    facts["bars missing on dates that have some"] = int((expected - counts).sum())
    for name in [name for name, count in facts.items() if not count]:
        del facts[name]


def _runs(values: NDArray[np.intp]) -> list[tuple[int, int]]:
    bounds = [*np.flatnonzero(np.diff(values, prepend=-1)).tolist(), len(values)]
    return list(itertools.pairwise(bounds))
