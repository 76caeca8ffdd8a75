"""Historical Greeks of items: load what they need in a range, and answer every item with rows or with a reason."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from signals.greeks.core.conventions import GreeksParams
from signals.history.core.block import Block, answer_block
from signals.history.core.points import Extremes
from signals.history.selectors import History, Wanted
from signals.instruments.core.terms import option_of
from signalsite.foundation.computations.columns import BAD_INPUT
from signalsite.foundation.errors import InvalidInput
from timeframes.bars.stored import Stored, check_made, stored_of
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import Anchor, check_anchor, default_anchor, instant, microseconds, usual_length
from timeframes.core.keys import parse_key
from timeframes.core.sessions import is_session, local_date, session_close, session_open
from timeframes.core.timeframe import DAY, Timeframe

NO_BARS, UNFIT = "no_bars", "unfit"
BARS_A_BLOCK = 375  # a day of minutes; the market around them is a thousand rows of Python
_NOTHING_STORED = "no bars or ticks of it are stored"
_EMPTY_RANGE = "nothing that is stored of it is in the range"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an item has no bars: a status word and a sentence."""

    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """The options of one exchange. `items`: the place of each among the items."""

    exchange: str
    items: Sequence[int]
    days: Sequence[Sequence[date]]  # of each option: the dates of the range on which it may have traded
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class HistoryInputs:
    count: int
    parts: Sequence[Part]
    refusals: Mapping[int, Refusal]
    asked: Mapping[str, Any]
    read: str  # digest of what was read

    def digest(self) -> str:
        refused = sorted((place, each.word, each.reason) for place, each in self.refusals.items())
        return hashlib.blake2b(repr((self.read, refused)).encode(), digest_size=16).hexdigest()


def load_history(
    keys: Sequence[str],
    *,
    begin: datetime,
    as_of: datetime,
    timeframe: Timeframe,
    anchor: Anchor | None,
    params: GreeksParams,
    asked: Mapping[str, Any],
) -> HistoryInputs:
    """Read the options' bars that begin in [begin, as_of), and the markets around them, as they were known at `as_of`.

    `anchor` None: that of each exchange.
    """
    stored = {key: _stored(key, timeframe, anchor) for key in dict.fromkeys(keys)}
    refusals = {place: found for place, key in enumerate(keys) if isinstance(found := stored[key], Refusal)}
    by_exchange: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        if place not in refusals:
            by_exchange.setdefault(parse_key(key).exchange, []).append(place)
    parts, digests = [], []
    for exchange, places in by_exchange.items():
        wanted = Wanted(exchange=exchange, timeframe=timeframe, anchor=anchor or default_anchor(exchange), until=as_of)
        extents = [found for place in places if isinstance(found := stored[keys[place]], Stored)]
        history = History([keys[place] for place in places], wanted, begin, params)
        blocks = [block for _, block in read_blocks(history, extents, begin, as_of)]
        days = [_days(exchange, timeframe, begin, as_of, expiry) for expiry in history.rows.expiry]
        parts.append(Part(exchange, places, days, blocks))
        digests.append(history.digest())
    return HistoryInputs(len(keys), parts, refusals, asked, repr(digests))


