"""What retention removes and what it keeps, on whatever server the tests have: see `test_storage.py`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections

from tests.integration.stored_series import KEY, edition, execute, refresh, store_bars, store_ticks, whole
from timeframes import tasks
from timeframes.metrics import read as read_metrics
from timeframes.models import Retention, Tick
from timeframes.storage import retention
from timeframes.storage.ensure import ensure_policies
from timeframes.storage.server import Edition, detect
from timeframes.ticks.store import record_ticks

__all__ = ["edition", "whole"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)
AGES = """
SELECT time >= date_bin(make_interval(days => %s), now() - make_interval(days => %s), timestamptz '1970-01-01Z'),
       count(*) FROM {} GROUP BY 1
"""


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


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_tell_of_retention_and_policies(settings: Any, edition: Edition) -> None:
    settings.BARS_KEEP_DAYS = {"1m": 90}
    store_bars("1m", [datetime(1999, 1, 1, tzinfo=UTC)])
    run_retention()
    samples = {
        (sample.name, sample.labels.get("table"), sample.labels.get("job")): sample.value
        for metric in read_metrics()
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
