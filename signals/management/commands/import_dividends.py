"""manage.py import_dividends FILE..."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from signals.importers.commands import ImportCommand
from signals.importers.core.tables import Dates, Unit
from signals.importers.rates import import_dividends


class Command(ImportCommand):
    help = (
        "Import cash dividends (underlying, ex_date, amount and perhaps currency, announced) or yields (underlying, "
        "since, dividend_yield); plain, .gz or .zip."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--unit", choices=list(Unit), default=Unit.DECIMAL, help="of yields (default: decimal)")
        parser.add_argument(
            "--dates", choices=list(Dates), default=Dates.ISO, help="order of day and month (default: 2026-06-11 only)"
        )

    def handle(self, *, files: list[Path], rejects: Path | None, unit: str, dates: str, **options: Any) -> None:
        self.import_files(
            files,
            rejects,
            lambda path, progress: import_dividends(path, dates=Dates(dates), unit=Unit(unit), progress=progress),
        )
