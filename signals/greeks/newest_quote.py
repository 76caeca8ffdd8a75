"""SQL for the newest price of an instrument at an instant, to be joined to any query that has its key."""

from datetime import datetime, timedelta

QUOTE = (
    "q.bid, q.ask, coalesce(q.last, qb.last), q.settle, q.close, coalesce(q.volume, qb.volume), "
    "extract(epoch FROM coalesce(q.time, qb.time))::float8"
)
# Where no quote is young enough, the close of the newest bar that had ended stands in, as a trade at the bar's end. A
# bar of a day has its end where the session has, which SQL does not know: shorter ones count.
NEWEST_QUOTE = """
LEFT JOIN LATERAL (
    SELECT bid, ask, last, settle, close, volume, time FROM timeframes_quote
    WHERE instrument_key = {key} AND time <= %(as_of)s AND time > %(oldest)s
    ORDER BY time DESC LIMIT 1
) q ON true
LEFT JOIN LATERAL (
    WITH RECURSIVE one(interval) AS (
        (SELECT h.interval FROM historical_data h WHERE h.instrument_key = {key} ORDER BY h.interval LIMIT 1)
        UNION ALL
        SELECT (SELECT h.interval FROM historical_data h
                WHERE h.instrument_key = {key} AND h.interval > one.interval ORDER BY h.interval LIMIT 1)
        FROM one WHERE one.interval IS NOT NULL
    )
    SELECT h.close AS last, h.volume, h.time + one.interval::interval AS time
    FROM one CROSS JOIN LATERAL (
        SELECT b.close, b.volume, b.time FROM historical_data b
        WHERE b.instrument_key = {key} AND b.interval = one.interval AND one.interval::interval < interval '1 day'
          AND b.time <= %(as_of)s - one.interval::interval AND b.time > %(oldest)s - one.interval::interval
        ORDER BY b.time DESC LIMIT 1
    ) h
    WHERE q.time IS NULL ORDER BY 3 DESC, one.interval::interval LIMIT 1
) qb ON true
"""


def named(sql: str, name: str) -> str:
    """Return QUOTE or NEWEST_QUOTE under another name, so that a query can have both."""
    return sql.replace("q.", f"{name}.").replace("qb.", f"{name}b.").replace(") q", f") {name}")


def window_of(as_of: datetime, max_age_seconds: float) -> dict[str, datetime]:
    """Return the parameters of NEWEST_QUOTE.

    The window is one second wider than the age allowed: signals.greeks.core decides which quotes are too old.
    """
    return {"as_of": as_of, "oldest": as_of - timedelta(seconds=max_age_seconds + 1.0)}
