"""Reads rates, dividends and yields."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np

from signals.instruments.core.underlyings import currency_of
from signals.rates.core.carry import ALWAYS, NO_HISTORY, CarryHistory, DatedYield, StoredDividend
from signals.rates.core.curves import CURVE_DAYS, ZeroCurve
from signalsite.foundation.rows import binary_rows
from timeframes.core.exchanges import EXCHANGES
from timeframes.core.sessions import session_open

# signals.rates.core decides which of these facts count.
_FACTS = """
SELECT 'curve', currency, date, tenor_days::float8, rate, NULL::date FROM signals_zerorate
WHERE currency = ANY(%(currencies)s) AND date > %(oldest_curve)s AND date <= %(last)s
UNION ALL
SELECT 'yield', underlying_id, since, dividend_yield, NULL, NULL FROM signals_datedyield
WHERE underlying_id = ANY(%(underlyings)s) AND since <= %(last)s
UNION ALL
SELECT 'dividend', underlying_id, ex_date, amount, NULL, announced FROM signals_dividend
WHERE underlying_id = ANY(%(underlyings)s) AND ex_date >= %(first)s
      AND (announced IS NULL OR announced <= %(last)s)
"""


def load_carry(underlyings: Iterable[str], *, first: date = date.min, last: date = date.max) -> dict[str, CarryHistory]:
    """Return the carry of each underlying, by its key: all that may be known on the days from `first` to `last`.

    Runs one query. Underlyings of one currency share the objects of its curves.
    """
    currencies = {key: currency_of(key) for key in underlyings}
    oldest = first - timedelta(days=CURVE_DAYS + 1) if first - date.min > timedelta(days=CURVE_DAYS + 1) else date.min
    rows = binary_rows(
        _FACTS,
        {
            "currencies": sorted(set(currencies.values())),
            "underlyings": sorted(currencies),
            "oldest_curve": oldest,
            "first": first,
            "last": last,
        },
    )
    if not rows:
        return dict.fromkeys(currencies, NO_HISTORY)
    points: defaultdict[str, defaultdict[date, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    yields: defaultdict[str, list[DatedYield]] = defaultdict(list)
    dividends: defaultdict[str, list[StoredDividend]] = defaultdict(list)
    for kind, name, day, value, rate, announced in rows:
        if kind == "curve":
            points[name][day].append((value, rate))
        elif kind == "yield":
            yields[name].append(DatedYield(day.toordinal(), value))
        else:
            dividends[name].append(_dividend(name, day, value, announced))
    curves = {currency: _curves(currency, by_day) for currency, by_day in points.items()}
    return {
        key: CarryHistory(curves.get(currency, ()), sorted(yields.get(key, ())), sorted(dividends.get(key, ())))
        for key, currency in currencies.items()
    }


def _curves(currency: str, by_day: dict[date, list[tuple[float, float]]]) -> tuple[ZeroCurve, ...]:
    found = []
    for day in sorted(by_day):
        tenors, rates = np.array(sorted(by_day[day])).T.copy()
        found.append(ZeroCurve(currency, day.toordinal(), tenors, rates))
    return tuple(found)


def _dividend(underlying: str, ex_date: date, amount: float, announced: date | None) -> StoredDividend:
    exchange = underlying.rpartition("@")[0]
    ex_at = session_open(exchange if exchange in EXCHANGES else "", ex_date).timestamp()
    return StoredDividend(announced.toordinal() if announced else ALWAYS, ex_date.toordinal(), ex_at, amount)
