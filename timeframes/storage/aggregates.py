"""The aggregates of stored minutes: continuous ones, or views with the same rows.

Each makes longer bars of the stored bars of one minute, by instrument: open, high, low, close, volume and open
interest. Buckets count from 1970-01-01T00:00Z, like bars with the anchor `epoch`. As in the fold, a minute
that begins at another second than 0 takes no part.
"""

import hashlib

from psycopg import sql

from timeframes.core.timeframe import DAY
from timeframes.storage.server import Edition, Server

AGGREGATES = {"1min_aggregate": 60, "5min_aggregate": 300, "1hr_aggregate": 3600}
"""Name of the view -> seconds of a bucket."""
SOURCE = "historical_data"
ORIGIN = "1970-01-01T00:00:00Z"
REFRESH_MINUTES, LIVE_HOURS = 5, 2
"""How often a continuous aggregate is refreshed. It computes what is younger than LIVE_HOURS when it is read."""
OURS = "signalsite"

# Aggregates with an order, and not first() and last() of TimescaleDB: one text for all servers.
_SELECT = sql.SQL("""
SELECT instrument_key, {bucket} AS time,
       (array_agg(open ORDER BY {source}.time))[1] AS open, max(high) AS high, min(low) AS low,
       (array_agg(close ORDER BY {source}.time DESC))[1] AS close, sum(volume) AS volume,
       (array_agg(oi ORDER BY {source}.time DESC) FILTER (WHERE oi IS NOT NULL))[1] AS oi
FROM {source} WHERE interval = '1m' AND date_bin('60 s', time, timestamptz {origin}) = time
GROUP BY instrument_key, {bucket}""")
_VIEW = sql.SQL("CREATE VIEW {name} AS {select}")
_CONTINUOUS = sql.SQL(
    "CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS {select}"
    " WITH NO DATA"
)
_POLICY = sql.SQL(
    "SELECT {add}({regclass}, start_offset => NULL, end_offset => make_interval(hours => {hours}),"
    " schedule_interval => make_interval(mins => {minutes}), buckets_per_batch => {buckets})"
)


def kind_on(server: Server) -> str:
    return "continuous aggregate" if server.edition is Edition.COMMUNITY else "view"


def creation(name: str, server: Server) -> list[sql.Composable]:
    """Return the statements that make an aggregate that is not there."""
    statements = [*_definition(name, server)]
    statements.append(sql.SQL("COMMENT ON VIEW {} IS {}").format(sql.Identifier(name), mark(name, server)))
    return statements


def mark(name: str, server: Server) -> str:
    """Return the comment of a view of ours. It changes with the definition, so a stale view is seen by it."""
    text = "".join(statement.as_string() for statement in _definition(name, server))
    return f"{OURS}: {kind_on(server)}, {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def removal(name: str, server: Server, *, continuous: bool) -> list[sql.Composable]:
    """Return the statements that remove a view of ours, of whichever kind."""
    if not continuous:
        return [sql.SQL("DROP VIEW {}").format(sql.Identifier(name))]
    # The policy first: a refresh that runs meanwhile would make the removal fail.
    policy = sql.SQL("SELECT {}({}, if_exists => true)").format(
        server.call("remove_continuous_aggregate_policy"), f'"{name}"'
    )
    drop = sql.SQL("DROP MATERIALIZED VIEW {}").format(sql.Identifier(name))
    return [policy, drop] if server.edition is Edition.COMMUNITY else [drop]


def _definition(name: str, server: Server) -> list[sql.Composable]:
    seconds = f"{AGGREGATES[name]} s"
    if server.hypertables:
        bucket = sql.SQL("{}(interval {}, time)").format(server.call("time_bucket"), seconds)
    else:
        bucket = sql.SQL("date_bin({}, time, timestamptz {})").format(seconds, ORIGIN)
    select = _SELECT.format(bucket=bucket, source=sql.Identifier(SOURCE), origin=ORIGIN)
    if server.edition is not Edition.COMMUNITY:
        return [_VIEW.format(name=sql.Identifier(name), select=select)]
    return [
        _CONTINUOUS.format(name=sql.Identifier(name), select=select),
        _POLICY.format(
            add=server.call("add_continuous_aggregate_policy"),
            regclass=f'"{name}"',
            hours=LIVE_HOURS,
            minutes=REFRESH_MINUTES,
            buckets=DAY // AGGREGATES[name],  # by default 10, which takes hours for the minutes of years
        ),
    ]
