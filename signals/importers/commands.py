"""The base of the import commands: a progress bar, a summary and rejects for each file, and an exit code."""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from signals.importers.reports import ImportReport, ProgressCallback, RejectedRow, write_rejects
from signalsite.foundation.errors import SignalServiceError


class ImportCommand(BaseCommand):
    """Imports each file on its own. One that fails leaves the others in place and makes the command fail at the end."""

    requires_system_checks = []  # they take half a second
    unit = " rows"  # what the importer counts as it proceeds

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--rejects",
            type=Path,
            metavar="FILE",
            help="file for the rows that could not be used (default: NAME.rejects.csv in this folder)",
        )

    def import_files(
        self, files: list[Path], rejects: Path | None, importer: Callable[[Path, ProgressCallback], ImportReport]
    ) -> None:
        failed: list[str] = []
        kept: list[RejectedRow] = []
        for path in files:
            started = time.perf_counter()
            try:
                with tqdm(
                    total=0,
                    desc=path.name,
                    unit=self.unit,
                    unit_scale=self.unit == "B",
                    leave=False,
                    disable=None,
                    file=sys.stderr,
                ) as bar:
                    report = importer(path, partial(advance, bar))
            except SignalServiceError as error:
                failed.append(f"{path.name}: {error}")
                self.stderr.write(self.style.ERROR(failed[-1]))
                continue
            self.stdout.write("\n".join(report.lines(time.perf_counter() - started)))
            kept += report.rejected
            if report.rejected and rejects is None:
                self._write(Path(f"{path.name}.rejects.csv"), report.rejected)
        if kept and rejects is not None:
            self._write(rejects, kept)
        if failed:
            raise CommandError(f"{len(failed)} of {len(files)} files not imported: " + "; ".join(failed))

    def _write(self, path: Path, rows: list[RejectedRow]) -> None:
        try:
            write_rejects(path, rows)
        except OSError as error:
            raise CommandError(f"the rejects could not be written to {path}: {error.strerror}") from error
        self.stdout.write(f"  rejects in {path}")


def advance(bar: "tqdm[Any]", done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)
