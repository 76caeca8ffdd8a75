"""manage.py import_rates FILE..."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from signals.importers.commands import ImportCommand
from signals.importers.core.rates import PRESETS, RateConventions
from signals.importers.core.tables import Dates, Unit
from signals.importers.rates import import_rates
from signals.rates.core.conversions import Compounding


class Command(ImportCommand):
    help = "Import zero curves: currency, date, tenor and rate, or a date and a column per tenor; plain, .gz or .zip."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--preset", choices=PRESETS, help="the options of a known source; those given come first")
        parser.add_argument("--currency", help="currency of a file that has no such column, such as INR")
        parser.add_argument("--unit", choices=list(Unit), help="of the rates (default: decimal, 0.065)")
        parser.add_argument(
            "--compounding",
            choices=list(Compounding),
            help="of the rates (default: continuous). par: bond yields at par with half-yearly coupons, bootstrapped",
        )
        parser.add_argument("--dates", choices=list(Dates), help="order of day and month (default: 2026-06-11 only)")

    def handle(self, *, files: list[Path], rejects: Path | None, preset: str | None, **options: Any) -> None:
        said: dict[str, Any] = {
            name: kind(options[name])
            for name, kind in (("currency", str), ("unit", Unit), ("compounding", Compounding), ("dates", Dates))
            if options[name] is not None
        }
        conventions = replace(PRESETS[preset] if preset else RateConventions(), **said)
        self.import_files(files, rejects, lambda path, progress: import_rates(path, conventions, progress=progress))
