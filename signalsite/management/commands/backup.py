"""Write a backup of the database."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from signalsite.backups import write_backup
from signalsite.postgres_programs import BackupError

NOT_IN_IT = """\
Not in it: what is only in Redis (ticks that are not stored yet, the newest live states, queued tasks: the sweep
enqueues unfinished chunks again), the secrets of the state folder (SECRET_KEY, passwords of the demo and Flower)
and the environment. It contains the users' password hashes: keep it private."""


NAMED = "signalsite-{:%Y%m%dT%H%M%SZ}.backup"  # by name they are in the order of their times
OURS = "signalsite-????????T??????Z.backup"


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Write all rows of the database to FILE, as of one moment, while the service runs. Restore: `restore FILE`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("file", type=Path, nargs="?", metavar="FILE", help="replaced when it exists; mode 0600")
        where.add_argument("--into", type=Path, metavar="FOLDER", help="write a file named after the time, in UTC")
        parser.add_argument("--keep", type=int, metavar="N", help="with --into: then remove all but the N newest")

    def handle(self, *, file: Path | None, into: Path | None, keep: int | None, **options: Any) -> None:
        if keep is not None and (into is None or keep < 1):
            raise CommandError("--keep needs --into, and a number from 1")
        if into is not None and not into.is_dir():
            raise CommandError(f"{into} is not a folder.")
        target = into / NAMED.format(timezone.now()) if into is not None else file
        assert target is not None  # argparse asks for one of both
        try:
            size = write_backup(connection, target)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{target}: {size:,} bytes\n{NOT_IN_IT}")
        if into is not None and keep is not None:
            for old in sorted(into.glob(OURS))[:-keep]:
                old.unlink()
                self.stdout.write(f"removed {old}")
