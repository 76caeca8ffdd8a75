"""The fold once more, slow and plain: one row at a time, with dictionaries. The oracle of the fast ones."""

import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import Anchor
from timeframes.core.sessions import session_close, session_open
from timeframes.core.timeframe import Months, Timeframe


class Tick(NamedTuple):
    time: datetime
    entry: tuple[int, int]
    price: float
    volume: float | None
    interest: float | None


class Row(NamedTuple):
    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    vwap: float | None
    interest: float | None
    trades: float | None


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = datetime(1969, 12, 29, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def stretch_of(exchange: str, anchor: Anchor, time: datetime, *, tick: bool) -> tuple[date, datetime, datetime] | None:
    """The date, beginning and end of the session (or UTC date) that a moment lies in."""
    if anchor is Anchor.EPOCH:
        day = time.astimezone(UTC).date()
        begin = datetime.combine(day, datetime.min.time(), UTC)
        return day, begin, begin + timedelta(days=1)
    day = time.astimezone(exchange_named(exchange).zone).date()
    begin, end = session_open(exchange, day), session_close(exchange, day)
    closes = exchange_named(exchange).hours[0].closes is not None
    inside = begin <= time < end or (tick and closes and time == end)
    return (day, begin, end) if inside else None


def bar_of(exchange: str, timeframe: Timeframe, anchor: Anchor, time: datetime) -> datetime:
    """The beginning of the bar of a moment inside a stretch."""
    found = stretch_of(exchange, anchor, time, tick=True)
    assert found is not None
    day, begin, end = found
    if isinstance(timeframe, Months):
        number = ((day.year - 1970) * 12 + day.month - 1) // timeframe.count * timeframe.count
        first = date(1970 + number // 12, number % 12 + 1, 1)
        return first_of(exchange, anchor, first)
    if anchor is Anchor.EPOCH:
        origin = MONDAY if timeframe % 604_800 == 0 else EPOCH
        return origin + (time - origin) // timedelta(seconds=timeframe) * timedelta(seconds=timeframe)
    if timeframe < 86_400:
        step = timedelta(seconds=timeframe)
        return begin + (min(time, end - MOMENT) - begin) // step * step
    origin = date(1969, 12, 29) if timeframe % 604_800 == 0 else date(1970, 1, 1)
    block = (day - origin).days * 86_400 // timeframe * timeframe // 86_400
    return first_of(exchange, anchor, origin + timedelta(days=block))


def first_of(exchange: str, anchor: Anchor, day: date) -> datetime:
    if anchor is Anchor.EPOCH:
        return datetime.combine(day, datetime.min.time(), UTC)
    return session_open(exchange, day)


def slow_fold(
    exchange: str, timeframe: Timeframe, anchor: Anchor, bars: Mapping[int, Sequence[Row]], ticks: Sequence[Tick]
) -> list[dict[str, Any]]:
    parts: list[tuple[tuple[Any, ...], Row]] = []
    covered: list[tuple[int, set[datetime]]] = []

    def is_covered(time: datetime) -> bool:
        _, begin, end = stretch_of(exchange, anchor, time, tick=True) or (None, EPOCH, EPOCH)
        origin = EPOCH if anchor is Anchor.EPOCH else begin
        moment = min(time, end - MOMENT)
        for seconds, times in covered:
            step = timedelta(seconds=seconds)
            if origin + (moment - origin) // step * step in times:
                return True
        return False

    days = isinstance(timeframe, Months) or (anchor is Anchor.SESSION and timeframe % 86_400 == 0)
    for seconds in sorted(bars, reverse=True):
        if not days and timeframe % seconds:  # type: ignore[operator]
            continue
        inside = []
        for row in bars[seconds]:
            found = stretch_of(exchange, anchor, row.time, tick=False)
            origin = EPOCH if found is None or anchor is Anchor.EPOCH else found[1]
            if found and not (row.time - origin) % timedelta(seconds=seconds):
                inside.append(row)
        parts += [((row.time, 0, 0), row) for row in inside if not is_covered(row.time)]
        covered.append((seconds, {row.time for row in inside}))
    highest: dict[date, float] = {}
    for tick in sorted(ticks, key=lambda tick: (tick.time, tick.entry)):
        found = stretch_of(exchange, anchor, tick.time, tick=True)
        if found is None:
            continue
        traded = None
        if tick.volume is not None:
            before = highest.get(found[0], 0.0)
            traded = max(tick.volume - before, 0.0)
            highest[found[0]] = max(before, tick.volume)
        if not is_covered(tick.time):
            count = None if traded is None else float(traded > 0)
            row = Row(tick.time, *[tick.price] * 4, traded, tick.price, tick.interest, count)
            parts.append(((tick.time, *tick.entry), row))
    parts.sort(key=lambda part: part[0])
    found_bars: dict[datetime, list[Row]] = {}
    for _, row in parts:
        found_bars.setdefault(bar_of(exchange, timeframe, anchor, row.time), []).append(row)
    return [_one(time, rows) for time, rows in sorted(found_bars.items())]


def _one(time: datetime, rows: list[Row]) -> dict[str, Any]:
    traded = [row for row in rows if row.volume is not None and row.volume > 0]
    total = math.fsum(row.volume or 0.0 for row in traded)
    prices = [(row.high + row.low + row.close) / 3 if row.vwap is None else row.vwap for row in traded]
    value = math.fsum(price * (row.volume or 0.0) for price, row in zip(prices, traded, strict=True))
    volumes = [row.volume for row in rows if row.volume is not None]
    counts = [row.trades for row in rows if row.trades is not None]
    interests = [row.interest for row in rows if row.interest is not None]
    return {
        "time": time,
        "open": rows[0].open,
        "high": max(row.high for row in rows),
        "low": min(row.low for row in rows),
        "close": rows[-1].close,
        "volume": math.fsum(volumes) if volumes else None,
        "vwap": value / total if traded else None,
        "open_interest": interests[-1] if interests else None,
        "trades": math.fsum(counts) if counts else None,
        "typical": any(row.vwap is None for row in traded),
    }


def random_market(
    chance: random.Random, exchange: str, days: Sequence[date], *, ticks_a_day: int
) -> tuple[dict[int, list[Row]], list[Tick]]:
    """Ticks with ties, gaps, late ones, doubles, falls and resets; and bars that cover parts of them."""
    ticks, bars = list[Tick](), dict[int, list[Row]]({60: [], 300: [], 86_400: []})
    entry = 0
    for day in days:
        begin, end = session_open(exchange, day), session_close(exchange, day)
        volume, time = 0.0, begin - timedelta(minutes=10)
        for _ in range(ticks_a_day):
            entry += 1
            time += timedelta(seconds=chance.choice([0, 0, 1, 2, 7, 30, 600]), microseconds=chance.choice([0, 0, 250]))
            volume = chance.choice([volume, volume + chance.randrange(100), volume + 1, max(volume - 50, 0.0), 3.0])
            tick = Tick(
                min(time, end + timedelta(minutes=5)) if chance.random() > 0.02 else chance.choice([begin, end]),
                (1_700_000_000_000 + entry // 3, 18_446_744_073_709_551_000 + entry % 3 if entry % 5 else entry % 3),
                chance.randrange(2_000, 2_100) / 20,
                volume if chance.random() > 0.1 else None,
                float(chance.randrange(1_000)) if chance.random() > 0.5 else None,
            )
            ticks.append(tick)
            if chance.random() < 0.05:  # a double: the same values in another entry
                entry += 1
                ticks.append(tick._replace(entry=(1_700_000_000_000 + entry, 0)))
            if chance.random() < 0.05:  # arrives late: a time that others have passed
                entry += 1
                late = chance.choice(ticks)
                ticks.append(late._replace(entry=(1_700_000_000_000 + entry, 0), price=late.price + 0.05))
        for seconds, chosen in ((60, 0.2), (300, 0.1)):
            moment = begin - timedelta(seconds=seconds)
            while moment < end + timedelta(minutes=10):
                if chance.random() < chosen:
                    off = timedelta(seconds=chance.choice([0, 0, 0, 0, 0, 30]))
                    bars[seconds].append(_random_row(chance, moment + off))
                moment += timedelta(seconds=seconds)
        if chance.random() < 0.2:
            bars[86_400].append(_random_row(chance, begin))
    return bars, ticks


def _random_row(chance: random.Random, time: datetime) -> Row:
    prices = sorted(chance.randrange(2_000, 2_100) / 20 for _ in range(4))
    middle = prices[1:3]
    chance.shuffle(middle)
    known = chance.random() > 0.2
    return Row(
        time,
        middle[0],
        prices[3],
        prices[0],
        middle[1],
        float(chance.randrange(50)) if known else None,
        prices[1] if known and chance.random() > 0.5 else None,
        float(chance.randrange(1_000)) if chance.random() > 0.5 else None,
        float(chance.randrange(20)) if chance.random() > 0.5 else None,
    )
