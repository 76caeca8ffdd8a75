"""Reads the values that were recorded live."""

from datetime import datetime, timedelta

import numpy as np

from moneyness.core.records import level_key, tenor_name, term_key
from moneyness.history.values import EXPIRY_VALUES, LEVEL_VALUES, Wanted
from signalsite.foundation.rows import binary_columns, binary_rows
from timeframes.core.bars import Floats
from timeframes.core.grid import Instants
from timeframes.core.sessions import local_date

NEAREST_DAYS = 100  # how far away the nearest expiry of an instant may be
_MICROSECONDS = "round(date_part('epoch', time) * 1000000)::int8"
_EXPIRIES = """
SELECT DISTINCT expiry FROM signals_instrument
WHERE underlying_id = %(underlying)s AND "right" <> '' AND expiry >= %(first)s AND expiry <= %(last)s
"""
_VALUES = """
SELECT DISTINCT ON (time) {microseconds}, {value} FROM {table}
WHERE {key} = ANY(%(keys)s::text[]) AND time >= %(first)s AND time <= %(end)s {more} ORDER BY time, expiry
"""


def load_recorded(wanted: Wanted, first: datetime, end: datetime) -> tuple[Instants, Floats]:
    """Return the instants in [first, end] that have a row, ascending, and the values there, NaN for null."""
    if wanted.level:
        assert wanted.value in LEVEL_VALUES
        keys = [level_key(wanted.underlying, day, wanted.level) for day in _expiries(wanted, first, end)]
        table, key, more = "signal_moneyness_greeks", "level_key", "AND side = %(side)s"
    else:
        assert wanted.value in EXPIRY_VALUES
        terms = [tenor_name(wanted.tenor)] if wanted.tenor is not None else _expiries(wanted, first, end)
        keys = [term_key(wanted.underlying, term) for term in terms]
        table, key, more = "signal_chain_analytics", "term_key", ""
    query = _VALUES.format(microseconds=_MICROSECONDS, value=wanted.value, table=table, key=key, more=more)
    values = {"keys": keys, "first": first, "end": end, "side": wanted.side}
    found = binary_columns(query, values, {"time": int, "value": float})
    order = np.argsort(found["time"], kind="stable")
    return found["time"][order], found["value"][order]


def _expiries(wanted: Wanted, first: datetime, end: datetime) -> list[str]:
    """Return the expiry asked for, or those that can be the nearest of an instant."""
    if wanted.expiry is not None:
        return [wanted.expiry.isoformat()]
    days = local_date(wanted.exchange, first), local_date(wanted.exchange, end) + timedelta(days=NEAREST_DAYS)
    values = {"underlying": wanted.underlying, "first": days[0], "last": days[1]}
    return [day.isoformat() for (day,) in binary_rows(_EXPIRIES, values)]
