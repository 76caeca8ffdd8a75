"""Turns rows of any file into bars, as a mapping says: columns in, columns and rejected rows out.

A bar has all four prices, over 0, of which the highest and the lowest contain the other two. It stands where bars of
its timeframe begin on its exchange (`timeframes.core.grid`). A bar of a day may have any moment of its date, and gets
the opening of its session. A volume-weighted average price outside low and high is left out and counted: it may be in
another unit, and the bar's own prices are good without it.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from signals.importers.core.columns import MAX_PRICE, Columns
from signals.importers.core.fields import BAR_FIELDS, CONTRACT_FIELDS
from signals.importers.core.leg_contracts import read_contracts
from signals.importers.core.mapping import Mapping
from signals.importers.core.moments import read_times
from signals.importers.core.raw_table import NotATable, RawTable, Rejects
from timeframes.core.bar_dates import date_of, grid_of
from timeframes.core.bars import BarColumns
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import SECOND, instant, microseconds
from timeframes.core.keys import InstrumentKey
from timeframes.core.sessions import expiry_moment, session_open
from timeframes.core.timeframe import DAY, format_timeframe

REPEATED = "repeated time, a later row counts"
VWAP_OUTSIDE = "bars whose vwap, or turnover / volume, is not between low and high: stored without vwap"
VWAP_SLACK = 1e-6  # turnovers and volumes are rounded
OFF_GRID = re.compile(r"no \w+ bar begins then", re.ASCII)
_NEVER = np.iinfo(np.int64).max
_PRICES = ("open", "high", "low", "close")
FIELDS = MappingProxyType(
    {
        **CONTRACT_FIELDS,
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
    """The usable bars of some rows, by instrument and then time: bar i is of `contracts[place[i]]`.

    `facts` counts what a reader of the file should know.
    """

    contracts: list[InstrumentKey]
    place: NDArray[np.int64]
    bars: BarColumns
    rejects: Rejects
    read: int
    facts: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()


def bar_table(raw: RawTable, mapping: Mapping, seconds: int) -> BarTable:
    """Read rows by a mapping. Raises NotATable if columns are missing."""
    facts = Counter[str]()
    names = dict(raw.wanted.by_leg[""])
    if "date" in names and "time" not in names:  # a column named date often holds whole moments
        names["time"] = names.pop("date")
    columns = Columns(raw, names, {**mapping.constants, **raw.shared})
    contracts, place = read_contracts(columns, mapping, "")
    for column in raw.wanted.overruled.values():
        _compare(columns, column, contracts, facts)
    time = _times(columns, mapping, contracts, place, seconds)
    prices = {name: columns.numbers(name, least=0.0) for name in (*_PRICES, "vwap")}
    if mapping.price_factor != 1.0:
        prices = {name: values * mapping.price_factor for name, values in prices.items()}
    counts = {name: columns.numbers(name, least=0.0) for name in (*_COUNTS, "turnover")}
    _check_prices(columns, prices)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        average = np.where(counts["volume"] > 0, counts["turnover"] / counts["volume"], np.nan)
        columns.reject(np.isfinite(counts["trades"]) & (counts["trades"] % 1 != 0), "trades is not a whole number")
        columns.reject(counts["trades"] > 2**53, "trades is not a whole number under 2^53")
    own = np.where(np.isnan(prices["vwap"]) | (prices["vwap"] == 0), average, prices["vwap"])
    usable = columns.reason == ""
    rejects = Rejects()
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
    place, bars = _without_repeats(contracts, place[usable], bars, raw.row[usable], rejects)
    rejects.extend(raw.rejects)
    rejects.rows.sort(key=lambda rejected: rejected.row)
    return BarTable(contracts, place, bars, rejects, raw.read, facts, raw.notes)


def _compare(columns: Columns, column: str, contracts: list[InstrumentKey], facts: Counter[str]) -> None:
    """Count the rows in which the column names another instrument than the one that was set in its place."""
    if len(contracts) != 1:
        return
    (key,) = contracts
    words = columns.words_of(column)
    for at, text in enumerate(words.values[:20]):
        if text.upper() not in (key.symbol, str(key)):
            facts[f"rows say {column}={text[:40]}, taken as {key} as you set"] += int((words.codes == at).sum())


def _times(
    columns: Columns, mapping: Mapping, contracts: list[InstrumentKey], place: NDArray[np.int64], seconds: int
) -> NDArray[np.int64]:
    """Return the beginning of each bar, and reject rows whose time is none."""
    exchanges = sorted({contract.exchange for contract in contracts})
    zones = {exchange_named(exchange).zone for exchange in exchanges}
    if len(zones) > 1 and not mapping.zone:
        raise NotATable(
            f"the file's exchanges are in {len(zones)} time zones: say with --time-zone which is the file's"
        )
    if seconds == DAY:  # a date alone is that date, and not the close of its session
        mapping = mapping.changed(time_format=f"%Y-%m-%d|%Y%m%d|{mapping.time_format}")
    time = read_times(columns, mapping, exchanges[0] if exchanges else mapping.exchange)
    of = np.array([*(exchanges.index(contract.exchange) for contract in contracts), -1], dtype=np.int64)[place]
    for at, exchange in enumerate(exchanges):
        usable = (columns.reason == "") & (of == at)
        if usable.any():
            time = _begins(columns, mapping, exchange, time, usable, seconds)
    ends = [microseconds(expiry_moment(each)) if each.expiry else _NEVER for each in contracts]
    columns.reject((columns.reason == "") & (time >= np.array([*ends, _NEVER])[place]), "after its expiry")
    return time


def _begins(
    columns: Columns,
    mapping: Mapping,
    exchange: str,
    time: NDArray[np.int64],
    usable: NDArray[np.bool_],
    seconds: int,
) -> NDArray[np.int64]:
    """Check that bars of an exchange begin at these times; those of a day get the opening of its session."""
    if seconds == DAY:
        zone = ZoneInfo(mapping.zone) if mapping.zone else exchange_named(exchange).zone
        quarters, codes = np.unique(time[usable] // (900 * SECOND), return_inverse=True)  # midnights are at such
        days = [instant(each * 900 * SECOND).astimezone(zone).date() for each in quarters.tolist()]
        time = time.copy()
        time[usable] = np.array([microseconds(session_open(exchange, day)) for day in days], np.int64)[codes]
        return time
    grid = grid_of(exchange, seconds, time[usable])
    off = (time - grid.origin[date_of(grid, time)]) % (seconds * SECOND) != 0
    name = format_timeframe(seconds)
    columns.reject(usable & off, f"no {name} bar begins then", lambda row: instant(int(time[row])).isoformat())
    return time


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


def _without_repeats(
    contracts: list[InstrumentKey],
    place: NDArray[np.int64],
    bars: BarColumns,
    row: NDArray[np.int64],
    rejects: Rejects,
) -> tuple[NDArray[np.int64], BarColumns]:
    """Put bars in the order of instrument and time. Of several of one time the last row counts."""
    order = np.lexsort((row, bars.time, place))
    place, bars, row = place[order], bars.take(order), row[order]
    repeated = np.append((np.diff(bars.time) == 0) & (np.diff(place) == 0), [False])[: len(bars)]
    if not repeated.any():
        return place, bars
    for at in np.flatnonzero(repeated).tolist():
        text = instant(int(bars.time[at])).isoformat()
        rejects.add(int(row[at]), REPEATED, text, f"{contracts[place[at]]} {text}")
    return place[~repeated], bars.take(~repeated)
