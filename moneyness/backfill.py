"""Fills the recorded history of chains from stored quotes: the evaluation that the consumer would have made.

Each slab of instants is one transaction, and a row that is stored stays. So it can be stopped at any moment and run
again: instants that have rows are not computed again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
from django.conf import settings

from moneyness.core.chain_rules import RECORD_SECONDS
from moneyness.core.records import chain_records, tenor_name, term_key
from moneyness.core.told import tell
from moneyness.selectors import chain_params
from moneyness.services import record_chains
from moneyness.stored_chains import StoredChains, load_slabs
from signals.greeks.core.conventions import GreeksParams
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.rows import binary_rows
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import SECOND, instant, microseconds
from timeframes.core.keys import parse_key
from timeframes.core.sessions import is_session, local_date, session_close, session_open

MOST_OPTIONS = 100_000  # evaluated in one call
_BEFORE_MIDNIGHT = timedelta(microseconds=1)
_INTERVALS = tuple(each for each in RECORD_SECONDS if each)
# By the primary key of the rows: an underlying's terms, each at these times.
_RECORDED = """
SELECT DISTINCT r.time FROM signal_chain_analytics r
WHERE r.term_key = ANY(%(keys)s::text[] || ARRAY(
    SELECT DISTINCT i.underlying_id || ':' || i.expiry FROM signals_instrument i
    WHERE i.underlying_id = %(underlying)s AND i."right" <> '' AND i.expiry >= %(day)s
)) AND r.time >= %(first)s AND r.time <= %(last)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRecorded:
    """What one underlying's day gave. `already`: instants that had rows. `evaluated`: those with a chain."""

    underlying: str
    day: date
    instants: int
    already: int
    evaluated: int
    rows: int


def check_interval(seconds: int | None) -> int | None:
    """Return seconds between instants of a session; None for its close only. Raises InvalidInput."""
    if seconds is not None and seconds not in _INTERVALS:
        raise InvalidInput("every", f"is none of {', '.join(map(str, _INTERVALS))} seconds")
    return seconds


def sessions_between(exchange: str, first: date, last: date, now: datetime) -> list[date]:
    """Return the sessions of these dates, both included, that are over."""
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if is_session(exchange, day) and session_close(exchange, day) <= now]


def record_days(underlying: str, days: Iterable[date], every: int | None, now: datetime) -> Iterator[DayRecorded]:
    """Record an underlying's sessions, one after the other.

    Rows that retention would drop at once are not written: levels older than MONEYNESS_KEEP_DAYS, and nothing of a day
    older than CHAIN_ANALYTICS_KEEP_DAYS.
    """
    exchange = exchange_named(parse_key(underlying).exchange).name
    for day in days:
        at = instants_of(exchange, day, every)
        if _is_dropped(day, settings.CHAIN_ANALYTICS_KEEP_DAYS, exchange, now):
            yield DayRecorded(underlying=underlying, day=day, instants=len(at), already=0, evaluated=0, rows=0)
            continue
        with_levels = not _is_dropped(day, settings.MONEYNESS_KEEP_DAYS, exchange, now)
        yield _record_day(underlying, day, at, with_levels=with_levels)


def instants_of(exchange: str, day: date, every: int | None) -> list[datetime]:
    """Return the instants of a session: whole intervals since 1970, as the consumer counts them, and the close."""
    opened, closed = microseconds(session_open(exchange, day)), microseconds(session_close(exchange, day))
    step = (every or 0) * SECOND
    found = range(-(-opened // step) * step, closed, step) if step else ()
    return [*(instant(each) for each in found), instant(closed)]


def _is_dropped(day: date, keep_days: int, exchange: str, now: datetime) -> bool:
    return bool(keep_days) and day < local_date(exchange, now) - timedelta(days=keep_days)


def _label(exchange: str, day: date, moment: datetime) -> datetime:
    """Return the time of an instant's rows. A close that is the next day's midnight counts to the day that ends."""
    return moment if local_date(exchange, moment) == day else moment - _BEFORE_MIDNIGHT


def _record_day(underlying: str, day: date, at: Sequence[datetime], *, with_levels: bool) -> DayRecorded:
    exchange = exchange_named(parse_key(underlying).exchange).name
    labels = {moment: _label(exchange, day, moment) for moment in at}
    tenors = chain_params([underlying])[underlying].tenors
    known = _recorded(underlying, day, tenors, min(labels.values()), max(labels.values()))
    wanted = [(underlying, moment) for moment in at if labels[moment] not in known]
    evaluated = rows = 0
    for stored in load_slabs(wanted, GreeksParams(), nearest=None, most_options=MOST_OPTIONS):
        evaluated += len(stored.instants)
        rows += _record(stored, {place: labels[moment] for place, moment in enumerate(stored.instants)}, with_levels)
    return DayRecorded(
        underlying=underlying,
        day=day,
        instants=len(at),
        already=len(at) - len(wanted),
        evaluated=evaluated,
        rows=rows,
    )


def _record(stored: StoredChains, times: dict[int, datetime], with_levels: bool) -> int:
    from moneyness.core.evaluate_chain import evaluate_chain, price_chains  # loads the kernels, which most never need

    conventions = GreeksParams()
    params = replace(chain_params(stored.keys[:1])[stored.keys[0]], fit=True)  # as live: the skew is read from the fit
    priced = price_chains(stored.snapshot, stored.keys, stored.black76, stored.interest, conventions)
    found = evaluate_chain(priced, params, np.full(len(priced.expiries.years), np.nan))
    records = chain_records(found, tell(found), times)
    if not with_levels:
        records.levels.clear()
    return record_chains(records)


def _recorded(underlying: str, day: date, tenors: Sequence[float], first: datetime, last: datetime) -> set[datetime]:
    keys = [term_key(underlying, tenor_name(days)) for days in tenors]
    values = {"underlying": underlying, "keys": keys, "day": day, "first": first, "last": last}
    return {time for (time,) in binary_rows(_RECORDED, values)}
