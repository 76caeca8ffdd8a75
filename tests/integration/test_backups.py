"""Failed restores change nothing; backups of older and newer versions. With DATABASE_URL."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.databases import fresh_database
from tests.integration.processes import ROOT


class Site:
    def __init__(self, variables: dict[str, str]):
        self.variables = variables

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.variables, capture_output=True, text=True, check=False)

    def succeed(self, *arguments: str) -> str:
        done = self.manage(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str) -> str:
        done = self.manage(*arguments)
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        return done.stderr

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.variables["DATABASE_URL"]) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with fresh_database("signalsite_backups") as variables:
        site = Site(variables)
        site.succeed("migrate", "--verbosity", "0")
        site.rows("INSERT INTO auth_group (name) VALUES ('traders')")
        yield site


GROUPS = "SELECT name FROM auth_group"
NEWER = (  # what the backup does not know
    "CREATE VIEW of_groups AS SELECT * FROM auth_group",
    "CREATE TYPE mood AS ENUM ('calm')",
    "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE parted (id serial, at date) PARTITION BY RANGE (at)",
    "CREATE TABLE part PARTITION OF parted DEFAULT",
)


def test_all_or_nothing(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "whole"
    site.succeed("backup", str(file))
    broken = tmp_path / "broken"
    broken.write_bytes(file.read_bytes()[:-20])  # the rows of the last tables
    site.rows("UPDATE auth_group SET name = 'later'")
    for more in NEWER:
        site.rows(more)
    assert "has data (in auth_group). --replace" in site.refused("restore", str(file))
    assert "Nothing was restored" in site.refused("restore", str(broken), "--replace")
    assert site.rows(GROUPS) == [("later",)]
    (tmp_path / "words").write_text("these are words")
    assert "cannot be read as a backup" in site.refused("restore", str(tmp_path / "words"), "--replace")
    assert "is not there" in site.refused("restore", str(tmp_path / "none"), "--replace")
    assert "cannot be written: No such file" in site.refused("backup", str(tmp_path / "none" / "x"))
    site.succeed("restore", str(file), "--replace")
    assert site.rows(GROUPS) == [("traders",)]
    left = "SELECT to_regclass('of_groups'), to_regclass('parted'), to_regtype('mood'), to_regprocedure('one()')"
    assert site.rows(left) == [(None, None, None, None)]


def test_the_operator_reads_why_psql_was_refused(site: Site, tmp_path: Path) -> None:
    site.rows("INSERT INTO auth_group (name) SELECT repeat('x', 120) || n FROM generate_series(1, 2000) n")
    site.succeed("backup", str(tmp_path / "large"))  # more than a pipe holds, and psql ends before it reads any
    site.rows("DELETE FROM auth_group WHERE name LIKE 'x%'")
    url = site.variables["DATABASE_URL"]
    ours = f"{url}{'&' if '?' in url else '?'}options=-c%20search_path%3Dpublic"  # Django's own; psql has PGOPTIONS
    refused = Site({**site.variables, "DATABASE_URL": ours, "PGOPTIONS": "-c no_such_setting=1"})
    complaint = refused.refused("restore", str(tmp_path / "large"), "--replace")
    assert "Nothing was restored and nothing was changed" in complaint
    assert 'unrecognized configuration parameter "no_such_setting"' in complaint
    assert site.rows(GROUPS) == [("traders",)]


def test_a_backup_of_an_older_version_is_restored_and_migrated(site: Site, tmp_path: Path) -> None:
    with fresh_database("signalsite_backups_older") as variables:  # not every migration can be taken back
        older = Site(variables)
        for app, name in (("auth", "0012"), ("batch", "0001")):
            older.succeed("migrate", "--verbosity", "0", app, name)
        older.rows("INSERT INTO auth_group (name) VALUES ('of the older version')")
        older.succeed("backup", str(tmp_path / "old"))
    assert "run `manage.py migrate`" in site.succeed("restore", str(tmp_path / "old"), "--replace")
    site.succeed("migrate", "--verbosity", "0")
    assert site.rows(GROUPS) == [("of the older version",)]


def test_a_backup_of_a_newer_version_is_refused(site: Site, tmp_path: Path) -> None:
    site.rows("INSERT INTO django_migrations (app, name, applied) VALUES ('batch', '9999_later', now())")
    site.succeed("backup", str(tmp_path / "new"))
    assert "made by a newer version: it has batch.9999_later" in site.refused("restore", str(tmp_path / "new"))
    site.rows("DELETE FROM django_migrations WHERE name = '9999_later'")


def test_a_folder_keeps_the_newest(site: Site, tmp_path: Path) -> None:
    for name in ("signalsite-20260101T000000Z.backup", "signalsite-20260102T000000Z.backup", "mine.backup"):
        (tmp_path / name).touch()
    said = site.succeed("backup", "--into", str(tmp_path), "--keep", "2")
    written = Path(said.partition(":")[0])
    kept = {"mine.backup", "signalsite-20260102T000000Z.backup", written.name}
    assert {file.name for file in tmp_path.iterdir()} == kept
    assert f"removed {tmp_path}/signalsite-20260101T000000Z.backup" in said
    assert "is restored" in site.succeed("restore", str(written), "--replace")
    assert "--keep needs --into" in site.refused("backup", str(tmp_path / "one"), "--keep", "1")
    assert "is not a folder" in site.refused("backup", "--into", str(tmp_path / "none"))


def test_a_backup_that_fails_leaves_the_last_one(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "last"
    file.write_text("the last one")
    site.rows("REVOKE SELECT ON auth_group FROM CURRENT_USER")
    assert "permission denied for table auth_group" in site.refused("backup", str(file))
    site.rows("GRANT SELECT ON auth_group TO CURRENT_USER")
    assert file.read_text() == "the last one" and list(tmp_path.iterdir()) == [file]
