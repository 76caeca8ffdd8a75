"""manage.py import_bhavcopy FILE..."""

from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from signals.importers.bhavcopy import import_bhavcopy
from signals.importers.commands import ImportCommand


class Command(ImportCommand):
    help = "Import end-of-day derivatives files: legacy columns, NSE's daily zip or UDiFF; plain, .gz or .zip."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--date",
            metavar="YYYY-MM-DD",
            help="trade date, needed if neither the file nor its name gives it; rows of other days are rejected",
        )

    def handle(self, *, files: list[Path], rejects: Path | None, date: str | None, **options: Any) -> None:
        day = _parse(date)
        self.import_files(
            files, rejects, lambda path, progress: import_bhavcopy(path, trade_date=day, progress=progress)
        )


def _parse(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise CommandError(f"--date {text!r} is not a date as YYYY-MM-DD") from None