def read_blocks(
    history: History, extents: Sequence[Stored], begin: datetime, end: datetime
) -> Iterator[tuple[datetime, Block]]:
    """Yield the bars that begin in [begin, end) a stretch at a time, each with the moment that it reaches to.

    A stretch is whole dates, with about BARS_A_BLOCK bars of each option. What lies outside the extents is skipped.
    """
    wanted = history.wanted
    one = usual_length(wanted.exchange, wanted.timeframe, wanted.anchor, 1)
    clipped = [each.clipped(begin, end, each.fitting(wanted.timeframe, wanted.anchor), one) for each in extents]
    at, until = min(first for first, _ in clipped), min(max(last for _, last in clipped), end)
    days = max(usual_length(wanted.exchange, wanted.timeframe, wanted.anchor, BARS_A_BLOCK).days * 5 // 7, 1)
    while at < until:
        midnight = instant(microseconds(at) // (DAY * 10**6) * (DAY * 10**6))
        following = min(midnight + timedelta(days=days), until)
        yield following, history.block(at, following)
        at = following


def answer_history(
    inputs: HistoryInputs, params: GreeksParams, points: Sequence[str], extremes: Extremes, names: Sequence[str]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the columns of these names, and the item of each row, ascending. NaN and None stand for null.

    An item has its rows in the order of time, and a row with a reason for each session without a bar. An item without
    any bar has one row.
    """
    pieces = [*_answers(inputs, params, points, extremes), _reasons(inputs)]
    item = np.concatenate([each["item"] for each in pieces])
    order = np.lexsort((np.concatenate([each["time"] for each in pieces]), item))  # stable: points keep their order
    columns = {name: _column(pieces, name)[order] for name in names}
    return columns, item[order]


def answer_one(
    block: Block,
    params: GreeksParams,
    points: Sequence[str],
    extremes: Extremes,
    names: Sequence[str],
    verdicts: Mapping[str, bool],
) -> dict[str, np.ndarray]:
    """Return the columns of these names for a block of one option, `retryable` by status word among them."""
    found = answer_block(block, params, points, extremes).columns
    columns = {**found, "retryable": [verdicts[word] for word in found["status"]]}
    return {name: as_array(columns[name]) for name in names}


def _answers(
    inputs: HistoryInputs, params: GreeksParams, points: Sequence[str], extremes: Extremes
) -> Iterator[dict[str, Any]]:
    for part in inputs.parts:
        places = np.array(part.items, np.intp)
        for block in part.blocks:
            found = answer_block(block, params, points, extremes)
            lengths = [len(bars) * len(points) for bars in block.bars]
            assert sum(lengths) == len(found.option)
            time = np.concatenate([np.empty(0, np.int64), *(np.repeat(bars.time, len(points)) for bars in block.bars)])
            columns = {name: as_array(values) for name, values in found.columns.items()}
            yield {"item": places[found.option], "time": time, **columns}


def _reasons(inputs: HistoryInputs) -> dict[str, Any]:
    """Return a row for each refused item, and for each session of an option without a bar of it."""
    rows: list[tuple[int, int, str | None, str, str]] = [
        (place, 0, None, each.word, each.reason) for place, each in inputs.refusals.items()
    ]
    for part in inputs.parts:
        for number, place in enumerate(part.items):
            had = _dates_of(part, number)
            if not had:
                rows.append((place, 0, None, NO_BARS, _EMPTY_RANGE))
                continue
            for day in part.days[number]:
                if day not in had and is_session(part.exchange, day):
                    opening = session_open(part.exchange, day)
                    reason = f"no bars of it are stored on {day}"
                    rows.append((place, microseconds(opening), opening.isoformat(), NO_BARS, reason))
    names = {"item": np.intp, "time": np.int64, "bar_time": object, "status": object, "reason": object}
    return {name: np.array([row[at] for row in rows], kind) for at, (name, kind) in enumerate(names.items())}


def _dates_of(part: Part, number: int) -> set[date]:
    times = [block.bars[number].time for block in part.blocks]
    # Few half hours stand for many bars. Dates of all exchanges begin at a half hour.
    halves = np.unique(np.concatenate([np.empty(0, np.int64), *times]) // 1_800_000_000)
    return {local_date(part.exchange, instant(int(half) * 1_800_000_000)) for half in halves.tolist()}


def _stored(key: str, timeframe: Timeframe, anchor: Anchor | None) -> Stored | Refusal:
    """Return what is stored of an option, or why there can be no bars of it."""
    if option_of(key) is None:
        return Refusal(BAD_INPUT.word, _why_no_option(key))
    try:
        exchange = exchange_named(parse_key(key).exchange).name
    except InvalidInput as error:
        return Refusal(BAD_INPUT.word, str(error))
    stored = stored_of(key)
    if not stored:
        return Refusal(NO_BARS, _NOTHING_STORED)
    chosen = anchor or default_anchor(exchange)
    try:
        check_anchor(timeframe, chosen)
        check_made(key, stored, timeframe, chosen)
    except InvalidInput as error:
        return Refusal(UNFIT, str(error))
    return stored


def _why_no_option(key: str) -> str:
    try:
        parse_key(key)
    except InvalidInput as error:
        return str(error)
    return f"{key} is no option"


def _days(exchange: str, timeframe: Timeframe, begin: datetime, end: datetime, expiry: date | None) -> list[date]:
    """Return the dates of the range, up to the expiry, that may be sessions, where a bar is no longer than one."""
    found = exchange_named(exchange)
    around_the_clock = found.hours[0].closes is None
    if not isinstance(timeframe, int) or timeframe > DAY or not (found.calendar or around_the_clock):
        return []
    day, last = local_date(exchange, begin), local_date(exchange, end)
    last = min(last, expiry) if expiry else last
    days = []
    while day <= last:
        likely = around_the_clock or day.weekday() < 5 or day in found.special
        if likely and session_open(exchange, day) < end and session_close(exchange, day) > begin:
            days.append(day)
        day += timedelta(days=1)
    return days


def as_array(values: Any) -> np.ndarray:
    """Return numbers as float64, anything else as objects: columns of many blocks, and small ones."""
    if isinstance(values, np.ndarray):
        return values
    if any(isinstance(each, str) for each in values[:1]) or None in values:
        found = np.empty(len(values), object)
        found[:] = values
        return found
    return np.array(values)


def _column(pieces: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    known = [each[name] for each in pieces if name in each]
    words = any(each.dtype == object for each in known)
    parts = []
    for each in pieces:
        if name in each:
            parts.append(each[name].astype(object) if words else each[name])
        else:
            parts.append(np.full(len(each["item"]), None if words else np.nan))
    found: np.ndarray = np.concatenate(parts)
    return found
