"""manage.py import_quotes FILE... --preset NAME, or --map column=field ..."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from signals.importers.commands import ImportCommand
from signals.importers.core.presets import PRESETS
from signals.importers.mapping_arguments import add_mapping_arguments, mapping_of
from signals.importers.option_chain import import_option_chain
from signals.importers.quotes import import_quotes
from signalsite.foundation.errors import InvalidInput


class Command(ImportCommand):
    unit = "B"
    help = "Import quotes of any table: CSV, JSON, JSON lines or Parquet; plain, .gz or .zip."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_mapping_arguments(parser)

    def handle(self, *, files: list[Path], rejects: Path | None, **options: Any) -> None:
        try:
            mapping = mapping_of(options)
        except InvalidInput as error:
            raise CommandError(str(error)) from error
        if mapping == PRESETS["nse_chain"]:  # its own importer proves the lots from the order quantities
            self.import_files(files, rejects, lambda path, progress: import_option_chain(path, progress=progress))
            return
        self.import_files(files, rejects, lambda path, progress: import_quotes(path, mapping, progress=progress))
