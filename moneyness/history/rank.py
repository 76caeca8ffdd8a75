"""Rank and percentile of the volatility at the money over sessions, and realised volatility beside it."""

import time
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from moneyness.core.ranking import standing
from moneyness.core.value_bars import bars_of_grid, fold_values
from moneyness.history.computed import compute_values
from moneyness.history.recorded import load_recorded
from moneyness.history.requests import read_underlying
from moneyness.history.values import Source, Wanted
from signals.instruments.models import Underlying
from signalsite.foundation.deadlines import within_time
from signalsite.foundation.errors import InvalidInput
from timeframes.bars.selectors import complete, read_all
from timeframes.bars.stored import Wanted as BarsWanted
from timeframes.bars.stored import stored_of
from timeframes.core.bars import join_folded
from timeframes.core.grid import default_anchor, instant, make_grid, microseconds
from timeframes.core.keys import parse_key
from timeframes.core.realised import close_to_close, parkinson, yang_zhang
from timeframes.core.sessions import is_session, local_date, parse_instant, session_close
from timeframes.core.timeframe import DAY

DEFAULT_TENOR = 30.0
MOST_COMPUTED = 30
"""Sessions of which nothing is recorded and that a request computes, the newest first."""
COMPUTE_SECONDS = 1.5
FIRST_YEAR = 1971  # of sessions that are looked at
TOO_MUCH = "the lookback is made of too much data: ask for fewer sessions"


def read_rank(underlying: str, query: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Raises InvalidInput."""
    key, exchange = read_underlying(underlying)
    as_of = parse_instant(query["as_of"], exchange) if "as_of" in query else now
    if as_of > now:
        raise InvalidInput("as_of", f"{as_of.isoformat()} is to come")
    tenor = None if "expiry" in query else query.get("tenor", DEFAULT_TENOR)
    days = _sessions(exchange, as_of, query["sessions"])
    if not days:
        raise InvalidInput("as_of", f"{as_of.isoformat()} is before the first session, in {FIRST_YEAR}")
    wanted = Wanted(
        underlying=key,
        exchange=exchange,
        timeframe=DAY,
        anchor=default_anchor(exchange),
        begin=as_of,
        end=as_of,
        value="implied_volatility",
        source=Source.AUTO,
        expiry=query.get("expiry"),
        tenor=tenor,
    )
    with within_time(TOO_MUCH):
        times, values, left = _values(wanted, days, as_of)
        realised = _realised(key, exchange, as_of, query["window"])
    found = standing(values)
    newest = np.flatnonzero(np.isfinite(values))
    return {
        "underlying": key,
        "as_of": as_of,
        "expiry": wanted.expiry,
        "tenor": tenor,
        "implied_volatility": found.value,
        "time": instant(int(times[newest[-1]])) if len(newest) else None,
        "sessions": query["sessions"],
        "known": found.known,
        "lowest": found.lowest,
        "highest": found.highest,
        "mean": found.mean,
        "rank": found.rank,
        "percentile": found.percentile,
        "reason": _why(found.known, len(days), left),
        "realised": realised,
    }


def _why(known: int, sessions: int, left: int) -> str | None:
    if known == sessions:
        return None
    text = f"{sessions - known} of {sessions} sessions have no value"
    if left:
        text += f", {left} of them because a request computes at most {MOST_COMPUTED}, in {COMPUTE_SECONDS:g} s"
    return text


def _sessions(exchange: str, as_of: datetime, count: int) -> list[date]:
    """Return the last sessions that began at or before the date of `as_of`, ascending."""
    day, found = local_date(exchange, as_of), list[date]()
    while len(found) < count and day.year >= FIRST_YEAR:
        if is_session(exchange, day):
            found.append(day)
        day -= timedelta(days=1)
    return found[::-1]


def _values(wanted: Wanted, days: list[date], as_of: datetime) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the sessions' beginnings and last values, NaN for none, and how many were left uncomputed."""
    grid = make_grid(wanted.exchange, DAY, wanted.anchor, days[0], days[-1])
    first, end = instant(int(grid.begins[0])), min(instant(int(grid.ends[-1])), as_of)
    bars = fold_values(*load_recorded(wanted, first, end), grid)
    chosen = set(days)
    times = np.array(
        [t for t in bars_of_grid(grid).tolist() if local_date(wanted.exchange, instant(t)) in chosen], np.int64
    )
    values = np.full(len(times), np.nan)
    at = np.searchsorted(bars.time, times)
    known = (at < len(bars)) & (np.append(bars.time, -1)[at] == times)
    values[known] = bars.close[at[known]]
    missing, begun = np.flatnonzero(~known)[::-1], time.monotonic()
    done = 0
    for place in missing[:MOST_COMPUTED].tolist():
        if time.monotonic() - begun > COMPUTE_SECONDS:
            break
        close = session_close(wanted.exchange, local_date(wanted.exchange, instant(int(times[place]))))
        values[place] = compute_values(wanted, np.array([microseconds(min(close, as_of))]))[0][0]
        done += 1
    return times, values, len(missing) - done


def _realised(key: str, exchange: str, as_of: datetime, window: int) -> dict[str, Any]:
    spot = Underlying.objects.filter(key=key).values_list("spot_key", flat=True).first() or parse_key(key).spot
    answer: dict[str, Any] = {"sessions": window, "close_to_close": None, "parkinson": None, "yang_zhang": None}
    stored, anchor = stored_of(spot), default_anchor(exchange)
    if not stored or not (stored.fitting(DAY, anchor) or stored.ticks):
        return {**answer, "reason": f"no bars of {spot} are stored"}
    wanted = BarsWanted(
        key=spot,
        exchange=exchange,
        timeframe=DAY,
        anchor=anchor,
        begin=as_of - timedelta(days=window * 7 // 5 + 21),
        end=as_of,
        stored=stored,
    )
    bars = join_folded(list(read_all(wanted, window + 21)))
    bars = bars.take(complete(wanted, bars.time, as_of))
    if len(bars) <= window:
        return {
            **answer,
            "reason": f"{len(bars)} daily bars of {spot} have ended shortly before, {window + 1} are needed",
        }
    bars = bars.take(slice(len(bars) - window - 1, None))
    for name, estimate in (("close_to_close", close_to_close), ("parkinson", parkinson), ("yang_zhang", yang_zhang)):
        answer[name] = float(estimate(bars, window)[-1])
    return {**answer, "reason": None}
