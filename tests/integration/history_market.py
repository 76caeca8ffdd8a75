"""A small market in bars: two expiries of an index, a future, the spot and a volatility index, on two dates."""

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np

from signals.greeks.core.engine import model_greeks
from signals.instruments.models import Underlying
from signals.instruments.services import register_instruments
from timeframes.bars.services import record_bars
from timeframes.core.bars import BarColumns
from timeframes.core.grid import microseconds
from timeframes.core.keys import parse_key
from timeframes.core.sessions import session_open

NAME = "NSE@HISTORY"
SPOT, VIX, FUTURE = f"{NAME}@equity_spot", "NSE@HISTORYVIX@equity_spot", f"{NAME}@equity_futures@2024-01-25"
EXPIRIES = (date(2024, 1, 11), date(2024, 1, 25))
STRIKES = tuple(range(960, 1041, 20))
DAYS = (date(2024, 1, 9), date(2024, 1, 10))
MINUTES = 6
RATE, CARRY = 0.065, 0.05  # the options discount at the rate; the forward grows less, as with a dividend yield


def option(expiry: date, right: str, strike: float) -> str:
    return f"{NAME}@equity_options@{expiry}@{right}@{strike}"


OPTIONS = tuple(option(expiry, right, strike) for expiry in EXPIRIES for strike in STRIKES for right in ("call", "put"))


def times(days: Sequence[date] = DAYS) -> list[datetime]:
    return [session_open("NSE", day) + timedelta(minutes=minute) for day in days for minute in range(MINUTES)]


def bars_of(begins: Sequence[datetime], rows: Sequence[Sequence[float]], volume: float = 75.0) -> BarColumns:
    """Rows are open, high, low, close."""
    columns = np.array(rows, np.float64).reshape(-1, 4).T
    nothing = np.full(len(begins), np.nan)
    return BarColumns(
        time=np.array([microseconds(each) for each in begins], np.int64),
        **dict(zip(("open", "high", "low", "close"), columns, strict=True)),
        volume=np.full(len(begins), volume),
        **dict.fromkeys(("vwap", "open_interest", "trades"), nothing),
    )


def spots() -> list[list[float]]:
    """Return open, high, low, close of each minute."""
    path = [1000.0 + 6.0 * math.sin(step / 2.0) for step in range(len(times()) + 1)]
    return [[begin, max(begin, end) + 1.5, min(begin, end) - 2.0, end] for begin, end in pairwise(path)]


def prices_of(key: str) -> list[list[float]]:
    """Return an option's bars: open and close by the forward of that moment, a high and a low around them."""
    parsed = parse_key(key)
    assert parsed.expiry is not None and parsed.strike is not None
    ends = session_open("NSE", parsed.expiry) + timedelta(hours=6, minutes=15)
    sign = 1.0 if parsed.right == "call" else -1.0
    found = []
    for begin, spot in zip(times(), spots(), strict=True):
        edges = []
        for moment, value in ((begin, spot[0]), (begin + timedelta(minutes=1), spot[3])):
            years = (ends - moment).total_seconds() / (365 * 86400)
            edges.append(_price(value * math.exp(CARRY * years), float(parsed.strike), years, sign))
        first, last = edges
        found.append([first, max(edges) + 0.8, max(min(edges) - 0.8, 0.05), last])
    return found


def _price(forward: float, strike: float, years: float, sign: float) -> float:
    found = model_greeks(
        volatility=0.15 + 0.4 * (strike / 1000.0 - 1.0) ** 2,
        underlying=np.array([forward]),
        strike=strike,
        expiry_years=years,
        rate=RATE,
        dividend_yield=0.0,
        sign=sign,
        black76=True,
    )
    return float(found.price[0])


def store_market(options: Sequence[str] = OPTIONS, *, future: bool = False) -> None:
    begins = times()
    keys = [*options, SPOT, VIX, *([FUTURE] if future else [])]
    register_instruments({key: parse_key(key) for key in keys})
    Underlying.objects.filter(key=NAME).update(volatility_index_key=VIX)
    record_bars(SPOT, 60, bars_of(begins, spots(), 0.0), source="test")
    record_bars(VIX, 60, bars_of(begins, [[14.0, 15.0, 13.0, 14.5]] * len(begins), 0.0), source="test")
    for key in options:
        record_bars(key, 60, bars_of(begins, prices_of(key)), source="test")
    if future:
        rows = [[value * 1.004 for value in row] for row in spots()]
        record_bars(FUTURE, 60, bars_of(begins, rows), source="test")
