"""Hypertables, aggregates and retention, on whatever server the tests have.

TEST_DATABASE_URL runs the same tests on a TimescaleDB of yours whose template1 has the extension, as that of the Docker
image has. What a server cannot do is skipped there.
"""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import random_market
from timeframes import tasks
from timeframes.bars.services import record_bars
from timeframes.core.fold import fold
from timeframes.core.grid import Anchor, instant, make_grid
from timeframes.metrics import StorageCollector
from timeframes.models import Retention, Tick
from timeframes.storage import ensure as ensuring
from timeframes.storage import retention
from timeframes.storage.aggregates import AGGREGATES, removal
from timeframes.storage.ensure import StorageBusy, ensure, ensure_policies, missing
from timeframes.storage.plan import NameTaken, series_models
from timeframes.storage.server import Edition, detect
from timeframes.storage.status import status
from timeframes.ticks.store import record_ticks

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "NSE@NIFTY@equity_spot"
DAYS = (date(2024, 1, 19), date(2024, 1, 20), date(2024, 1, 22))
AGES = """
SELECT time >= date_bin(make_interval(days => %s), now() - make_interval(days => %s), timestamptz '1970-01-01Z'),
       count(*) FROM {} GROUP BY 1
"""


@pytest.fixture
def edition() -> Edition:
    return detect(connection).edition


@pytest.fixture(autouse=True)
def whole() -> Iterator[None]:
    """Leave the views of other tests as they should be. The server's own jobs would run at moments of theirs."""
    server = detect(connection)
    if server.hypertables:
        execute("SELECT _timescaledb_functions.stop_background_workers()")
    if server.edition is Edition.COMMUNITY:
        drop_aggregates()  # after TRUNCATE they have rows until they are refreshed
        ensure(connection)
    yield
    ensure(connection)


