"""A backup of hypertables becomes plain tables where TimescaleDB is not, and hypertables where it is.

Where TEST_DATABASE_URL names a TimescaleDB, whole backups are written and restored.
"""

import io
import json
import subprocess
import zipfile
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from signalsite.hypertable_backups import COLUMNS, copy_rows
from signalsite.postgres_programs import client, environment
from tests.integration.databases import fresh_database
from tests.integration.test_backups import Site
from timeframes.bars.models import Bar, BarChange

ROWS = """
INSERT INTO ticks (instrument_key, time, entry_id, ltp) SELECT 'NSE@K@equity_spot', timestamptz '2024-01-19T03:45Z'
  + s * interval '97 s', s || '-0', s / 3.0 FROM generate_series(1, 3000) s;
INSERT INTO historical_data (instrument_key, interval, time, open, high, low, close, source)
  SELECT E'NSE@K\\\\\tX', '1m', timestamptz '2024-01-19T03:45Z' + s * interval '1 min', s, s, s, s, 'test'
  FROM generate_series(1, 300) s;
"""
COMMUNITY = """
SELECT 1 FROM pg_extension WHERE extname = 'timescaledb' AND current_setting('timescaledb.license', true) = 'timescale'
"""


def everything(site: Site) -> list[list[tuple[object, ...]]]:
    tables = ("ticks", "historical_data", '"5min_aggregate"', "auth_group")
    return [site.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


def statement(site: Site, text: str) -> None:
    with psycopg.connect(site.variables["DATABASE_URL"], autocommit=True) as database:
        database.execute(text)


@pytest.mark.django_db(transaction=True)
def test_restored_rows_pass_no_trigger_and_later_ones_do(tmp_path: Path) -> None:
    noted = BarChange.objects.count()  # emptying the tables after another test is a change too
    columns = ["instrument_key", "interval", "time", "open", "high", "low", "close", "source"]
    with zipfile.ZipFile(tmp_path / "night", "w") as archive:
        archive.writestr(COLUMNS, json.dumps({"historical_data": columns}))
        archive.writestr("rows/historical_data", "NSE@K\\tX\t1m\t2024-01-19 03:45:00+00\t1\t1\t1\t1\ttest\n")
    script = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "night") as archive:
        copy_rows(archive, "public", script)
    psql = client(connection, "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")
    subprocess.run(psql, input=script.getvalue(), env=environment(connection), check=True, timeout=30)
    assert [bar.instrument_key for bar in Bar.objects.all()] == ["NSE@K\tX"]
    assert BarChange.objects.count() == noted
    Bar.objects.update(close=2.0)
    assert BarChange.objects.count() > noted


def test_hypertables_come_back_on_every_server(tmp_path: Path) -> None:
    file = str(tmp_path / "night")
    with fresh_database("signalsite_hyper") as here, fresh_database("signalsite_plain") as there:
        site, plain = Site(here), Site(there)
        if not site.rows(COMMUNITY):
            pytest.skip("needs TimescaleDB with the community licence")
        site.migrate(())
        for each in ROWS.split(";")[:2]:
            site.rows(each)
        site.rows("INSERT INTO auth_group (name) VALUES ('traders')")
        site.rows("SELECT compress_chunk(c) FROM show_chunks('ticks') c")
        site.rows("CREATE FUNCTION blocks() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        for name in ("ts_insert_blocker", "of_the_desk"):  # older versions of TimescaleDB have the first
            site.rows(f"CREATE TRIGGER {name} BEFORE INSERT ON auth_group FOR EACH ROW EXECUTE FUNCTION blocks()")
        before = everything(site)
        assert [len(rows) for rows in before] == [3000, 300, 61, 1]
        site.succeed("backup", file)
        site.rows("DELETE FROM ticks")
        assert "has data" in site.refused("restore", file)
        assert "migrate" not in site.succeed("restore", file, "--replace")
        assert everything(site) == before
        assert "missing" not in site.succeed("timescale", "status")
        assert site.rows("SELECT count(*) FROM timescaledb_information.hypertables")[0][0] >= 4

        statement(plain, "DROP EXTENSION timescaledb")
        plain.succeed("restore", file)
        assert everything(plain) == before
        triggers = {name for (name,) in plain.rows("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")}
        assert "of_the_desk" in triggers and "ts_insert_blocker" not in triggers
        assert "ticks: plain table" in plain.succeed("timescale", "status")

        broken = tmp_path / "broken"
        broken.write_bytes(Path(file).read_bytes()[:-40])
        assert "Traceback" not in plain.refused("restore", str(broken), "--replace")
        assert everything(plain) == before
