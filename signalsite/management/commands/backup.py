"""Write a backup of the database."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from signalsite.backups import BackupError, write_backup

NOT_IN_IT = """\
Not in it: what is only in Redis (ticks that are not stored yet, the newest live states, queued tasks: the sweep
enqueues unfinished chunks again), the secrets of the state folder (SECRET_KEY, passwords of the demo and Flower)
and the environment. It contains the users' password hashes: keep it private."""


class Command(BaseCommand):
    help = "Write all rows of the database to FILE, as of one moment, while the service runs. Restore: `restore FILE`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="replaced when it exists; mode 0600")

    def handle(self, *, file: Path, **options: Any) -> None:
        try:
            size = write_backup(connection, file)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{file}: {size:,} bytes\n{NOT_IN_IT}")