def execute(query: Any, parameters: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


def drop_aggregates() -> None:
    server = detect(connection)
    for name in AGGREGATES:
        for statement in removal(name, server, continuous=server.edition is Edition.COMMUNITY):
            execute(statement)


def refresh() -> None:
    if detect(connection).edition is Edition.COMMUNITY:
        for name, seconds in AGGREGATES.items():
            options = json.dumps({"buckets_per_batch": 86_400 * 10 // seconds})
            execute("CALL refresh_continuous_aggregate(%s, NULL, NULL, options => %s::jsonb)", [f'"{name}"', options])


# --- aggregates -------------------------------------------------------------------------------------------------------


def folded(key: str, minutes: Any, seconds: int) -> list[tuple[Any, ...]]:
    grid = make_grid("NSE", seconds, Anchor.EPOCH, date(2023, 12, 1), date(2024, 3, 1))
    found = fold({60: minutes}, None, grid)
    names = ("open", "high", "low", "close", "volume", "open_interest")
    columns = [[None if value != value else value for value in getattr(found, name).tolist()] for name in names]
    return [
        (key, instant(time), *row) for time, row in zip(found.time.tolist(), zip(*columns, strict=True), strict=True)
    ]


def test_aggregates_have_the_bars_that_the_fold_makes_of_minutes() -> None:
    stored = {}
    for number, key in enumerate((KEY, "NSE@OTHER@equity_spot")):
        bars, _ = random_market(random.Random(number), "NSE", DAYS, ticks_a_day=1)
        stored[key] = bar_columns(bars[60])
        for seconds, rows in bars.items():  # longer bars take no part
            record_bars(key, seconds, bar_columns(rows), source="test")
    for refreshed in (False, True):
        if refreshed:
            refresh()
        for name, seconds in AGGREGATES.items():
            rows = execute(
                f'SELECT instrument_key, time, open, high, low, close, volume, oi FROM "{name}" ORDER BY 1, 2'
            )
            expected = [row for key, minutes in sorted(stored.items()) for row in folded(key, minutes, seconds)]
            assert len(rows) == len(expected) > 20
            for row, wanted in zip(rows, expected, strict=True):
                assert row[:6] == wanted[:6] and row[7] == wanted[7]
                assert (row[6] or 0.0) == pytest.approx(wanted[6] or 0.0, rel=1e-12)
                assert (row[6] is None) == (wanted[6] is None)


def test_an_hour_counts_from_the_epoch_and_five_minutes_meet_the_session() -> None:
    opening = datetime(2024, 1, 19, 3, 45, tzinfo=UTC)  # 09:15 in India
    store_bars("1m", [opening, opening + timedelta(minutes=1)])
    for name, begins in (
        ("1min_aggregate", opening),
        ("5min_aggregate", opening),
        ("1hr_aggregate", opening.replace(minute=0)),
    ):
        assert execute(f'SELECT min(time) FROM "{name}"') == [(begins,)]


# --- ensure -----------------------------------------------------------------------------------------------------------


def test_after_the_migrations_nothing_is_missing(edition: Edition) -> None:
    assert missing(connection) == [] and ensure(connection) == 0
    assert {"historical_data", "ticks", "timeframes_quote"} <= set(series_models())
    found = status(connection)
    assert {table.hypertable for table in found.tables} == {edition is not Edition.POSTGRESQL}
    kind = "continuous aggregate" if edition is Edition.COMMUNITY else "view"
    assert {(each.name, each.kind) for each in found.aggregates} == {(name, kind) for name in AGGREGATES}


def test_every_unique_index_of_a_series_has_the_time() -> None:
    """A hypertable needs it."""
    query = """SELECT c.relname, array_agg(a.attname) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
        WHERE i.indisunique AND c.relname = ANY(%s) GROUP BY c.relname, i.indexrelid"""
    found = execute(query, [list(series_models())])
    models = series_models()
    assert {table for table, _ in found} == set(models)
    assert all("time" in columns and models[table].key in columns for table, columns in found)


def test_a_stale_view_is_made_anew_and_a_foreign_one_stays() -> None:
    said = list[str]()
    execute("""COMMENT ON VIEW "5min_aggregate" IS 'signalsite: view, of an earlier version'""")
    assert ensure(connection, said=said.append) == 1 and "5min_aggregate: make it as a" in said[0]
    assert missing(connection) == []
    execute("""COMMENT ON VIEW "5min_aggregate" IS 'the desk''s own'""")
    with pytest.raises(NameTaken, match="5min_aggregate is there already and is not ours"):
        ensure(connection)
    with pytest.raises(CommandError, match="5min_aggregate is there already"):
        call_command("timescale", "status")
    assert execute("""SELECT obj_description('"5min_aggregate"'::regclass)""") == [("the desk's own",)]
    execute("""COMMENT ON VIEW "5min_aggregate" IS 'signalsite: '""")


def test_forty_at_once_do_each_step_once() -> None:
    drop_aggregates()

    def one(number: int) -> int:
        try:
            return ensure(connection)  # each thread has a connection of its own
        finally:
            connection.close()

    with ThreadPoolExecutor(40) as pool:
        assert sum(pool.map(one, range(40))) == len(AGGREGATES)
    assert missing(connection) == []


def test_a_table_in_use_is_named_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensuring, "LOCK_SECONDS", 0.1)
    drop_aggregates()
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE historical_data IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StorageBusy, match=r"historical_data was in use for 0\.1 s"):
                ensure(connection)
            with pytest.raises(CommandError, match="historical_data was in use"):
                call_command("timescale", "ensure")
    finally:
        other.close()
    assert len(missing(connection)) == len(AGGREGATES)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_says_what_is_there_and_what_is_missing(
    capsys: pytest.CaptureFixture[str], edition: Edition
) -> None:
    call_command("timescale", "status")
    shown = capsys.readouterr().out
    assert shown.startswith(f"{edition}: PostgreSQL ") and "ticks: " in shown and "missing" not in shown
    drop_aggregates()
    with pytest.raises(SystemExit, match="1"):
        call_command("timescale", "status", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["edition"] == edition and len(found["missing"]) == len(AGGREGATES)
    assert [each["kind"] for each in found["aggregates"]] == [None] * len(AGGREGATES)
    assert {table["name"] for table in found["tables"]} == set(series_models())
    call_command("timescale", "ensure")
    assert capsys.readouterr().out.count("aggregate: make it as a") == len(AGGREGATES)
    call_command("timescale", "ensure")
    assert "have all that this server can do" in capsys.readouterr().out


# --- retention --------------------------------------------------------------------------------------------------------


def store_ticks(ages: list[float], key: str = KEY) -> None:
    """Store a tick of each age, in days."""
    now = datetime.now(UTC)
    record_ticks(
        Tick, [(key, now - timedelta(days=age), f"{place}-0", 1.0, *[None] * 11, "") for place, age in enumerate(ages)]
    )


def store_bars(interval: str, times: list[datetime], key: str = KEY) -> None:
    query = """INSERT INTO historical_data (instrument_key, interval, time, open, high, low, close, source)
        SELECT %s, %s, unnest(%s::timestamptz[]), 1, 1, 1, 1, 'test'"""
    execute(query, [key, interval, times])


def run_retention() -> bool:
    """Do what the server's policies and the task of beat do."""
    ensure_policies(connection)
    if detect(connection).edition is Edition.COMMUNITY:
        for (job,) in execute("SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'"):
            execute(f"CALL run_job({job})")
    return retention.expire(seconds=20)


def store_readings(days: int) -> None:
    execute(
        "INSERT INTO signal_chain_analytics (term_key, time, as_of, underlying, method)"
        " SELECT 'NSE@NIFTY:30d', now() - n * interval '1 day', now(), 'NSE@NIFTY', '' FROM generate_series(0, %s) n",
        [days],
    )


def store_levels(days: int) -> None:
    execute(
        "INSERT INTO signal_moneyness_greeks (level_key, time, side, underlying, expiry, level, options, priced)"
        " SELECT 'NSE@NIFTY:2026-12-29:' || level, now() - n * interval '1 day', 'both', 'NSE@NIFTY', '2026-12-29',"
        " level, 2, 2 FROM generate_series(0, %s) n, unnest(ARRAY['ATM', 'OTM1']) level",
        [days],
    )


def test_by_default_levels_go_after_a_month(edition: Edition) -> None:
    store_levels(60)
    assert not run_retention()
    kept = dict(execute(AGES.format("signal_moneyness_greeks"), [7, 30]))
    assert kept.keys() == {True} and kept[True] >= 60
    if edition is not Edition.COMMUNITY:  # there a policy has removed them
        assert Retention.objects.get(table="signal_moneyness_greeks").removed >= 30


def test_by_default_nothing_else_is_removed() -> None:
    store_ticks([4000])
    store_bars("1m", [datetime(1999, 1, 1, tzinfo=UTC)])
    store_readings(4000)
    assert not run_retention()
    assert execute("SELECT count(*) FROM signal_chain_analytics") == [(4001,)]
    assert execute("SELECT count(*) FROM ticks") == execute("SELECT count(*) FROM historical_data") == [(1,)]


def test_days_go_as_a_whole_when_all_of_them_is_old(settings: Any) -> None:
    settings.TICKS_KEEP_DAYS, settings.QUOTES_KEEP_DAYS = 10, 0
    store_ticks([age / 4 for age in range(36, 52)])  # from 9 to 13 days, four a day
    store_ticks([3000], "NSE@OTHER@equity_spot")
    before = dict(execute(AGES.format("ticks"), [1, 10]))
    assert not run_retention()
    assert dict(execute(AGES.format("ticks"), [1, 10])) == {True: before[True]} and before[False] >= 4
    assert execute("SELECT min(time) >= date_trunc('day', now() - interval '10 days') FROM ticks") == [(True,)]
    assert not run_retention()  # nothing is left to do


def test_what_evaluations_said_goes_by_levels_and_terms(settings: Any) -> None:
    settings.MONEYNESS_KEEP_DAYS = settings.CHAIN_ANALYTICS_KEEP_DAYS = 10
    store_levels(60)
    store_readings(80)
    assert not run_retention()
    for table, days, least in (("signal_moneyness_greeks", 7, 20), ("signal_chain_analytics", 30, 10)):
        kept = dict(execute(AGES.format(table), [days, 10]))
        assert kept.keys() == {True} and kept[True] >= least


def test_bars_go_by_their_interval(settings: Any) -> None:
    settings.BARS_KEEP_DAYS = {"1m": 90, "1h": 400}
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    for interval in ("1m", "1h", "1d"):
        for key in (KEY, "NSE@OTHER@equity_spot"):
            store_bars(interval, [now - timedelta(days=days) for days in (1, 200, 500)], key)
    if detect(connection).edition is Edition.COMMUNITY:
        execute("SELECT compress_chunk(c) FROM show_chunks('historical_data', older_than => interval '400 days') c")
    assert not run_retention()
    kept = dict(execute("SELECT interval, count(*) FROM historical_data GROUP BY 1"))
    assert kept == {"1m": 2, "1h": 4, "1d": 6}
    done = Retention.objects.get(table="historical_data")
    assert done.removed == 6 and done.finished_at is not None
    refresh()
    assert execute('SELECT count(*) FROM "1min_aggregate"') == [(2,)]


def test_a_run_that_ends_early_goes_on_in_small_batches(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one moment any number of rows may be; more than a batch of them go at once."""
    monkeypatch.setattr(retention, "ROWS", 10)
    monkeypatch.setattr(retention, "INSTRUMENTS", 3)
    settings.BARS_KEEP_DAYS = {"1m": 90}
    old = datetime.now(UTC) - timedelta(days=200)
    for number in range(7):
        store_bars("1m", [old + timedelta(minutes=minute) for minute in range(25)], f"NSE@K{number}@equity_spot")
    runs, left = 0, [(175,)]
    while retention.expire(seconds=-1):  # one batch each
        runs += 1
        before, left = left, execute("SELECT count(*) FROM historical_data")
        assert 0 < before[0][0] - left[0][0] <= 30
    assert left == [(0,)] and runs == 9
    assert Retention.objects.get(table="historical_data").removed == 175


def test_many_ticks_of_one_moment_go_at_once(settings: Any, monkeypatch: pytest.MonkeyPatch, edition: Edition) -> None:
    if edition is not Edition.POSTGRESQL:
        pytest.skip("chunks are dropped")
    monkeypatch.setattr(retention, "ROWS", 10)
    settings.TICKS_KEEP_DAYS = 10
    moment = datetime.now(UTC) - timedelta(days=20)
    record_ticks(Tick, [(KEY, moment, f"{number}-0", 1.0, *[None] * 11, "") for number in range(50)])
    assert not retention.expire(seconds=20)
    assert execute("SELECT count(*) FROM ticks") == [(0,)]


def test_one_run_at_a_time(settings: Any) -> None:
    settings.BARS_KEEP_DAYS = {"1m": 90}
    store_bars("1m", [datetime(1999, 1, 1, tzinfo=UTC)])
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [retention.LOCK])
            assert not retention.expire(seconds=20)
            assert execute("SELECT count(*) FROM historical_data") == [(1,)]
            cursor.execute("SELECT pg_advisory_unlock(%s)", [retention.LOCK])
    finally:
        other.close()
    assert not retention.expire(seconds=20)
    assert execute("SELECT count(*) FROM historical_data") == [(0,)]


# --- TimescaleDB ------------------------------------------------------------------------------------------------------


def test_policies_follow_the_settings(settings: Any, edition: Edition) -> None:
    if edition is not Edition.COMMUNITY:
        pytest.skip("needs TimescaleDB with the community licence")
    query = (
        "SELECT config->>'drop_after' FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_retention' AND hypertable_name = 'ticks'"
    )
    for days, expected in ((400, [("400 days",)]), (500, [("500 days",)]), (0, [])):
        settings.TICKS_KEEP_DAYS = days
        assert ensure_policies(connection) == 1 and ensure_policies(connection) == 0
        assert execute(query) == expected


def test_compressed_chunks_take_bars_and_ticks_as_others_do(edition: Edition) -> None:
    if edition is not Edition.COMMUNITY:
        pytest.skip("needs TimescaleDB with the community licence")
    bars, _ = random_market(random.Random(2), "NSE", DAYS, ticks_a_day=1)
    minutes = bar_columns(bars[60])
    record_bars(KEY, 60, minutes, source="test")
    store_ticks([1000, 1000.5, 1001])
    before = execute("SELECT * FROM historical_data ORDER BY time")
    for table in ("historical_data", "ticks"):
        assert execute("SELECT count(compress_chunk(c)) FROM show_chunks(%s) c", [table])[0][0] >= 1
    assert execute("SELECT * FROM historical_data ORDER BY time") == before
    assert record_bars(KEY, 60, minutes, source="test") == 0
    minutes.close[:5] = np.maximum(minutes.close[:5], 1) * 2
    assert record_bars(KEY, 60, minutes, source="test") == 5
    rows = execute("SELECT instrument_key, time, entry_id FROM ticks")
    again = [(*row, 2.0, *[None] * 11, "") for row in rows]
    record_ticks(Tick, [*again, (KEY, rows[0][1], "9-9", 3.0, *[None] * 11, "")])
    assert execute("SELECT ltp, count(*) FROM ticks GROUP BY 1 ORDER BY 1") == [(1.0, 3), (3.0, 1)]


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_tell_of_retention_and_policies(settings: Any, edition: Edition) -> None:
    settings.BARS_KEEP_DAYS = {"1m": 90}
    store_bars("1m", [datetime(1999, 1, 1, tzinfo=UTC)])
    run_retention()
    samples = {
        (sample.name, sample.labels.get("table"), sample.labels.get("job")): sample.value
        for metric in StorageCollector().collect()
        for sample in metric.samples
    }
    assert samples["signal_storage_removed_total", "historical_data", None] == 1
    at = samples["signal_storage_finished_timestamp_seconds", "ticks", None]
    assert abs(datetime.now(UTC).timestamp() - at) < 60
    if edition is Edition.COMMUNITY:
        assert samples["signal_storage_job_failures_total", "historical_data", "compression"] == 0
        assert samples["signal_storage_job_failures_total", "1min_aggregate", "refresh_continuous_aggregate"] == 0


def test_the_task_removes_and_ends(settings: Any) -> None:
    settings.BARS_KEEP_DAYS = {"1m": 90}
    store_bars("1m", [datetime(1999, 1, 1, tzinfo=UTC)])
    tasks.expire()
    assert execute("SELECT count(*) FROM historical_data") == [(0,)]
    scheduled = {each["task"] for each in settings.CELERY_BEAT_SCHEDULE.values()}
    assert tasks.expire.name in scheduled
