"""Restore a backup of the database."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from signalsite.backups import restore_backup
from signalsite.management.commands.migrate import one_at_a_time
from signalsite.postgres_programs import BackupError
from timeframes.storage.ensure import StorageBusy, ensure
from timeframes.storage.plan import NameTaken


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Restore the database from FILE of `backup`, all or nothing. Stop the service first."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--replace", action="store_true", help="drop the data in the database")

    def handle(self, *, file: Path, replace: bool, **options: Any) -> None:
        try:
            with one_at_a_time(connection):
                behind = restore_backup(connection, file, replace=replace)
                if not behind:  # otherwise the tables may lack what it needs
                    ensure(connection)
        except (BackupError, StorageBusy, NameTaken) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{file} is restored. Redis is unchanged: empty it if it served another database.")
        if behind:
            self.stdout.write(f"The backup lacks {behind} migrations of this version: run `manage.py migrate`.")
            self.stdout.write("Then run `manage.py timescale ensure`, for TimescaleDB.")
