"""manage.py import_option_chain FILE..."""

from pathlib import Path
from typing import Any

from signals.importers.commands import ImportCommand
from signals.importers.option_chain import import_option_chain


class Command(ImportCommand):
    help = "Import snapshots of NSE's option chain: the JSON of its web site, plain, .gz or .zip."

    def handle(self, *, files: list[Path], rejects: Path | None, **options: Any) -> None:
        self.import_files(files, rejects, lambda path, progress: import_option_chain(path, progress=progress))
