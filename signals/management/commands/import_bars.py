"""manage.py import_bars FILE... --timeframe 1m [--instrument KEY]"""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from signals.importers.bar_arguments import add_bar_arguments, bar_mapping, stored_length
from signals.importers.bars import import_bars
from signals.importers.commands import ImportCommand
from signalsite.foundation.errors import InvalidInput


class Command(ImportCommand):
    unit = "B"
    help = "Import bars (OHLCV) of one or many instruments: CSV, JSON, JSON lines or Parquet; plain, .gz or .zip."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--timeframe", required=True, help="length of the bars, from 1s to 1d: 1m, 5m, 1h, 1d")
        add_bar_arguments(parser)

    def handle(self, *, files: list[Path], rejects: Path | None, timeframe: str, **options: Any) -> None:
        try:
            mapping, seconds = bar_mapping(options), stored_length(timeframe)
        except InvalidInput as error:
            raise CommandError(f"{error.field}: {error}") from error
        self.import_files(files, rejects, lambda path, progress: import_bars(path, mapping, seconds, progress=progress))
