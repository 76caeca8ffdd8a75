"""Failed restores change nothing; backups of older and newer versions. With DATABASE_URL."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.forks import the_forks
from tests.integration.databases import fresh_database

# Commands one after the other in one process, since most of a command's second is spent on imports.
SEVERAL = """
import contextlib, io, json, sys
import manage
for arguments in json.loads(sys.argv[1]):
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            manage.main(["manage.py", *arguments])
        except SystemExit as end:
            status = end.code
    print(json.dumps([status, out.getvalue(), err.getvalue()]))
"""


class Site:
    def __init__(self, variables: dict[str, str]):
        self.variables = variables

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return the_forks().run(arguments, environment=self.variables)

    def several(self, *commands: list[str]) -> "list[tuple[int, str, str]]":
        """Return the status, output and errors of each command."""
        done = the_forks().run([json.dumps(commands)], script=SEVERAL, environment=self.variables)
        assert done.returncode == 0, done.stderr
        return [tuple(json.loads(line)) for line in done.stdout.splitlines()]

    def migrate(self, *targets: tuple[str, ...]) -> None:
        """Apply the migrations up to each target: an app, and the name of one if not to the last."""
        for status, _, errors in self.several(*(["migrate", "--verbosity", "0", *target] for target in targets)):
            assert status == 0, errors

    def succeed(self, *arguments: str) -> str:
        done = self.manage(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str) -> str:
        return self.all_refused(list(arguments))[0]

    def all_refused(self, *commands: list[str]) -> list[str]:
        """Return why each command was refused."""
        ended = self.several(*commands)
        for status, _, errors in ended:
            assert status == 1 and "Traceback" not in errors, errors
        return [errors for _, _, errors in ended]

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
    (tmp_path / "words").write_text("these are words")
    refusals = {
        "has data (in auth_group). --replace": ["restore", str(file)],
        "Nothing was restored": ["restore", str(broken), "--replace"],
        "cannot be read as a backup": ["restore", str(tmp_path / "words"), "--replace"],
        "is not there": ["restore", str(tmp_path / "none"), "--replace"],
        "cannot be written: No such file": ["backup", str(tmp_path / "none" / "x")],
    }
    for why, said in zip(refusals, site.all_refused(*refusals.values()), strict=True):
        assert why in said
    assert site.rows(GROUPS) == [("later",)]
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
        older.migrate(("auth", "0012"), ("batch", "0001"))
        older.rows("INSERT INTO auth_group (name) VALUES ('of the older version')")
        older.succeed("backup", str(tmp_path / "old"))
    assert "run `manage.py migrate`" in site.succeed("restore", str(tmp_path / "old"), "--replace")
    site.succeed("migrate", "--verbosity", "0")
    assert site.rows(GROUPS) == [("of the older version",)]


def test_a_backup_of_a_newer_version_is_refused(site: Site, tmp_path: Path) -> None:
    site.rows("INSERT INTO django_migrations (app, name, applied) VALUES ('batch', '9999_later', now())")
    (kept, _, _), (status, _, refusal) = site.several(
        ["backup", str(tmp_path / "new")], ["restore", str(tmp_path / "new")]
    )
    assert (kept, status) == (0, 1) and "made by a newer version: it has batch.9999_later" in refusal
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
    alone, nowhere = site.all_refused(
        ["backup", str(tmp_path / "one"), "--keep", "1"], ["backup", "--into", str(tmp_path / "none")]
    )
    assert "--keep needs --into" in alone and "is not a folder" in nowhere


def test_a_backup_that_fails_leaves_the_last_one(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "last"
    file.write_text("the last one")
    site.rows("REVOKE SELECT ON auth_group FROM CURRENT_USER")
    assert "permission denied for table auth_group" in site.refused("backup", str(file))
    site.rows("GRANT SELECT ON auth_group TO CURRENT_USER")
    assert file.read_text() == "the last one" and list(tmp_path.iterdir()) == [file]
